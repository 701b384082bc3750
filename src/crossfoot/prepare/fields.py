"""Raw values -> a declared field: the expression, the default, the strict type check (semantics section 6)."""

from __future__ import annotations

from decimal import Decimal

from crossfoot.definition import number
from crossfoot.definition.evaluate import EvalError, evaluate
from crossfoot.definition.expression import Expression, Path, Reference
from crossfoot.definition.model import Field, FieldType
from crossfoot.definition.number import NumberError, NumberLiteral
from crossfoot.event import Value
from crossfoot.prepare.decode import Raw, RawValue
from crossfoot.prepare.invalid import Invalid


def look_up(raw: Raw, path: tuple[str, ...]) -> RawValue:
    """The value at a path of object keys; None where it is missing or null. A path through an array is missing."""
    value: RawValue = raw
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def field_value(field: Field, raw: Raw, untyped: bool) -> Value:
    """A declared field's value; Invalid where it is not of its type."""
    try:
        value = _value(field.expression, raw, field.type, untyped)
        return _checked(field.default if value is None else value, field.type)
    except NumberError as error:
        raise Invalid("range" if error.reason == "range" else "type") from error


def _value(expression: Expression, raw: Raw, wanted: FieldType, untyped: bool) -> Value:
    if isinstance(expression, Path):
        return _direct(look_up(raw, expression.parts), wanted, untyped)
    value = evaluate(expression, lambda reference: _read(raw, reference))
    if isinstance(value, EvalError):
        raise Invalid(value.reason)
    return value


def _read(raw: Raw, reference: Reference) -> RawValue:
    assert isinstance(reference, Path)
    return look_up(raw, reference.parts)


def _direct(value: RawValue, wanted: FieldType, untyped: bool) -> Value:
    """A raw value taken as the wanted type, from the literal's own digits; other values are left as they are."""
    if isinstance(value, str):
        literal = value if _reads_as(value, wanted, untyped) else None
        if wanted.name == "boolean" and untyped and value in ("true", "false"):
            return value == "true"
        if literal is None:
            return value
    elif isinstance(value, NumberLiteral):
        literal = value.text
    elif isinstance(value, dict | list):
        raise Invalid("type")
    else:
        assert value is None or isinstance(value, bool)
        return value
    if wanted.name == "integer":
        return number.integer_from_literal(literal)
    if wanted.name == "decimal":
        return number.decimal_from_literal(literal, wanted.scale)
    if wanted.name == "float":
        return number.float_from_literal(literal)
    return number.number_from_literal(literal)


def _reads_as(text: str, wanted: FieldType, untyped: bool) -> bool:
    """Whether a text stands for a number: of a decimal always, of the other types in formats that know only texts."""
    if wanted.name == "decimal" or (wanted.name == "float" and untyped):
        return number.JSON_NUMBER.fullmatch(text) is not None
    return wanted.name == "integer" and untyped and number.JSON_INTEGER.fullmatch(text) is not None


def _checked(value: Value, wanted: FieldType) -> Value:
    """The value in its declared type. Types are strict: no text is a number, true is not 1."""
    if value is None:
        return None
    kind = wanted.name
    if isinstance(value, bool | str):
        fits = kind in ("any", "boolean" if isinstance(value, bool) else "text")
        return value if fits else _refuse()
    if kind == "decimal" and not isinstance(value, float):
        return number.rescale(value, wanted.scale)
    if kind == "float":
        return number.finite(float(value))
    if kind in ("integer", "any") and isinstance(value, int):
        return value
    if kind == "integer" and isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return _refuse()


def _refuse() -> Value:
    raise Invalid("type")
