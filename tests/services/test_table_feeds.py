"""From a Bigtable emulator to a BigQuery emulator: a job's cells, counted events and accounts, each once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossfoot.cli import main
from crossfoot.definition.load import load_text
from crossfoot.dev.bigquery import PROJECT
from crossfoot.errors import DataError
from crossfoot.services.table_feed import reach
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.bigtable_rows import Cell, Row
from crossfoot.stores.bigtable_table import HOST, GoogleTable
from tests.beams import Shards
from tests.counting import CLICKS, click, count_records
from tests.services.beaming import make_table, sink_of
from tests.unit.warehouse.test_counted import check_cells
from tests.warehouses import CLOCK, check_counted, opened

RECORDS = [click(seq, page=f"p{seq % 5}") for seq in range(60)] + [click(3, page="p3"), b"{\n", click(5, ms="x")]


@pytest.fixture
def table(bigtable, monkeypatch):
    monkeypatch.setenv(HOST, bigtable.address)
    made = GoogleTable(make_table())
    yield made
    made.close()


def test_a_cell_is_written_unless_a_newer_one_is_there(table):
    """Of two that write the same version the first does."""
    assert [table.advance(b"k", Cell("a", version, b"")) for version in (2, 2, 1, 3)] == [True, False, False, True]
    assert table.advance(b"k", Cell("b", 1, b""))
    assert {(cell.column, cell.version) for cell in table.row(b"k").cells} == {("a", 2), ("a", 3), ("b", 1)}


def test_only_rows_with_something_new_are_read(table):
    """With all that they hold; rows that were removed are gone."""
    old, both = Row(b"1", [Cell("a", 3, b"")]), Row(b"2", [Cell("a", 3, b""), Cell("b", 4, b"")])
    table.write([old, both])
    assert [(row.key, len(row.cells)) for row in table.read([(b"0", b"9")], 3)] == [(b"2", 2)]
    assert [row.key for row in table.read([(b"0", b"9")], 2)] == [b"1", b"2"]
    table.remove([b"1", b"none"])
    assert [row.key for row in table.read([(b"0", b"9")])] == [b"2"]


def test_a_dataset_that_is_not_there_is_found_before_a_job_begins(dataset, tmp_path):
    """Nothing is written."""
    text = CLICKS + f"sinks: [{{bigquery: {{project: {PROJECT}, dataset: {dataset}none}}}}]\n"
    with pytest.raises(DataError, match="there is no such BigQuery dataset"):
        reach(load_text(text), tmp_path, os.environ, CLOCK)
    reach(load_text(text.replace("none}", "}")), tmp_path, os.environ, CLOCK)


def test_a_dataset_has_what_the_embedded_engine_counts(table, dataset, tmp_path: Path, capsys):
    """In three parts, by the command; the side log is asked of the table."""
    sinks = sink_of(table.name).removesuffix("]\n") + f", {{bigquery: {{project: {PROJECT}, dataset: {dataset}}}}}]\n"
    (tmp_path / "clicks.yaml").write_text(CLICKS + sinks)
    shards = Shards(CLICKS + sinks, table)
    for first in range(0, len(RECORDS), 25):
        shards.leave(RECORDS[first : first + 25])
        assert main(["beam", "feed", str(tmp_path / "clicks.yaml"), "--once"]) == 0
    capsys.readouterr()
    store = count_records(tmp_path, RECORDS)
    warehouse = opened(tmp_path, CLICKS + sinks, **os.environ)
    check_counted(warehouse, store)
    check_cells(warehouse, store)
    assert sorted(BigtableStore(table).side_log(9)["account"].to_pylist()) == ["invalid", "malformed"]
    assert main(["ledger", "--side", "--store", str(table.name)]) == 0
    assert "malformed" in capsys.readouterr().out
