"""crossfoot run: count files, or sources without an end, into a store."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from crossfoot import settings
from crossfoot.cli.app import INTERRUPTED, STANDARD
from crossfoot.cli.output import Format, Table, emit, next_step, note, remarks_of, say, shell_words
from crossfoot.cli.places import default_store, load, shown_store
from crossfoot.cli.progress import bar
from crossfoot.cli.stop import Stop
from crossfoot.definition.model import Definition
from crossfoot.errors import CallError
from crossfoot.query.times import show_time
from crossfoot.services.run import DamagedInputsError, Job
from crossfoot.services.run import run as count
from crossfoot.services.summary import Summary
from crossfoot.services.watch import Watch
from crossfoot.sources.files import Place
from crossfoot.sources.openers import has_end, is_live, openers_of

if TYPE_CHECKING:
    from crossfoot.services.live import LiveJob

_REASONS_SHOWN = 5


def run(
    definition: Path,
    /,
    *,
    store: Path | None = None,
    input: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,  # noqa: A002
    once: bool | None = None,
    metrics_port: int | None = None,
    format: Format = "table",  # noqa: A002
) -> int:
    """Count the definition's source, or `--input`, into a store. A later run counts what was added since.

    Ctrl-C ends after the current block: what was counted is committed, and the next run goes on from there.

    Parameters
    ----------
    definition
        The definition's file.
    store
        The folder of the store; `.crossfoot` beside the definition unless named.
    input
        Files, folders, patterns or archives instead of the definition's source; `-` is standard input.
    once
        Count all input to the end that it has now, then stop. Files that are not followed are always counted so.
    metrics_port
        Serve `/metrics` for Prometheus at this port of the loopback interface; 0: any free one, which `watch` shows.
    format
        How the summary is printed.
    """
    loaded = load(definition)
    folder = store or default_store(definition)
    chosen = settings.chosen(metrics_port=metrics_port)
    home = definition.absolute().parent
    if not input and is_live(loaded):
        from crossfoot.services.live import LiveJob

        place = Place(home, home, (folder.absolute(), definition.absolute()))
        sources_of = partial(openers_of, place=place, environment=settings.environment())
        live = LiveJob(loaded, folder.absolute(), sources_of(loaded), bool(once) or has_end(loaded), home, sources_of)
        return _live(live, chosen, format)
    if once is False:
        raise CallError("these files are counted to their end, not followed", "add `follow: true` to their source")
    inputs = tuple("-" if path == STANDARD else path for path in input) if input else None
    job = Job(loaded, folder.absolute(), home, Path.cwd(), inputs, (definition.absolute(),))
    with bar() as progress, Stop() as stop:
        watch = Watch(state=progress, note=remarks_of("run", chosen.log), stop=stop.asked)
        try:
            summary = count(job, chosen, watch)
        except DamagedInputsError as error:
            _report(error.summary, format)
            raise
    _report(summary, format)
    if summary.outcome.stopped:
        note("interrupted: what was counted is committed; run again to go on")
        return INTERRUPTED
    next_step(shell_words(["crossfoot", *_first_question(loaded), *shown_store(folder)]))
    return 0


def _live(job: LiveJob, chosen: settings.Settings, form: Format) -> int:
    """Until Ctrl-C or TERM, which is how such a run ends, or once up to the ends of the logs."""
    from crossfoot.services.live import LiveWatch, run_live

    with Stop() as stop:
        summary = run_live(job, chosen, LiveWatch(note=remarks_of("run", chosen.log), stop=stop.asked))
    _report(summary, form)
    return 0


def _first_question(definition: Definition) -> list[str]:
    metric = definition.metrics[0]
    by = ["--by", ",".join(metric.sets[0])] if metric.sets[0] else []
    return ["query", metric.name, *by, "--grain", metric.grains[0].text]


def _report(summary: Summary, form: Format) -> None:
    outcome = summary.outcome
    names = ("account", "this run", "store")
    order = ("counted", "duplicate", "conflict", "filtered", "future", "too_late", "invalid", "malformed")
    rows = [(name, outcome.accounts.get(name, 0), summary.totals.get(name, 0)) for name in order]
    rows = [row for row in rows if row[0] == "counted" or row[2]]
    rows.append(("records", outcome.records, sum(summary.totals.values())))
    emit(Table(names, rows, whole=as_json(summary)), form)
    if form == "table":
        for line in _remarks(summary):
            say(line)


def as_json(summary: Summary) -> dict[str, object]:
    """The summary for machines."""
    outcome = summary.outcome
    return {
        "records": outcome.records,
        **outcome.accounts,
        "unaccounted": summary.unaccounted,
        "epoch": summary.epoch,
        "seconds": round(outcome.seconds, 3),
        "bytes": outcome.bytes,
        "partitions": outcome.partitions,
        "unchanged": outcome.unchanged,
        "finished": not outcome.stopped,
        "store": {"records": sum(summary.totals.values()), **summary.totals},
        "hints": list(summary.hints),
    }


def _remarks(summary: Summary) -> list[str]:
    outcome = summary.outcome
    inputs = f"{outcome.partitions:,} input{'s' if outcome.partitions != 1 else ''}"
    unchanged = f", {outcome.unchanged:,} without anything new" if outcome.unchanged else ""
    rate = f", {outcome.records / outcome.seconds:,.0f} records/s" if outcome.seconds > 0 and outcome.records else ""
    state = f"epoch {summary.epoch}, unaccounted {summary.unaccounted}"
    lines = [f"{inputs}{unchanged} in {outcome.seconds:.1f} s{rate}; {state}"]
    refused = [row for row in summary.refused if row.account not in ("duplicate", "filtered")]
    refused.sort(key=lambda row: -row.records)
    for row in refused[:_REASONS_SHOWN]:
        why = " ".join(part for part in (row.part, row.reason) if part)
        lines.append(f"{row.records:,} {row.account}" + (f": {why}" if why else ""))
    if more := refused[_REASONS_SHOWN:]:
        records = sum(row.records for row in more)
        reasons = "1 more reason" if len(more) == 1 else f"{len(more):,} more reasons"
        lines.append(f"{records:,} for {reasons}: `crossfoot ledger --minutes` lists them")
    if found := summary.outliers:
        middle = f"98 % lie from {show_time(found.middle[0])} to {show_time(found.middle[1])}"
        first = (
            f"the first in the window of {show_time(found.first_us)}, the last in that of {show_time(found.last_us)}"
        )
        events = "1 event is" if found.events == 1 else f"{found.events:,} events are"
        lines.append(f"{events} far outside the times of the rest: {first}; {middle}")
    return [*lines, *summary.hints]
