"""Names of tables, decimals of any length, and who is asked where nothing is named."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from crossfoot.bigquery import TableName, _plain, client, table_name
from crossfoot.errors import CallError

NAMES = {
    "d.t": TableName("", "d", "t"),
    "my-project.d.t": TableName("my-project", "d", "t"),
    "example.com:p.d.t": TableName("example.com:p", "d", "t"),
    "`p.d.t`": TableName("p", "d", "t"),
}


@pytest.mark.parametrize("text", NAMES)
def test_a_table_has_a_project_or_none(text):
    assert table_name(text) == NAMES[text]


@pytest.mark.parametrize("text", ["", "t", "p.d.t; DROP TABLE x", "d.`t`", "d.t u"])
def test_what_names_no_table_is_refused(text):
    with pytest.raises(CallError, match="this names no BigQuery table"):
        table_name(text)


def test_long_decimals_are_texts_without_zeros_at_their_ends():
    values = [Decimal("18446744073709551614"), Decimal("1.50"), Decimal(0), Decimal(-100), None]
    table = pa.table({"a": pa.array(values, pa.decimal256(76, 38)), "b": [1] * 5})
    assert _plain(table)["a"].to_pylist() == ["18446744073709551614", "1.5", "0", "-100", None]


def test_a_project_is_named_by_the_surroundings():
    found = client("", {"BIGQUERY_EMULATOR_HOST": "127.0.0.1:9", "GOOGLE_CLOUD_PROJECT": "surrounding"})
    assert found.project == "surrounding"
    found.close()
