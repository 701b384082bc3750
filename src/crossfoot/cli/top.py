"""crossfoot top: the largest values, with their change against the range before."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from crossfoot.cli.options import AnyStore, Range, names, some
from crossfoot.cli.output import Format, Table, emit, note
from crossfoot.cli.places import STORE
from crossfoot.definition.model import OTHER
from crossfoot.errors import CallError
from crossfoot.query.client import Result, Store
from crossfoot.query.present import dimension_columns, facts_line, json_rows
from crossfoot.query.times import read_time, read_zone


def top(
    metric: str,
    /,
    *,
    by: str,
    store: AnyStore = STORE,
    measure: str | None = None,
    limit: int = 10,
    range: Range = Range(),  # noqa: A002, B008
    format: Annotated[Format, Parameter(help="How the answer is printed.")] = "table",  # noqa: A002
) -> int:
    """The dimension values with the largest measure in a range, and how that changed against the range before.

    The row `(other)` has no place among them: it stands at the end.

    The change needs both `--since` and `--until`: it is against the range of equal length before them.

    Parameters
    ----------
    metric
        The metric's name.
    by
        Dimensions, separated by commas.
    measure
        The measure to compare; the metric's first unless named.
    limit
        How many are shown.
    """
    most, opened, dimensions = some(limit, "values"), Store.open(store, follows=False), names(by)
    if not dimensions:
        raise CallError("top needs a dimension", "name one: --by page")
    now = _ask(opened, metric, dimensions, range)
    named = dimension_columns(now)
    column = measure or next(name for name in now.table.column_names if name not in ("window", *named))
    before = _before(opened, metric, dimensions, range)
    rows = _largest(now, before, named, column)
    others = [row for row in rows if OTHER in named and row[len(named) - 1]]
    rows = [row for row in rows if row not in others][:most] + others
    heads = (*named, column, *(("before", "change") if before else ()))
    emit(Table(heads, rows), format)
    note(facts_line(now.facts, now.zone))
    return 0


def _ask(store: Store, metric: str, dimensions: list[str], range: Range) -> Result:  # noqa: A002
    return store.query(
        metric,
        by=dimensions,
        since=range.since,
        until=range.until,
        where=range.where,
        tz=range.tz,
        live=range.live,
    )


def _before(store: Store, metric: str, dimensions: list[str], range: Range) -> Result | None:  # noqa: A002
    """The answer for the range of equal length before."""
    zone = read_zone(range.tz)
    since, until = read_time(range.since, zone), read_time(range.until, zone)
    if since is None or until is None:
        return None
    return store.query(
        metric, by=dimensions, since=since - (until - since), until=since, where=range.where, live=range.live
    )


def _largest(now: Result, before: Result | None, dimensions: tuple[str, ...], column: str) -> list[tuple[Any, ...]]:
    if column not in now.table.column_names or column in ("window", *dimensions):
        raise CallError(f"there is no measure {column}", "name a measure of the metric")
    old = {_key(row, dimensions): row[column] for row in json_rows(before)} if before else {}
    found = []
    for row in json_rows(now):
        key = _key(row, dimensions)
        change = (old.get(key), _change(row[column], old.get(key))) if before else ()
        found.append((*key, row[column], *change))
    place = len(dimensions)
    found.sort(key=lambda row: (row[place] is None, -_number(row[place]), tuple(map(str, row[:place]))))
    return found


def _key(row: dict[str, Any], dimensions: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in dimensions)


def _number(value: Any) -> float:
    return 0.0 if value is None else float(value)


def _change(now: Any, before: Any) -> str | None:
    """In percent; a value that was not there before is new."""
    if now is None or not _number(before):
        return "new" if now is not None else None
    return f"{(_number(now) / _number(before) - 1) * 100:+.1f} %"
