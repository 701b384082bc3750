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
from crossfoot.definition.model import Against, Comparison, Definition, WindowColumn, WindowUnit
from crossfoot.definition.validate_reconcile import unclear
from crossfoot.errors import CallError
from crossfoot.generations import in_force
from crossfoot.query.times import read_time, read_zone, show_time
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
_FOLDERS: tuple[Literal["parquet", "csv"], ...] = ("parquet", "csv")


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
    unit: Annotated[WindowUnit | None, Parameter(help="What numbers in their windows count; us.")] = None
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
    _check(how)
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
    if not how.repair:
        _show(found, at, how)
        return 0 if found.holds else 1
    if how.format == "table":
        _show(found, at, how)
    outcome = repaired(Faulty(loaded, folder.absolute(), comparison, work), found, yes=how.yes, form=how.format)
    if how.format == "json":
        emit(Table((), (), as_json(found, at) | {"repair": outcome.shown}), "json")
    return outcome.code


def _check(how: How) -> None:
    """What would be found out after the comparison, which takes its time, is said before it."""
    if how.yes and not how.repair:
        raise CallError("--yes says what is done with a repair", "add --repair, or leave --yes out")
    if how.repair and how.format not in ("table", "json"):
        raise CallError(f"a repair is not shown as {how.format}", "--format json has all of it")
    if how.report is not None and (how.report.is_dir() or not how.report.parent.is_dir()):
        raise CallError(f"no report can be written to {how.report}", "name a file in a folder that is there")


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
    made = _with(base, what)
    _check_columns(definition, made, what)
    return made


def _check_columns(definition: Definition, comparison: Comparison, what: What) -> None:
    metric = next((metric for metric in definition.metrics if metric.name == comparison.metric), None)
    if metric is None:
        return  # which is told where it is looked for
    ours = ["window", *comparison.by, *(measure.name for measure in metric.measures)]
    for each in names(what.columns):
        if _pair(each)[0] not in ours:
            raise CallError(f"what is mapped is no column of ours: {each}", f"there is {', '.join(ours)}")


def _with(base: Comparison, what: What) -> Comparison:
    from crossfoot.definition.findings import BadValueError
    from crossfoot.definition.load_reconcile import percent

    mapped = dict(_pair(each) for each in names(what.columns))
    zone = read_zone(what.zone) or base.window.zone
    window = WindowColumn(mapped.pop("window", base.window.name), what.unit or base.window.unit, zone)
    try:
        bar = base.require_exact if what.require_exact is None else percent(what.require_exact)
    except BadValueError as error:
        raise CallError(f"this is no percentage: {what.require_exact}", "write it as in 95%") from error
    if what.against is None and (what.table is not None or what.query is not None):
        raise CallError("a table or a query of nothing is named", "say of what: --against old.duckdb")
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
        named = Against("bigquery", text.removeprefix("bigquery:"), what.table, what.query)
    else:
        named = Against(_kind(text), text, what.table, what.query)
    found = "an empty text" if "" in (what.table, what.query) else unclear(named)
    if found is not None:
        hint = "name one of a DuckDB file or of BigQuery: --table hourly, or --query 'SELECT …'"
        raise CallError(f"what is compared of {text} is not clear: {found}", hint)
    return named


def _kind(text: str) -> Literal["store", "parquet", "csv", "duckdb"]:
    """What a path names."""
    path = Path(text)
    if path.suffix in _SUFFIXES:
        return _SUFFIXES[path.suffix]
    if not text or path.is_file():
        hint = f"name a folder, or a file as what it is: {', '.join(_SUFFIXES)}"
        raise CallError(f"what is compared is not clear: {text or 'an empty name'}", hint)
    if not (in_force(path) / "definition.yaml").exists():
        for kind in _FOLDERS:
            if next(path.glob(f"**/*.{kind}"), None) is not None:
                return kind
    return "store"


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
