"""crossfoot why: the archived events behind one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from crossfoot.cli.options import DEFAULT_STORE, StoreFolder, some
from crossfoot.cli.output import Format, Table, emit, say
from crossfoot.definition.findings import BadValueError
from crossfoot.definition.grains import parse_grain
from crossfoot.definition.model import Grain
from crossfoot.errors import CallError
from crossfoot.query.times import read_time, read_zone, show_time
from crossfoot.services.why import Behind, Cell, behind

_TIMES = ("event_time", "received", "t")
_MARKS = {"duplicate": "copy", "conflict": "copy with other content", "too_late": "too late", "future": "in the future"}


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Shape:
    """How the answer is given."""

    tz: Annotated[str | None, Parameter(help="The zone of times that are given and shown; UTC unless named.")] = None
    limit: Annotated[int, Parameter(help="At most this many events.")] = 100
    format: Annotated[Format, Parameter(help="How the answer is printed.")] = "table"


def why(
    metric: str,
    /,
    *,
    store: StoreFolder = DEFAULT_STORE,
    grain: str = "all",
    window: str | None = None,
    by: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    shape: Shape = Shape(),
) -> int:
    """List the archived events behind one cell, as SQL counts the archive again. Copies and late ones are marked.

    Parameters
    ----------
    metric
        The metric's name.
    grain
        The windows: 1m, 1h, 1d Europe/Paris, all.
    window
        A time in the window, such as its begin: 2015-09-12T10:00Z. Not for `all`.
    by
        Dimensions with their values, `page=Berlin`; a name alone stands for null. Without them the whole.
    """
    zone = read_zone(shape.tz)
    most = some(shape.limit, "events")
    cell = Cell(metric, _grain(grain), read_time(window, zone), dict(map(_pair, by or ())))
    _tell(behind(store, cell, most), zone, shape.format)
    return 0


def _grain(text: str) -> Grain:
    try:
        return parse_grain(text)
    except BadValueError as error:
        raise CallError(f"this is no grain: {text}", "write 15m, 1h, 1d Europe/Paris or all") from error


def _pair(text: str) -> tuple[str, str | None]:
    name, has_value, value = text.partition("=")
    return name, value if has_value else None


def _tell(found: Behind, zone: str | None, form: Format) -> None:
    names = (*found.table.column_names[:-1], "mark", "id")
    rows = [tuple(_row(row, zone)) for row in found.table.to_pylist()]
    emit(Table(names, rows, arrow=lambda: found.table), form)
    if form != "table":
        return
    total = sum(found.accounts.values())
    told = ", ".join([f"{name} {number:,}" for name, number in found.accounts.items()])
    say(f"{total:,} events{f': {told}' if told else ''}" + (f"; {len(rows):,} are shown" if len(rows) < total else ""))
    if found.lost:
        say(f"the archive lacks {found.lost}: there may have been others")


def _row(row: dict[str, Any], zone: str | None) -> Sequence[Any]:
    shown = {name: show_time(read_time(value), zone) if name in _TIMES else value for name, value in row.items()}
    event_id = shown.pop("id")
    return (*shown.values(), _MARKS.get(row["account"]), event_id)
