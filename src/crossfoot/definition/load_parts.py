"""The small sections: accept, limits, tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from crossfoot.definition import number
from crossfoot.definition.durations import duration_us, instant_us, limit_us
from crossfoot.definition.limits import LIMIT_MAX, default_bucket_us, default_horizon_us
from crossfoot.definition.model import Acceptance, DefinitionTest, Limits
from crossfoot.definition.reading import Reading, parsed, text_of, whole, wrong_kind
from crossfoot.definition.yamltree import Node

T = TypeVar("T")

_ACCEPT_KEYS = ("lateness", "future", "horizon", "transport", "out_of_order", "bucket", "not_before", "not_after")


def read_accept(reading: Reading, node: Node, transport_us: int) -> Acceptance:
    """The acceptance rule with its defaults: horizon = lateness + transport, bucket = horizon / 8.

    `transport_us` is the default of transport.
    """
    section = reading.section(node, _ACCEPT_KEYS)

    def get(key: str, parse: Callable[[str], T], default: T) -> T:
        return section.maybe(key, lambda found: parsed(found, parse, "a duration"), default)

    lateness = get("lateness", limit_us, None)
    transport = get("transport", duration_us, transport_us)
    horizon = get("horizon", limit_us, default_horizon_us(lateness, transport))
    horizon = None if _unbounded(section.found.get("horizon")) else horizon
    return Acceptance(
        lateness,
        get("future", duration_us, Acceptance().future_us),
        transport,
        horizon,
        get("bucket", duration_us, default_bucket_us(horizon)),
        get("out_of_order", duration_us, 0),
        get("not_before", instant_us, None),
        get("not_after", instant_us, None),
    )


def _unbounded(node: Node | None) -> bool:
    return node is not None and node.text == "unbounded"


def read_limits(reading: Reading, node: Node) -> Limits:
    """The ceilings."""
    known = {entry.name: getattr(Limits(), entry.name) for entry in fields(Limits)}
    section = reading.section(node, known)
    given = {
        name: section.maybe(name, partial(whole, least=1, most=LIMIT_MAX[name]), default)
        for name, default in known.items()
    }
    return Limits(**given)


def read_tests(reading: Reading, node: Node) -> tuple[DefinitionTest, ...]:
    """The `tests:` blocks."""
    if node.kind != "list":
        raise wrong_kind(node, "a list of tests")
    return reading.each(node.items, lambda item: _test(reading, item))


def _test(reading: Reading, node: Node) -> DefinitionTest:
    section = reading.section(node, ("name", "events", "expect"))
    name = text_of(section.need("name"), "a name")
    events, expect = section.need("events"), section.need("expect")
    if events.kind != "list":
        raise wrong_kind(events, "a list of events")
    rows = {metric: _rows(reading, found) for metric, found in reading.mapping(expect)}
    return DefinitionTest(name, reading.each(events.items, _record), rows)


def _rows(reading: Reading, node: Node) -> tuple[dict[str, Any], ...]:
    if node.kind != "list":
        raise wrong_kind(node, "a list of rows")
    return reading.each(node.items, _record)


def _record(node: Node) -> dict[str, Any]:
    """A mapping of plain values, as JSON has them."""
    found = plain_value(node)
    if not isinstance(found, dict):
        raise wrong_kind(node, "a mapping")
    return found


def plain_value(node: Node) -> Any:
    """The value as JSON has it: null, true, false, numbers without loss, texts, lists, mappings."""
    if node.kind == "map":
        return {key.text: plain_value(value) for key, value in node.entries()}
    if node.kind == "list":
        return [plain_value(item) for item in node.items]
    return _plain_text(node.text) if node.plain else node.text


_WORDS: Mapping[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "false": False,
}


def _plain_text(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if number.JSON_INTEGER.fullmatch(text) and len(text) < 4000:  # Python reads no longer integers
        return int(text)
    return Decimal(text) if number.JSON_NUMBER.fullmatch(text) else text
