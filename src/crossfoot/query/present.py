"""Answers as texts: rows for machines, tables and sparklines for people. What data says is always escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crossfoot.definition.model import OTHER
from crossfoot.query.escape import safe_text
from crossfoot.query.times import show_time

if TYPE_CHECKING:
    import pyarrow as pa

    from crossfoot.query.client import Facts, Result
    from crossfoot.query.settled import Part

_BARS = "▁▂▃▄▅▆▇█"
_HTML_ROWS = 20


def columns(result: Result) -> dict[str, list[Any]]:
    """Columns of Python values: windows are ISO texts, decimals texts, a dimension of several kinds what it was."""
    return column_values(result.table, result.integers, result.zone)


def column_values(table: pa.Table, integers: frozenset[str], zone: str | None = None) -> dict[str, list[Any]]:
    """The same of a table; `integers` names measures over integers."""
    return {field.name: _values(table.column(field.name), field, integers, zone) for field in table.schema}


def _values(column: pa.ChunkedArray, field: pa.Field, integers: frozenset[str], zone: str | None) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(field.type):
        return [show_time(at, zone) for at in column.cast(pa.int64()).to_pylist()]
    values: list[Any] = column.to_pylist()
    if (field.metadata or {}).get(b"crossfoot") == b"json":
        return [None if value is None else json.loads(value) for value in values]
    if pa.types.is_decimal(field.type):
        say: Callable[[Decimal], str | int] = int if field.name in integers else str
        return [None if value is None else say(value) for value in values]
    return values


def json_rows(result: Result) -> list[dict[str, Any]]:
    """Rows as JSON has them."""
    named = columns(result)
    return [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]


def as_json_object(result: Result) -> dict[str, Any]:
    """Rows and facts as one JSON object."""
    return {"rows": json_rows(result), **facts_json(result.facts)}


def facts_json(facts: Facts) -> dict[str, Any]:
    """The facts with times as ISO texts."""
    return {
        "metric": facts.metric,
        "by": list(facts.by),
        "grain": facts.grain,
        "epoch": facts.epoch,
        "complete_up_to": show_time(facts.complete_up_to_us),
        "final": facts.final,
        "settled": facts.settled,
        "may_change_until": show_time(facts.may_change_until_us),
        "kept_since": show_time(facts.kept_since_us),
        "cut": [show_time(start) for start in facts.cut_us],
        "errors": facts.errors,
        "values_max": facts.values_max,
        "parts": [_part_json(part) for part in facts.parts],
    }


def _part_json(part: Part) -> dict[str, Any]:
    span = {"since": show_time(part.since_us), "until": show_time(part.until_us)}
    return {"from": "store", **span} if part.batch is None else {"from": "batch", **span, "folder": part.batch}


def facts_line(facts: Facts, zone: str | None = None) -> str:
    """The facts in one line for people."""
    parts = [f"epoch {facts.epoch}"]
    if facts.final:
        parts.append("final")
    elif facts.complete_up_to_us is not None:
        parts.append(f"complete up to {show_time(facts.complete_up_to_us, zone)}")
    if facts.settled:
        parts.append("cannot change any more")
    elif facts.may_change_until_us is not None:
        parts.append(f"may change until {show_time(facts.may_change_until_us, zone)} (received time)")
    elif not facts.final:
        parts.append("may change as long as there is input")
    if facts.kept_since_us is not None:
        parts.append(f"earlier windows than {show_time(facts.kept_since_us, zone)} are not kept")
    if facts.cut_us:
        cut = " and ".join(str(show_time(start, zone)) for start in facts.cut_us)
        parts.append(f"of {cut} only what lies in the range")
    if facts.values_max is not None:
        parts.append(f"(other): what came after the first {facts.values_max:,} combinations of values")
    parts += [f"{_span(part, zone)} from the batch {part.batch}" for part in facts.parts if part.batch is not None]
    parts += [f"{name}: {error}" for name, error in facts.errors.items()]
    return " · ".join(parts)


def _span(part: Part, zone: str | None) -> str:
    until = f"before {show_time(part.until_us, zone)}"
    return until if part.since_us is None else f"from {show_time(part.since_us, zone)} and {until}"


def sparkline(values: list[float]) -> str:
    """The values as bars; the lowest bar stands for zero (or the least, where some are negative)."""
    low, high = min([0.0, *values]), max([0.0, *values])
    step = (high - low) / (len(_BARS) - 1) or 1.0
    return "".join(_BARS[round((value - low) / step)] for value in values)


def dimension_columns(result: Result) -> tuple[str, ...]:
    """The dimensions, and the column that tells the row `(other)` where there may be one."""
    return (*result.facts.by, *((OTHER,) if OTHER in result.table.column_names else ()))


def _group(named: dict[str, list[Any]], result: Result, place: int) -> tuple[str, ...]:
    """The dimension values of a row, for people."""
    if OTHER in named and named[OTHER][place]:
        return (OTHER,)
    return tuple(safe_text(named[name][place]) for name in result.facts.by)


def series(result: Result) -> dict[tuple[str, ...], list[float]]:
    """For each combination of dimensions its first measure over the windows, where that is a number."""
    named = columns(result)
    dimensions = dimension_columns(result)
    measure = next((name for name in result.table.column_names if name not in ("window", *dimensions)), None)
    found: dict[tuple[str, ...], list[float]] = {}
    if measure is None or result.facts.grain == "all":
        return found
    for place, value in enumerate(named[measure]):
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        found.setdefault(_group(named, result, place), []).append(number)
    return found


def as_text(result: Result) -> str:
    """A plain table of the first rows, with the facts."""
    named = columns(result)
    cells = [[safe_text(value) for value in column[:_HTML_ROWS]] for column in named.values()]
    widths = [max(map(len, [name, *column])) for name, column in zip(named, cells, strict=True)]
    lines = ["  ".join(name.ljust(width) for name, width in zip(named, widths, strict=True))]
    for row in zip(*cells, strict=True):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    return "\n".join([*(line.rstrip() for line in lines), *_more(result), facts_line(result.facts, result.zone)])


def _more(result: Result) -> list[str]:
    return [f"… {len(result) - _HTML_ROWS:,} more rows"] if len(result) > _HTML_ROWS else []


def as_html(result: Result) -> str:
    """A small table with sparklines, for notebooks."""
    named = columns(result)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in named)
    rows = zip(*(column[:_HTML_ROWS] for column in named.values()), strict=True)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(safe_text(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    bars = [
        f"<div>{html.escape(' · '.join(group))} {sparkline(values)}</div>"
        for group, values in list(series(result).items())[:_HTML_ROWS]
    ]
    facts = html.escape(" · ".join([*_more(result), facts_line(result.facts, result.zone)]))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{''.join(bars)}<small>{facts}</small>"
