"""What is compared by digests that BigQuery works out, and what is not."""

from __future__ import annotations

from typing import Literal

import duckdb
import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison, WindowColumn
from crossfoot.reconcile.form import form_of
from crossfoot.reconcile.remote import Asked, _differing, _their_texts
from tests.reconciling import DEFINITION

TYPES = {"window": "TIMESTAMP", "country": "STRING", "kind": "STRING", "events": "INTEGER", "spent": "NUMERIC"}
FORM = form_of(
    load_text(DEFINITION), Comparison("side", Against("bigquery", "d.t"), "sales", "1h", ("country", "kind"))
)


def texts(**types: str) -> bool:
    """Whether every column of a table has a text."""
    asked = Asked("SELECT 1", "t", TYPES | types, {column: column.name for column in FORM.columns})
    return _their_texts(asked, FORM, WindowColumn()) is not None


def test_columns_with_exact_values_have_one_text():
    assert texts()
    assert texts(window="DATE", spent="INT64")


@pytest.mark.parametrize(("unit", "text"), [("s", "`window` * 1000000"), ("ns", "DIV(`window`, 1000)")])
def test_windows_that_are_numbers_are_microseconds(unit: Literal["s", "ns"], text: str):
    asked = Asked("SELECT 1", "t", TYPES | {"window": "INT64"}, {column: column.name for column in FORM.columns})
    assert (_their_texts(asked, FORM, WindowColumn(unit=unit)) or {})[FORM.keys[0]] == f"CAST({text} AS STRING)"


@pytest.mark.parametrize("types", [{"window": "STRING"}, {"events": "FLOAT"}, {"country": "INTEGER"}])
def test_others_are_compared_here(types):
    """A float, a text in the place of a window, a number in that of a text."""
    assert not texts(**types)


def test_groups_of_one_side_alone_differ():
    """Ours have no rows there that could come; too many are not named."""
    connection = duckdb.connect()
    rows = "SELECT 0 AS \"window\", 'FR' AS country, 'buy' AS kind, 1 AS events, 5 AS spent"
    connection.execute(f"CREATE TABLE ours AS {rows}")
    connection.execute("CREATE TABLE digests_there (grp VARCHAR, cells BIGINT, a HUGEINT, b HUGEINT)")
    assert _differing(connection, FORM, "ours", 1) is None
    connection.execute("INSERT INTO digests_there VALUES ('7/0', 1, 1, 1)")
    assert _differing(connection, FORM, "ours", 1) == ["7/0"]
    connection.execute("INSERT INTO digests_there SELECT grp, cells, a, b FROM digests_here")
    assert _differing(connection, FORM, "ours", 1) == ["7/0"]
    assert connection.execute("SELECT * FROM crossfoot_same").fetchall() == [(0, "FR", "buy", 1, 5)]
    connection.execute("INSERT INTO digests_there SELECT n || '/0', 1, 1, 1 FROM range(10, 3000) t(n)")
    assert _differing(connection, FORM, "ours", 1) is None
