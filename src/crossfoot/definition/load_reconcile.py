"""The section reconcile: the results that ours is compared with."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import cast, get_args

from crossfoot.definition.durations import duration_us
from crossfoot.definition.findings import BadValueError, Finding, FoundError
from crossfoot.definition.model import Against, AgainstKind, Comparison, WindowColumn, WindowUnit
from crossfoot.definition.number import JSON_NUMBER
from crossfoot.definition.reading import Reading, items_of, parsed, text_of
from crossfoot.definition.yamltree import Node
from crossfoot.definition.zones import checked_zone

KINDS: tuple[str, ...] = get_args(AgainstKind)
UNITS: tuple[str, ...] = get_args(WindowUnit)
_KEYS = ("against", "metric", "grain", "by", "columns", "measures", "require_exact", "schedule")
_WINDOW = "window"


def read_reconcile(reading: Reading, node: Node) -> tuple[Comparison, ...]:
    """Comparisons by name."""
    return reading.each_named(node, partial(_comparison, reading))


def _comparison(reading: Reading, name: str, node: Node) -> Comparison:
    section = reading.section(node, _KEYS)
    columns = dict(reading.mapping(section.found["columns"])) if "columns" in section.found else {}
    window = WindowColumn()
    if _WINDOW in columns:
        window = reading.attempt(lambda: _window(reading, columns[_WINDOW])) or window
    return Comparison(
        name,
        _against(reading, section.need("against")),
        text_of(section.need("metric"), "a metric"),
        section.maybe("grain", partial(text_of, wanted="a grain"), "all"),
        section.maybe("by", partial(_names, wanted="dimensions"), ()),
        window,
        tuple((ours, text_of(theirs, "a column")) for ours, theirs in columns.items() if ours != _WINDOW),
        section.maybe("measures", partial(_names, wanted="measures"), ()),
        section.maybe("require_exact", lambda found: parsed(found, percent, "a percentage"), None),
        section.maybe("schedule", lambda found: parsed(found, duration_us, "a duration"), None),
    )


def _names(node: Node, wanted: str) -> tuple[str, ...]:
    return tuple(text_of(item, wanted) for item in items_of(node, wanted))


def _against(reading: Reading, node: Node) -> Against:
    section = reading.section(node, (*KINDS, "table", "query"))
    kinds = [kind for kind in KINDS if kind in section.found]
    if len(kinds) != 1:
        values = {"found": " and ".join(kinds) or "empty", "wanted": f"one of {', '.join(KINDS)}"}
        raise FoundError(Finding("CF1005", node.at, "", values))
    return Against(
        cast(AgainstKind, kinds[0]),
        text_of(section.found[kinds[0]], "a place"),
        section.maybe("table", partial(text_of, wanted="a table"), None),
        section.maybe("query", partial(text_of, wanted="a query"), None),
    )


def _window(reading: Reading, node: Node) -> WindowColumn:
    if node.kind != "map":
        return WindowColumn(text_of(node, "a column"))
    section = reading.section(node, ("name", "unit", "zone"))
    return WindowColumn(
        section.maybe("name", text_of, WindowColumn().name),
        section.maybe("unit", _unit, None),
        section.maybe("zone", lambda found: parsed(found, checked_zone, "a zone"), None),
    )


def _unit(node: Node) -> WindowUnit:
    text = text_of(node, "a unit")
    if text not in UNITS:
        raise FoundError(Finding("CF1601", node.at, text, {"what": "unit", "allowed": ", ".join(UNITS)}))
    return cast(WindowUnit, text)


def percent(text: str) -> Decimal:
    """`95%` or `99.5%`."""
    number = text.removesuffix("%").strip()
    if not text.endswith("%") or not JSON_NUMBER.fullmatch(number) or not 0 <= Decimal(number) <= 100:
        raise BadValueError("CF1602", text)
    return Decimal(number)
