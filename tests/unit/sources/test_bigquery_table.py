"""Rows of a BigQuery table as blocks of records."""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest

from crossfoot.definition.model import BigQuerySource
from crossfoot.errors import DataError
from crossfoot.sources.bigquery_table import Table


class Answer:
    """What BigQuery would answer."""

    def __init__(self, *tables: pa.Table) -> None:
        self.tables, self.asked = tables, ""

    def rows(self, sql: str, _: str) -> Any:
        self.asked = sql
        return iter(self.tables)


def read(records: pa.Array, first: int = 0, **options: Any) -> list[tuple[int, bytes]]:
    """Positions and records; the table's rows are part of a longer one."""
    places = pa.array(range(100, 100 + len(records)), pa.int64())
    table = Table(BigQuerySource("p.d.raw", **options), {})
    table._reader = Answer(pa.table({"place": places, "record": records}).slice(first))  # type: ignore[assignment]
    found = []
    for data, (ends, positions, stamps, received) in table.records("", 0, 1000):
        assert stamps == received == b""
        cuts = pairwise([0, *array("I", ends)])
        found += zip(array("Q", positions), [data[start:end] for start, end in cuts], strict=True)
    return found


@pytest.mark.parametrize("kind", [pa.string(), pa.binary(), pa.json_()], ids=str)
def test_texts_bytes_and_json_are_records(kind: pa.DataType):
    texts = pa.array(['"a"', '"é"', '"c"'], pa.string())
    records = (
        pa.ExtensionArray.from_storage(kind, texts) if isinstance(kind, pa.BaseExtensionType) else texts.cast(kind)
    )
    assert read(records, 1) == [(101, '"é"'.encode()), (102, b'"c"')]


def test_what_is_blank_or_null_is_no_record():
    assert read(pa.array([b" \t\r\n\x0b\x0c", b"a ", None, b"", b"\xff", b" b"])) == [
        (101, b"a "),
        (104, b"\xff"),
        (105, b" b"),
    ]


def test_rows_that_are_all_blank_are_nothing():
    assert read(pa.array(["", " "])) == []


def test_numbers_are_no_records():
    with pytest.raises(DataError, match="record is neither text nor bytes"):
        read(pa.array([1, 2]))
