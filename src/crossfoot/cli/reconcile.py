"""crossfoot reconcile: our result compared with another one, and why they differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from crossfoot.cli.backfill import repaired
from crossfoot.cli.options import names
from crossfoot.cli.output import Format, Table, emit, next_step, say, shell_words
from crossfoot.cli.places import default_store, load
from crossfoot.clock import SystemClock
from crossfoot.definition.model import Against, Comparison, Definition, WindowColumn
from crossfoot.errors import CallError
from crossfoot.generations import in_force
from crossfoot.query.times import read_time, show_time
from crossfoot.reconcile.history import history, remember
from crossfoot.reconcile.report import as_html, as_json, cause_rows, lines, states
from crossfoot.reconcile.run import Reconciliation, Work
from crossfoot.reconcile.run import reconcile as run_reconcile
from crossfoot.reconcile.schedule import placed
from crossfoot.reconcile.sides import Range
from crossfoot.services.backfill.repair import Faulty

_SUFFIXES: dict[str, Literal["parquet", "csv", "duckdb"]] = {
    ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".gz": "csv", ".duckdb": "duckdb", ".db": "duckdb"
}  # fmt: skip


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class What:
    """What is compared, where the definition does not say it."""

    against: Annotated[str | None, Parameter(help="A store, Parquet or CSV files, a DuckDB file, bigquery:TABLE.")] = (
        None
    )
    table: Annotated[str | None, Parameter(help="The table of the DuckDB file.")] = None
    query: Annotated[str | None, Parameter(help="A query instead of a table.")] = None
    metric: Annotated[str | None, Parameter(help="The metric.")] = None
    grain: Annotated[str | None, Parameter(help="One of its grains; all.")] = None
    by: Annotated[str | None, Parameter(help="One of its dimension sets, separated by commas; the whole.")] = None
    columns: Annotated[str | None, Parameter(help="Names of theirs: window=hour,events=n.")] = None
    unit: Annotated[Literal["s", "ms", "us"] | None, Parameter(help="What numbers in their windows count; us.")] = None
    zone: Annotated[str | None, Parameter(help="The zone of their windows without an offset.")] = None
    require_exact: Annotated[
        str | None, Parameter(help="The percentage of keys that must be exact, as in 95%; 100%.")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class How:
    """How it is done and shown."""

    since: Annotated[str | None, Parameter(help="Only windows from this time on.")] = None
    until: Annotated[str | None, Parameter(help="Only windows that begin before; those that are complete.")] = None
    input: Annotated[list[str] | None, Parameter(help="Files with our records, where there is no archive.")] = None
    causes: Annotated[bool, Parameter(help="Whether causes are looked for.")] = True
    memory: Annotated[str, Parameter(help="What the comparison may take; the rest goes to disk.")] = "1GB"
    repair: Annotated[bool, Parameter(help="Count again from our archive; show what changes.", negative="")] = False
    yes: Annotated[bool, Parameter(help="With --repair: put that in force.", negative="")] = False
    report: Annotated[Path | None, Parameter(help="Write the HTML report here.")] = None
    format: Annotated[Format, Parameter(help="How the answer is printed.")] = "table"


def reconcile(
    definition: Path = Path("crossfoot.yaml"),
    /,
    *,
    store: Path | None = None,
    name: str | None = None,
    what: What = What(),
    how: How = How(),
) -> int:
    """Compare our result with another one, cell by cell, and say why they differ. Exit code 1 under the bar.

    Parameters
    ----------
    definition
        The definition's file.
    store
        The folder of the store; `.crossfoot` beside the definition.
    name
        A comparison of the definition; its only one, unless `--against` is given.
    """
    loaded, folder = load(definition), default_store(definition) if store is None else store
    comparison = _comparison(loaded, name, what)
    if what.against is None:
        comparison = placed(comparison, definition.parent)
    within = Range(read_time(how.since), read_time(how.until))
    work = Work(within, tuple(how.input or ()), how.causes, how.memory)
    found = run_reconcile(loaded, folder, comparison, work)
    at = show_time(SystemClock().now_us()) or ""
    remember(folder, found, at)
    if how.report is not None:
        how.report.write_text(as_html(found, at, history(folder, comparison.name)), encoding="utf-8")
    _show(found, at, how)
    if how.repair and found.compared.equal < found.compared.cells:
        return repaired(Faulty(loaded, folder.absolute(), comparison, work), found, yes=how.yes, form=how.format)
    return 0 if found.holds else 1


def _comparison(definition: Definition, name: str | None, what: What) -> Comparison:
    """The definition's comparison with what the call says otherwise, or the call's own."""
    known = {each.name: each for each in definition.reconcile}
    if name is None and what.against is None and len(known) == 1:
        name = next(iter(known))
    if name is not None and name not in known:
        raise CallError(f"there is no comparison {name}", f"there is {', '.join(known) or 'none in the definition'}")
    if name is None and what.against is None:
        hint = (
            "crossfoot reconcile --against theirs.parquet, or --name one of " + ", ".join(known)
            if known
            else ("crossfoot reconcile --against theirs.parquet --metric … --grain … --by …")
        )
        raise CallError("nothing is named to compare with", hint)
    only = definition.metrics[0].name if len(definition.metrics) == 1 else None
    if name is None and (what.metric or only) is None:
        raise CallError("no metric is named", f"--metric {' or '.join(m.name for m in definition.metrics)}")
    base = known[name] if name is not None else Comparison("call", Against("store", ""), what.metric or only or "")
    return _with(base, what)


def _with(base: Comparison, what: What) -> Comparison:
    from crossfoot.definition.findings import BadValueError
    from crossfoot.definition.load_reconcile import percent

    mapped = dict(_pair(each) for each in names(what.columns))
    window = WindowColumn(
        mapped.pop("window", base.window.name), what.unit or base.window.unit, what.zone or base.window.zone
    )
    try:
        bar = base.require_exact if what.require_exact is None else percent(what.require_exact)
    except BadValueError as error:
        raise CallError(f"this is no percentage: {what.require_exact}", "write it as in 95%") from error
    return replace(
        base,
        against=base.against if what.against is None else _against(what.against, what),
        metric=what.metric or base.metric,
        grain=what.grain or base.grain,
        by=base.by if what.by is None else tuple(names(what.by)),
        window=window,
        columns=tuple((dict(base.columns) | mapped).items()),
        require_exact=bar,
    )


def _pair(text: str) -> tuple[str, str]:
    ours, found, theirs = text.partition("=")
    if not found or not ours or not theirs:
        raise CallError(f"this maps no column: {text}", "write ours=theirs, as in --columns window=hour,events=n")
    return ours, theirs


def _against(text: str, what: What) -> Against:
    if text.startswith("bigquery:"):
        return Against("bigquery", text.removeprefix("bigquery:"), what.table, what.query)
    path = Path(text)
    kind = _SUFFIXES.get(path.suffix)
    if kind == "duckdb":
        if (what.table is None) == (what.query is None):
            raise CallError(f"what is compared of {text}", "name it: --table hourly, or --query 'SELECT …'")
        return Against(kind, text, what.table, what.query)
    if kind is not None:
        return Against(kind, text)
    if next(path.glob("**/*.parquet"), None) is not None and not (in_force(path) / "definition.yaml").exists():
        return Against("parquet", text)
    return Against("store", text)


def _show(found: Reconciliation, at: str, how: How) -> None:
    if how.format != "table":
        rows = [(*row[:4], row[4]) for row in cause_rows(found)]
        emit(Table(("cause", "cells", "events", "volume", "says"), rows, as_json(found, at)), how.format)
        return
    emit(Table(("cells", "many"), states(found)), "table")
    if found.causes:
        say()
        emit(Table(("cause", "cells", "events", "volume"), [row[:4] for row in cause_rows(found)]), "table")
    say()
    for line in lines(found):
        say(line)
    if how.report is None and found.causes:
        next_step(shell_words(["crossfoot", "reconcile", "…", "--report", "report.html"]))
