"""The `event` section: time, received, id, where, fields."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any, get_args

from crossfoot.definition import number
from crossfoot.definition.expression import Expression, Path
from crossfoot.definition.findings import BadValueError, Finding, FoundError, nearest
from crossfoot.definition.model import (
    EventSpec,
    Field,
    FieldType,
    Format,
    Given,
    IdSpec,
    RawPath,
    Received,
    TimeSpec,
    TimeUnit,
)
from crossfoot.definition.names import checked_pattern, parse_path, parse_type, render_type
from crossfoot.definition.number import NumberError
from crossfoot.definition.parse import parse_fields, parse_raw
from crossfoot.definition.reading import Reading, items_of, parsed, text_of, wrong_kind
from crossfoot.definition.yamltree import Node
from crossfoot.definition.zones import checked_zone

_UNITS: dict[str, TimeUnit] = {unit: unit for unit in get_args(TimeUnit)}
_EVENT_KEYS = ("time", "received", "id", "where", "fields")
_TIME_KEYS = ("field", "unit", "pattern", "zone")
_FIELD_KEYS = ("path", "expr", "type", "default")
_FIELD_LATER = {"zone": ("a field of a time", "declare the text as it is, and the zone at event.time")}
_CLOUDEVENTS_TIME = TimeSpec(("time",), "iso")
_CLOUDEVENTS_ID = IdSpec("fields", (("source",), ("id",)))
_GIVEN: dict[str, Given] = {word: word for word in get_args(Given)}


def read_event(reading: Reading, node: Node, format_: Format) -> EventSpec | None:
    """How a record becomes an event."""
    section = reading.section(node, _EVENT_KEYS)
    cloud = format_.name == "cloudevents"
    time = (
        section.maybe("time", lambda found: _time(reading, found), _CLOUDEVENTS_TIME)
        if cloud
        else section.must("time", lambda found: _time(reading, found))
    )
    if "id" not in section.found and not cloud:
        reading.findings.append(Finding("CF1304", node.at))
    identity = section.maybe("id", lambda found: _id(reading, found), _CLOUDEVENTS_ID)
    received = section.maybe("received", lambda found: _received(reading, found), None)
    where = section.maybe("where", condition, None)
    fields = section.maybe("fields", lambda found: _fields(reading, found), ())
    return None if time is None else EventSpec(time, identity, received, where, fields)


def condition(node: Node) -> Expression | None:
    """A `where`, over declared fields."""
    return parsed(node, parse_fields, "a condition").tree


def _path(node: Node) -> RawPath:
    return parsed(node, parse_path, "a path")


def _time(reading: Reading, node: Node) -> TimeSpec | None:
    if node.kind != "map":
        return TimeSpec(parsed(node, parse_path, "a path, or {field: NAME, unit: ms}"), "iso")
    section = reading.section(node, _TIME_KEYS)
    path = section.must("field", _path)
    pattern = section.maybe("pattern", lambda found: parsed(found, checked_pattern), None)
    unit = section.maybe("unit", _unit, _UNITS["pattern" if "pattern" in section.found else "iso"])
    if ("pattern" in section.found) != (unit == "pattern"):
        raise FoundError(Finding("CF1004", node.at, "pattern", {"place": f"unit: {unit}"}))
    zone = section.maybe("zone", lambda found: parsed(found, checked_zone), None)
    return None if path is None else TimeSpec(path, unit, pattern, zone)


def _unit(node: Node) -> TimeUnit:
    text = text_of(node)
    if text not in _UNITS:
        raise FoundError(Finding("CF1109", node.at, text, near=nearest(text, _UNITS)))
    return _UNITS[text]


def _received(reading: Reading, node: Node) -> Received:
    if node.kind == "map":
        return _time(reading, node)
    text = text_of(node, f"none, {', '.join(_GIVEN)} or {{field: NAME}}")
    if text not in _GIVEN and text != "none":
        raise wrong_kind(node, f"none, {', '.join(_GIVEN)} or {{field: {text}}}")
    return _GIVEN.get(text)


def _id(reading: Reading, node: Node) -> IdSpec:
    if node.kind == "map":
        named = reading.section(node, ("fingerprint",)).need("fingerprint")
        return IdSpec("fingerprint", _paths(reading, named))
    if node.kind == "text" and node.text == "position":
        return IdSpec("position")
    return IdSpec("fields", _paths(reading, node))


def _paths(reading: Reading, node: Node) -> tuple[RawPath, ...]:
    return reading.each(items_of(node, "a field or a list of fields"), _path)


def _fields(reading: Reading, node: Node) -> tuple[Field, ...]:
    return reading.each_named(node, partial(_field, reading))


def _field(reading: Reading, name: str, node: Node) -> Field | None:
    if node.kind != "map":
        return Field(name, parsed(node, parse_raw, "a path, an expression or {path: …, type: …}").tree)
    section = reading.section(node, _FIELD_KEYS, _FIELD_LATER)
    if ("path" in section.found) == ("expr" in section.found):
        values = {"found": "a field", "wanted": "either path or expr", "place": f"event.fields.{name}"}
        raise FoundError(Finding("CF1005", node.at, "", values))
    if "path" in section.found:
        path = section.must("path", _path)
        expression: Expression | None = None if path is None else Path(path)
    else:
        expression = section.must("expr", lambda found: parsed(found, parse_raw, "an expression").tree)
    declared = section.maybe("type", lambda found: parsed(found, parse_type, "a type"), FieldType())
    default = section.maybe("default", lambda found: _default(name, declared, found), None)
    return None if expression is None else Field(name, expression, declared, default)


def _default(name: str, declared: FieldType, node: Node) -> Any:
    """A default in the field's own type; for `any`, what the text looks like."""
    if node.kind == "text" and node.empty:
        return None
    try:
        return _typed_default(declared, text_of(node), node.plain)
    except (BadValueError, NumberError, ValueError) as error:
        values = {"name": name, "type": render_type(declared)}
        raise FoundError(Finding("CF1116", node.at, node.text, values)) from error


def _typed_default(declared: FieldType, text: str, plain: bool) -> Any:
    if declared.name == "text" or (declared.name == "any" and not plain):
        return text
    if declared.name == "any":
        return _looks_like(text)
    if declared.name == "boolean":
        return {"true": True, "false": False}[text] if text in ("true", "false") else _no_default()
    if not number.JSON_NUMBER.fullmatch(text):
        return _no_default()
    if declared.name == "decimal":
        return _exact(number.decimal_from_literal(text, declared.scale), text)
    read = number.integer_from_literal if declared.name == "integer" else number.float_from_literal
    return read(text)


def _exact(value: Decimal, text: str) -> Decimal:
    """A default that has more places than its type would be another number."""
    return value if value == Decimal(text) else _no_default()


def _looks_like(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if number.JSON_INTEGER.fullmatch(text):
        return number.integer_from_literal(text)
    return _no_default() if number.JSON_NUMBER.fullmatch(text) else text


def _no_default() -> Any:
    raise ValueError("not of the type")
