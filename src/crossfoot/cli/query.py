"""crossfoot query: ask for a metric."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from crossfoot.cli.options import AnyStore, Range, names, some
from crossfoot.cli.output import Format, Table, emit, note, say
from crossfoot.cli.places import STORE
from crossfoot.query.client import Result, Store
from crossfoot.query.present import as_json_object, columns, facts_line, series, sparkline

_SPARKLINES_MAX = 10


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Shape:
    """How the answer is given."""

    order: Annotated[str, Parameter(help="Columns to order by, - in front for descending: --order=-events.")] = ""
    limit: Annotated[int | None, Parameter(help="At most this many rows.")] = None
    format: Annotated[Format, Parameter(help="How the answer is printed.")] = "table"


def query(
    metric: str,
    /,
    *,
    store: AnyStore = STORE,
    by: str = "",
    grain: str = "all",
    range: Range = Range(),  # noqa: A002, B008
    shape: Shape = Shape(),
) -> int:
    """Ask for a metric by dimensions and windows. The coarsest stored table that answers exactly is read.

    Parameters
    ----------
    metric
        The metric's name.
    by
        Dimensions, separated by commas; without them the whole.
    grain
        The windows: 1m, 1h, 1d Europe/Paris, all.
    """
    result = Store.open(store).query(
        metric,
        by=names(by),
        grain=grain,
        since=range.since,
        until=range.until,
        where=range.where,
        tz=range.tz,
        live=range.live,
        order=names(shape.order),
        limit=None if shape.limit is None else some(shape.limit, "rows"),
    )
    show(result, shape.format)
    return 0


def show(result: Result, form: Format) -> None:
    """Print an answer; people also see a sparkline and how certain it is."""
    named = columns(result)
    rows = list(zip(*named.values(), strict=True))
    whole = as_json_object(result) if form == "json" else None
    emit(Table(tuple(named), rows, whole, lambda: result.table), form)
    if form == "table" and sys.stdout.isatty():
        for group, values in list(series(result).items())[:_SPARKLINES_MAX]:
            if len(values) > 1:
                say(" ".join([sparkline(values), " · ".join(group)]).rstrip())
    note(facts_line(result.facts, result.zone))
