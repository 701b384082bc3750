"""The same expression over the same rows gives the same values and errors in Python and in DuckDB."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.definition import letters
from crossfoot.definition.evaluate import EvalError, evaluate
from crossfoot.definition.expression import FieldRef
from crossfoot.definition.number import make_decimal
from crossfoot.definition.sql import column, to_sql
from crossfoot.definition.sql_parts import Sql
from tests.unit.definition.trees import COLUMNS, ROWS, any_expression, plain

SQL_TYPES = {"integer": "BIGINT", "float": "DOUBLE", "text": "VARCHAR", "boolean": "BOOLEAN"}
PLACES = ", ".join(
    f"CAST(? AS {f'DECIMAL(38, {scale})' if kind == 'decimal' else SQL_TYPES[kind]})"
    for kind, scale in COLUMNS.values()
)


def by_duckdb(database, tree, rows):
    """Value or error of each row."""
    made = to_sql(tree, lambda reference: column(reference.name, *COLUMNS[reference.name]))
    table = ", ".join([f"({place}, {PLACES})" for place in range(len(rows))])
    query = f"SELECT {made.value}, {made.error or 'NULL'} FROM (VALUES {table}) AS data(place, {', '.join(COLUMNS)})"
    found = database.execute(f"{query} ORDER BY place", [row[name] for row in rows for name in COLUMNS]).fetchall()
    return [error or plain(typed(made, value)) for value, error in found]


def typed(made: Sql, value):
    """A scaled integer as the decimal that it stands for."""
    return make_decimal(value, made.scale) if made.type == "decimal" and value is not None else value


def by_python(tree, rows):
    """Value or error of each row."""
    found = [evaluate(tree, lambda reference, row=row: row[reference.name]) for row in rows]
    return [value.reason if isinstance(value, EvalError) else plain(value) for value in found]


@settings(max_examples=500)
@given(tree=any_expression(), rows=st.lists(ROWS, min_size=1, max_size=4))
def test_python_and_duckdb_agree(database, tree, rows):
    """Value, type and error of every row are equal."""
    assert by_python(tree, rows) == by_duckdb(database, tree, rows)


@pytest.mark.campaign
@given(tree=any_expression(depth=4), rows=st.lists(ROWS, min_size=1, max_size=6))
def test_python_and_duckdb_agree_for_long(database, tree, rows):
    """The same with deeper trees and many more of them."""
    assert by_python(tree, rows) == by_duckdb(database, tree, rows)


@pytest.mark.parametrize("name", ["lower", "upper"])
def test_letters_agree_on_every_code_point(database, name):
    """LOWER and UPPER map each of the 1.1 million code points as Python does."""
    points = [chr(point) for point in range(1, 0x110000) if not 0xD800 <= point <= 0xDFFF]
    mapped = getattr(letters, name)
    chunks = ["".join(points[start : start + 4096]) for start in range(0, len(points), 4096)]
    query = f"SELECT cf_{name}(c) FROM (SELECT unnest(?::VARCHAR[]) AS c)"
    found = [row[0] for row in database.execute(query, [chunks]).fetchall()]
    assert found == [mapped(chunk) for chunk in chunks]


@pytest.mark.parametrize(
    ("text", "lowered", "raised"),
    [
        ("ÀÉ日", "àé日", "ÀÉ日"),
        ("ßİŉ", "ßİŉ", "ßİŉ"),
        ("ᾳǅ", "ᾳǆ", "ᾳǄ"),
        ("ΑΣ", "ας".replace("ς", "σ"), "ΑΣ"),
        ("ɤƛ", "ɤƛ", "ɤƛ"),
    ],
)
def test_letters(text, lowered, raised):
    """A letter whose mapping is more than one letter, or newer than Unicode 14, stays as it is."""
    assert (letters.lower(text), letters.upper(text)) == (lowered, raised)


def test_no_letter_is_longer_after_mapping():
    """Every code point maps to one code point, so places in a text stay."""
    points = "".join([chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF])
    assert len(letters.lower(points)) == len(letters.upper(points)) == len(points)


def test_column_names_are_quoted():
    """A field's name cannot leave its quotes."""
    assert to_sql(FieldRef('a"b'), lambda reference: column(reference.name, "text")).value == '"a""b"'
