"""crossfoot batch: the recount by SQL, written hour by hour."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crossfoot import settings
from crossfoot.cli.app import INTERRUPTED, STANDARD
from crossfoot.cli.output import Format, Table, emit, note, say
from crossfoot.cli.places import default_store, load
from crossfoot.cli.progress import windows_bar
from crossfoot.cli.stop import Stop
from crossfoot.definition.durations import duration_us
from crossfoot.definition.findings import BadValueError
from crossfoot.definition.model import BigQuerySource, Definition
from crossfoot.errors import CallError
from crossfoot.query.times import read_time
from crossfoot.services.batch import Job, Report
from crossfoot.services.batch import run as recount
from crossfoot.services.watch import Watch
from crossfoot.sources.files import Place
from crossfoot.sources.remote import remote_of

OUT = "batch"


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Hours:
    """Which hours are written, and when."""

    since: Annotated[str | None, Parameter(help="Only hours from this time on: 2015-09-12T10:00Z.")] = None
    until: Annotated[str | None, Parameter(help="Only hours that begin before this time.")] = None
    drop_late: Annotated[
        str | None, Parameter(help="Compute an hour once, so long after its end (1h): what arrives later never counts.")
    ] = None


def batch(
    definition: Path,
    /,
    *,
    store: Path | None = None,
    input: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,  # noqa: A002
    out: Path | None = None,
    hours: Hours = Hours(),
    format: Annotated[Format, Parameter(help="How the summary is printed.")] = "table",  # noqa: A002
) -> int:
    """Count an archive, files or a BigQuery table again by SQL, and write each hour's cells whole, as Parquet.

    A later run writes only the hours that are missing, or have other events than before.

    Parameters
    ----------
    definition
        The definition's file.
    store
        The store whose archive is counted; `.crossfoot` beside the definition unless named.
    input
        Files, folders, patterns or archives instead.
    out
        The folder of the results; `batch` beside the definition unless named.
    """
    loaded = load(definition)
    if input and (store is not None or STANDARD in input):
        raise CallError("a batch counts the archive of a store, or files", "name one of --store and --input FILE")
    home, folder = definition.absolute().parent, (out or definition.parent / OUT).absolute()
    chosen = (store or default_store(definition)).absolute()
    table = None if input or store else _table(loaded)
    remote = remote_of(loaded, settings.environment())
    place = Place(Path.cwd(), home, (folder, chosen, definition.absolute()), remote)
    job = Job(
        loaded,
        folder,
        None if input or table else chosen,
        tuple(input or ()),
        place,
        _delay(hours.drop_late),
        read_time(hours.since),
        read_time(hours.until),
        table,
    )
    with windows_bar() as progress, Stop() as stop:
        report = recount(job, settings.load(), Watch(state=progress, stop=stop.asked))
    _tell(report, format)
    if report.stopped:
        note("interrupted: what was written is kept; run again to go on")
        return INTERRUPTED
    return 0


def _table(definition: Definition) -> BigQuerySource | None:
    """The BigQuery table that the definition reads, if it reads one."""
    tables = [source for source in definition.sources if isinstance(source, BigQuerySource)]
    if tables and len(definition.sources) > 1:
        raise CallError("a batch counts one BigQuery table", "leave the other sources out of the definition")
    return tables[0] if tables else None


def _delay(text: str | None) -> int | None:
    try:
        return None if text is None else duration_us(text)
    except BadValueError as error:
        raise CallError(f"--drop-late takes a duration, not {text}", "write 1h, 30m, 2d") from error


def _tell(report: Report, form: Format) -> None:
    shown = ("written", "unchanged", "kept", "waiting", "cells")
    rows = [(name, getattr(report, name)) for name in shown]
    emit(Table(("windows", "number"), rows, whole=asdict(report)), form)
    if form != "table":
        return
    if report.as_before:
        say("the inputs are as they were, and everything is written")
    elif report.accounts:
        told = ", ".join([f"{name} {number:,}" for name, number in report.accounts.items()])
        say(f"{sum(report.accounts.values()):,} records in {report.seconds:.1f} s: {told}")
    else:
        say("the inputs hold no records")
    if report.waiting:
        say("hours are waiting: their time has not come; run again later")
    if report.lost:
        say(f"the archive lacks {report.lost}: windows that were written of more events are kept")
