"""crossfoot beam: the definition as an Apache Beam pipeline."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from crossfoot import settings
from crossfoot.cli.app import INTERRUPTED, STANDARD
from crossfoot.cli.output import Format, Table, emit, next_step, note, remarks_of, say
from crossfoot.cli.places import load, written_to
from crossfoot.cli.stop import Stop
from crossfoot.clock import SystemClock
from crossfoot.definition.engines import refuse
from crossfoot.errors import CallError

if TYPE_CHECKING:
    from crossfoot.engines.beam.job import Job
    from crossfoot.engines.beam.submit import Launch
    from crossfoot.services.table_feed import Beside, TableFeed

RunnerName = Literal["prism", "direct", "dataflow", "portable"]
_SHARDS_MAX = 4096


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Pipeline:
    """How the pipeline is made, and where it runs."""

    runner: Annotated[RunnerName, Parameter(help="Prism and Direct run on this machine.")] = "prism"
    shards: Annotated[int, Parameter(help="Slices of all ids, for the life of the job.")] = 4
    name: Annotated[str | None, Parameter(help="The job's name; that of the namespace unless given.")] = None
    update: Annotated[bool, Parameter(help="Go on with the state of the job of this name.")] = False
    option: Annotated[
        list[str] | None, Parameter(help="An option of Beam's, as it is: region=europe-west1.", negative="")
    ] = None
    prism: Annotated[Path | None, Parameter(help="The program of Prism.")] = None


Inputs = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]


def run(definition: Path, /, *, input: Inputs = None, pipeline: Pipeline = Pipeline()) -> int:  # noqa: A002
    """Count on a runner of Apache Beam: submit the definition's pipeline, and follow it to its end.

    Checked before anything is written. On this machine Ctrl-C ends the job; a job that is elsewhere goes on.

    Parameters
    ----------
    definition
        The definition's file.
    input
        Files, folders and patterns instead of the definition's sources.
    """
    from crossfoot.engines.beam.beginning import begin
    from crossfoot.engines.beam.runners import RUNNERS
    from crossfoot.engines.beam.submit import follow

    job, launch = _job(definition, input, pipeline), _launch(pipeline)
    feeds: list[TableFeed] = []

    def ensure() -> None:
        feeds.extend(_feeds(job))
        for feed in feeds:
            feed.ensure()

    result = begin(job, launch, ("warehouse", lambda: _reach(job)), claimed=ensure)
    with _fed(feeds) as beside:
        with Stop() as stop:
            ended = follow(job, launch, result, beside.looking(stop.asked))
        if stop.asked():
            away = RUNNERS[pipeline.runner].is_away
            note("the job goes on without being followed" if away else "interrupted: what was written is kept")
            return INTERRUPTED
        say(f"{job.name}: {ended.lower()}")
        for each in beside.last():
            missing = f", without {each.missing:,} that can never be there" if each.missing else ""
            say(f"{each.name}: up to epoch {each.epoch}{missing}")
    next_step(f"crossfoot query METRIC --store {_tables(job)[0]}")
    return 0


def check(
    definition: Path,
    /,
    *,
    input: Inputs = None,  # noqa: A002
    pipeline: Pipeline = Pipeline(),
    format: Annotated[Format, Parameter(help="How the findings are printed.")] = "table",  # noqa: A002
) -> int:
    """Say what stands against a run: parts of the definition, the runner, table, subscription. Nothing is written.

    Exit code 1 if anything does.

    Parameters
    ----------
    definition
        The definition's file.
    input
        Files, folders and patterns instead of the definition's sources.
    """
    from crossfoot.engines.beam.checking import findings

    job, launch = _job(definition, input, pipeline), _launch(pipeline)
    rows = findings(job, launch, settings.environment(), ("warehouse", lambda: _reach(job)))
    emit(Table(("check", "result", "detail"), rows), format)
    return 1 if any(result == "FAILED" for _, result, _ in rows) else 0


def export(
    definition: Path,
    /,
    *,
    out: Path,
    input: Inputs = None,  # noqa: A002
    pipeline: Pipeline = Pipeline(),
) -> int:
    """Write the pipeline as a Python file, with the packages that it needs beside it.

    Parameters
    ----------
    definition
        The definition's file; its text goes into the pipeline's.
    out
        The file that is written.
    input
        Files, folders and patterns instead of the definition's sources.
    """
    from crossfoot import __version__
    from crossfoot.engines.beam.checking import lacks
    from crossfoot.engines.beam.exporting import write

    job, launch = _job(definition, input, pipeline), _launch(pipeline)
    refuse(f"beam on {pipeline.runner}", lacks(job, pipeline.runner))
    with written_to(str(out)):
        made, needed = write(job, launch, definition.read_text("utf-8"), out)
    say(f"written: {made}")
    say(f"written: {needed}")
    install = f"pip install --find-links FOLDER_OF_THE_WHEEL crossfoot=={__version__} -r {needed}"
    prism = f" --prism_location={launch.program}" if launch.program else ""
    next_step(f"python {made}{prism}, elsewhere after {install}")
    return 0


def feed(
    definition: Path,
    /,
    *,
    once: bool = False,
    format: Annotated[Format, Parameter(help="How the outcome is printed, with --once.")] = "table",  # noqa: A002
) -> int:
    """Feed the definition's warehouses from the table of its job: cells, counted events, accounts.

    `beam run` does so itself while it follows a job. This is for a job that goes on without being followed; it runs on
    any machine, until Ctrl-C or TERM, needs no Apache Beam, and may be killed at any moment. With --once the exit code
    is 1 if something can never be there: events that were counted before counted events were asked for, cells that the
    table does not take.

    Parameters
    ----------
    definition
        The definition's file.
    once
        Bring the warehouses up to what the table holds now, then stop.
    """
    from crossfoot.services.table_feed import catch_up, feeds_of

    loaded, home = load(definition), definition.absolute().parent
    feeds = feeds_of(loaded, home, settings.load(), settings.environment(), SystemClock())
    if not feeds:
        hint = "name one: sinks: [{bigquery: {project: …, dataset: …}}]"
        raise CallError("no warehouse of the definition takes cells or counted events", hint)
    if once:
        rows = catch_up(feeds, lambda: False)
        emit(Table(("feed", "rows", "epoch", "missing"), rows), format)
        return 1 if any(missing for *_, missing in rows) else 0
    with Stop() as stop, _fed(feeds) as beside:
        beside.wait(stop.asked)
    return 0


def _feeds(job: Job) -> list[TableFeed]:
    from crossfoot.services.table_feed import feeds_of

    return feeds_of(job.definition, Path(job.home), settings.load(), settings.environment(), SystemClock())


def _fed(feeds: list[TableFeed]) -> AbstractContextManager[Beside]:
    from crossfoot.services.table_feed import fed_beside

    chosen = settings.load()
    return fed_beside(feeds, chosen, SystemClock(), remarks_of("beam", chosen.log))


def _reach(job: Job) -> None:
    from crossfoot.services.table_feed import reach

    reach(job.definition, Path(job.home), settings.environment(), SystemClock())


def _job(definition: Path, inputs: list[str] | None, pipeline: Pipeline) -> Job:
    from crossfoot.engines.beam.job import job_of
    from crossfoot.engines.beam.runners import RUNNERS, need_beam

    need_beam()
    if not 0 < pipeline.shards <= _SHARDS_MAX:
        raise CallError(f"there are from 1 to {_SHARDS_MAX:,} shards, not {pipeline.shards:,}", "name another number")
    loaded, home = load(definition), definition.absolute().parent
    paths = tuple("-" if path == STANDARD else path for path in inputs or ())
    made = job_of(loaded, pipeline.name, pipeline.shards, home, Path.cwd(), paths)
    return made.read_by_runner() if RUNNERS[pipeline.runner].has_reader else made


def _launch(pipeline: Pipeline) -> Launch:
    from crossfoot.dev.parts import PRISM, kept
    from crossfoot.engines.beam.runners import find_prism
    from crossfoot.engines.beam.submit import Launch

    options = tuple(f"--{option.removeprefix('--')}" for option in pipeline.option or ())
    if pipeline.runner != "prism":
        return Launch(pipeline.runner, "", options, pipeline.update)
    made = kept(PRISM)
    found = find_prism(str(pipeline.prism or "")) or (str(made / "prism") if made else "")
    return Launch(pipeline.runner, found, options, pipeline.update)


def _tables(job: Job) -> list[str]:
    from crossfoot.engines.beam.outlets import bigtables_of

    return [f"bigtable:{each.project}/{each.instance}/{each.table}" for each in bigtables_of(job.definition)]
