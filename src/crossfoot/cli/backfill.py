"""crossfoot backfill: a changed definition, counted from the archive beside the store, then put in its place."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crossfoot import settings
from crossfoot.cli.app import INTERRUPTED
from crossfoot.cli.output import Format, Table, emit, next_step, note, say, shell_words
from crossfoot.cli.places import default_store, load, shown_store
from crossfoot.cli.progress import windows_bar
from crossfoot.cli.stop import Stop
from crossfoot.definition.changes import compare, with_kept
from crossfoot.definition.model import Definition
from crossfoot.definition.paths import read_fields
from crossfoot.errors import CallError
from crossfoot.query.times import read_time
from crossfoot.reconcile.examples import Example
from crossfoot.reconcile.run import Reconciliation
from crossfoot.reconcile.sides import Range
from crossfoot.services.backfill.difference import TableDifference
from crossfoot.services.backfill.repair import Faulty, repair
from crossfoot.services.backfill.run import Job, Report, prune, whole
from crossfoot.services.backfill.run import backfill as rebuild
from crossfoot.services.backfill.switch import BackfillWatch
from crossfoot.services.store import definition_in_force

_EXAMPLES = 5


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class What:
    """What is counted anew, and which windows are compared."""

    metric: Annotated[str | None, Parameter(help="Only this metric; the others stay as the store has them.")] = None
    drop: Annotated[list[str] | None, Parameter(help="A metric that is no longer kept.", negative="")] = None
    since: Annotated[str | None, Parameter(help="Compare only windows from this time on.")] = None
    until: Annotated[str | None, Parameter(help="Compare only windows that begin before this time.")] = None


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class How:
    """How far it goes."""

    yes: Annotated[bool, Parameter(help="Switch to what was built.", negative="")] = False
    dry_run: Annotated[bool, Parameter(help="Build nothing: say what would be.", negative="")] = False
    prune: Annotated[bool, Parameter(help="Remove the generations that are not in force.", negative="")] = False
    format: Annotated[Format, Parameter(help="How the differences are printed.")] = "table"


def backfill(
    definition: Path = Path("crossfoot.yaml"),
    /,
    *,
    store: Path | None = None,
    what: What = What(),
    how: How = How(),
) -> int:
    """Count a new or changed definition from the archive into a new generation, show what differs, and switch.

    Counting into the store goes on meanwhile. Without `--yes` nothing is switched; what was built is gone on with.

    Parameters
    ----------
    definition
        The definition's file.
    store
        The folder of the store; `.crossfoot` beside the definition.
    """
    folder = (store or default_store(definition)).absolute()
    if how.prune:
        return _prune(folder)
    old = definition_in_force(folder)
    wanted = _wanted(old, load(definition), what)
    if how.dry_run:
        return _plan(folder, old, wanted, how.format)
    within = Range(read_time(what.since), read_time(what.until))
    with windows_bar() as progress, Stop() as stop:
        watch = BackfillWatch(state=progress, note=note, stop=stop.asked)
        report = rebuild(Job(wanted, folder, within, how.yes), settings.load(), watch)
    _tell(report, how.format)
    if report.stopped:
        note("interrupted: what was built is kept; run again to go on")
        return INTERRUPTED
    if not report.switched:
        words = ["crossfoot", "backfill", str(definition), *shown_store(folder)]
        next_step(shell_words([*words, *_said(what), "--yes"]))
    return 0


def _said(what: What) -> list[str]:
    """The same choice of metrics again."""
    metric = [] if what.metric is None else ["--metric", what.metric]
    return metric + [word for name in what.drop or () for word in ("--drop", name)]


def _wanted(old: Definition, new: Definition, what: What) -> Definition:
    """The new definition with the metrics that are kept; with one metric named, the old ones beside it."""
    if what.metric is not None:
        chosen = [metric for metric in new.metrics if metric.name == what.metric]
        if not chosen:
            names = ", ".join(metric.name for metric in new.metrics)
            raise CallError(f"there is no metric {what.metric}", f"there is {names}")
        new = replace(new, metrics=tuple(chosen))
    known = {metric.name for metric in (*old.metrics, *new.metrics)}
    if unknown := [name for name in what.drop or () if name not in known]:
        raise CallError(f"there is no metric {unknown[0]} to drop", f"there is {', '.join(sorted(known))}")
    wanted = with_kept(old, new, what.drop or ())
    fields = {field.name for field in wanted.event.fields}
    for metric in wanted.metrics:
        if lost := sorted(read_fields(replace(wanted, metrics=(metric,))) - fields):
            hint = f"declare it again, or give the metric up: --drop {metric.name}"
            raise CallError(f"{metric.name} is kept and reads {lost[0]}, which is not a field any more", hint)
    return wanted


def _plan(store: Path, old: Definition, wanted: Definition, form: Format) -> int:
    parts = whole(store)
    rows = [(change.what, change.outcome, change.why) for change in compare(old, wanted)]
    emit(Table(("what", "outcome", "why"), rows), form)
    if form == "table":
        say(f"would be counted from {len(parts):,} parts of the archive, {sum(part.bytes for part in parts):,} bytes")
    return 0


def _prune(store: Path) -> int:
    removed = prune(store)
    say(f"removed generations: {', '.join(map(str, removed)) or 'none'}")
    return 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The exit code of a repair, and what it says as JSON."""

    code: int
    shown: dict[str, object] | None = None


def repaired(faulty: Faulty, found: Reconciliation, *, yes: bool, form: Format) -> Outcome:
    """What the archive makes of a store that differs from another side; printed as a table, else only given."""
    tell = say if form == "table" else lambda _: None
    if found.compared.equal == found.compared.cells:
        tell("every cell is equal: there is nothing to repair")
        return Outcome(0 if found.holds else 1)
    with windows_bar() as progress, Stop() as stop:
        watch = BackfillWatch(state=progress, note=note, stop=stop.asked)
        made = repair(faulty, found, settings.load(), watch, switches=yes)
    report, after = made.report, made.after
    shown: dict[str, object] = {
        "report": _as_json(report),
        "cells": after and after.compared.cells,
        "equal": after and after.compared.equal,
    }
    if form == "table":
        _tell(report, form)
    if report.stopped:
        note("interrupted: what was built is kept; run again to go on")
        return Outcome(INTERRUPTED, shown)
    if after is None:
        tell("the archive says the same as the store: there is nothing to repair from it")
        tell("what was built stays on the disk until `crossfoot backfill --prune` removes it")
        return Outcome(1, shown)
    tell(f"with the repair {after.compared.equal:,} of {after.compared.cells:,} cells are equal")
    if not report.switched:
        tell("nothing is changed yet: the same with --yes puts the repair in force")
    return Outcome(0 if report.switched and after.holds else 1, shown)


def _tell(report: Report, form: Format) -> None:
    names = ("metric", "by", "grain", "cells", "equal", "differ", "added", "gone")
    rows = [_row(table) for table in report.tables]
    emit(Table(names, rows, whole=_as_json(report)), form)
    if form != "table":
        return
    for table in report.tables:
        for example in table.worst[:_EXAMPLES]:
            key = ", ".join(f"{name} {value}" for name, value in example.key.items())
            say(f"{table.metric} {table.grain}: {key}: {_change(example)}")
    for account, before, after in report.accounts:
        if before != after:
            say(f"{account}: {before:,} becomes {after:,}")
    if report.tables and not report.differs:
        say("nothing would change: every cell and every account is equal")
    state = "in force" if report.switched else "built, and not in force"
    at = report.epoch if report.switched else report.built
    say(f"generation {report.generation} is {state}, at epoch {at}, in {report.seconds:.1f} s")


def _row(table: TableDifference) -> tuple[object, ...]:
    by, found = ",".join(table.by), table.compared
    if found is None:
        return (table.metric, by, table.grain, table.note or f"new, of {table.events:,} events", "", "", "", "")
    numbers = (found.cells, found.equal, found.differs, found.missing_here, found.missing_there)
    return (table.metric, by, table.grain, *numbers)


def _change(example: Example) -> str:
    if example.state == "missing here":
        return f"{_values(example.theirs)} is added"
    if example.state == "missing there":
        return f"{_values(example.ours)} goes"
    return f"{_values(example.ours)} becomes {_values(example.theirs)}"


def _values(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value or 'null'}" for name, value in values.items())


def _as_json(report: Report) -> dict[str, object]:
    return {**asdict(report), "differs": report.differs}
