"""What a declared field takes."""

from decimal import Decimal

import pytest

from crossfoot.definition.expression import Expression, Path
from crossfoot.definition.model import Field, FieldType, TypeName
from crossfoot.definition.number import NumberLiteral
from crossfoot.definition.parse import parse_raw
from crossfoot.prepare.fields import field_value, look_up
from crossfoot.prepare.invalid import Invalid

X = Path(("x",))


def read(value: object, name: TypeName, scale: int = 0, expression: Expression = X, untyped: bool = False, **options):
    """The field's value, with its type (so that 1 is not true), or the reason for none."""
    try:
        field = Field("f", expression, FieldType(name, scale), **options)
        found = field_value(field, {"x": value}, untyped)
    except Invalid as invalid:
        return invalid.reason
    return (type(found).__name__, found) if isinstance(found, bool | int | float) else found


def number(text: str) -> NumberLiteral:
    return NumberLiteral(text)


def test_a_path_goes_through_objects_only():
    """Arrays, texts and missing keys end it."""
    raw = {"a": {"b": {"c": True}}, "list": [{"c": True}], "text": "c", "a.b": 1}
    assert look_up(raw, ("a", "b", "c")) is True
    assert [look_up(raw, path) for path in (("list", "c"), ("list", "0"), ("text", "c"), ("a", "x", "c"))] == [None] * 4


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        (number("7"), "integer", ("int", 7)),
        (number("7"), "any", ("int", 7)),
        (number("7"), "float", ("float", 7.0)),
        (number("7"), "text", "type"),
        (number("7"), "boolean", "type"),
        (number("7.5"), "integer", "type"),
        (number("7.5"), "any", "type"),
        (number("1e400"), "any", "range"),
        (number("1e400"), "float", "range"),
        (number("-0.0"), "float", ("float", 0.0)),
        ("7", "text", "7"),
        ("7", "any", "7"),
        ("7", "integer", "type"),
        ("7", "float", "type"),
        ("true", "boolean", "type"),
        (True, "boolean", ("bool", True)),
        (True, "any", ("bool", True)),
        (True, "integer", "type"),
        (True, "text", "type"),
        (None, "integer", None),
        ({}, "any", "type"),
        ([], "text", "type"),
    ],
)
def test_types_are_strict(value: object, name: TypeName, expected: object):
    """A direct path, in a format that knows types."""
    assert read(value, name) == expected


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("7", "integer", ("int", 7)),
        ("7.0", "integer", "type"),
        ("07", "integer", "type"),
        ("7.5", "float", ("float", 7.5)),
        ("7.5", "decimal", Decimal("8")),
        ("true", "boolean", ("bool", True)),
        ("True", "boolean", "type"),
        ("7", "any", "7"),
        ("7", "text", "7"),
        ("", "integer", "type"),
    ],
)
def test_texts_are_read_where_there_are_only_texts(text: str, name: TypeName, expected: object):
    """In the grammar that JSON has for the type."""
    assert read(text, name, untyped=True) == expected


@pytest.mark.parametrize(
    ("value", "scale", "expected"),
    [
        (number("1.005"), 2, "1.00"),
        (number("1.015"), 2, "1.02"),
        ("2.5", 0, "2"),
        (number("1e17"), 2, "range"),
        (number("0.30000000000000000000000001"), 1, "0.3"),
        ("1e2", 1, "100.0"),
        ("1e", 1, "type"),
        (True, 1, "type"),
    ],
)
def test_decimals_are_read_from_their_digits(value: object, scale: int, expected: str):
    """Half to even, never through a float; texts are taken too."""
    found = read(value, "decimal", scale)
    assert (format(found, "f") if isinstance(found, Decimal) else found) == expected


def test_an_expression_gives_a_value_of_the_declared_type():
    """Integral decimals are integers, integers are decimals; texts are neither."""
    plus = parse_raw("x + 1.5").tree
    assert read(number("0.5"), "integer", expression=plus) == ("int", 2)
    assert read(number("0.6"), "integer", expression=plus) == "type"
    assert read(number("1"), "decimal", 3, expression=plus) == Decimal("2.500")
    assert read("1", "decimal", 3, expression=parse_raw("trim(x)").tree) == "type"


def test_an_error_of_an_expression_is_its_reason():
    """What overflows is out of range, a text in a sum is of the wrong type."""
    assert read(number("9223372036854775807"), "integer", expression=parse_raw("x + 1").tree) == "range"
    assert read("a", "integer", expression=parse_raw("x + 1").tree) == "type"


def test_a_default_stands_for_null_only():
    """A value of the wrong type does not become the default."""
    assert read(None, "integer", default=5) == ("int", 5)
    assert read("a", "integer", default=5) == "type"
    assert read(None, "integer", expression=parse_raw("x + 1").tree, default=5) == ("int", 5)
