"""The same expression over the same rows gives the same values and errors in Python and in the native core."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.definition import letters
from crossfoot.definition.evaluate import EvalError, evaluate
from crossfoot.definition.expression import Call, Literal, Path, to_json
from crossfoot.definition.number import NumberLiteral
from tests.unit.definition import trees, untyped_trees

core = pytest.importorskip("crossfoot._core", reason="the native extension is not built (make setup)")

PLACES = {name: place for place, name in enumerate(trees.COLUMNS)}
RAW_PLACES = {path: place for place, path in enumerate(untyped_trees.PATHS)}


def literal(value):
    """A row's value as the core reads it."""
    if isinstance(value, NumberLiteral):
        return ["number", value.text]
    return to_json(Literal(value), lambda _: 0)


def by_core(tree, index, rows):
    """Value or error of each row, as typed literals."""
    return json.loads(
        core.evaluate(json.dumps(to_json(tree, index)), json.dumps([[literal(v) for v in row] for row in rows]))
    )


def by_python(tree, index, rows):
    """The same by the Python evaluator."""
    found = [evaluate(tree, lambda reference, row=row: row[index(reference)]) for row in rows]
    return [["error", value.reason] if isinstance(value, EvalError) else literal(value) for value in found]


def columns(reference):
    return PLACES[reference.name]


def check_typed(tree, rows):
    listed = [[row[name] for name in trees.COLUMNS] for row in rows]
    assert by_python(tree, columns, listed) == by_core(tree, columns, listed)


def check_raw(tree, rows):
    assert by_python(tree, RAW_PLACES.__getitem__, rows) == by_core(tree, RAW_PLACES.__getitem__, rows)


@settings(max_examples=500)
@given(tree=trees.any_expression(), rows=st.lists(trees.ROWS, min_size=1, max_size=4))
def test_python_and_core_agree_on_fields(tree, rows):
    """Well-typed trees over declared fields."""
    check_typed(tree, rows)


@settings(max_examples=500)
@given(tree=untyped_trees.trees(), rows=untyped_trees.ROWS)
def test_python_and_core_agree_on_raw_values(tree, rows):
    """Any tree over any raw values: errors too are the same, and come from the same place."""
    check_raw(tree, rows)


@pytest.mark.campaign
@given(tree=trees.any_expression(depth=4), rows=st.lists(trees.ROWS, min_size=1, max_size=6))
def test_python_and_core_agree_on_fields_for_long(tree, rows):
    """The same with deeper trees and many more of them."""
    check_typed(tree, rows)


@pytest.mark.campaign
@given(tree=untyped_trees.trees(depth=4), rows=untyped_trees.ROWS)
def test_python_and_core_agree_on_raw_values_for_long(tree, rows):
    """The same with deeper trees and many more of them."""
    check_raw(tree, rows)


@pytest.mark.parametrize("op", ["lower", "upper"])
def test_letters_agree_on_every_code_point(op):
    """LOWER and UPPER map each of the 1.1 million code points alike."""
    points = "".join([chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF])
    chunks = [points[start : start + 8192] for start in range(0, len(points), 8192)]
    mapped = by_core(Call(op, (Path(("a",)),)), lambda _: 0, [[chunk] for chunk in chunks])
    expected = [["text", getattr(letters, op)(chunk)] for chunk in chunks]
    assert [place for place, (a, b) in enumerate(zip(mapped, expected, strict=True)) if a != b] == []
