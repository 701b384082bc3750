"""An export: a store's cells in another place, once, and again what has changed."""

import csv

import pytest
from pyarrow import parquet

from crossfoot.cli import main
from crossfoot.errors import CallError, StoreError
from crossfoot.services.export import export
from crossfoot.settings import Settings
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from tests.counting import click, clicks_engine, feed
from tests.unit.sinks.folding import queried

HERE = (Settings(), {}, ManualClock(1))


@pytest.fixture
def engine(tmp_path):
    with clicks_engine(tmp_path / "store") as made:
        feed(made, click(1), click(2, page=None), click(3, page="=1+1"))
        yield made


def test_parquet_gets_every_cell_once(engine, tmp_path):
    """The same again writes nothing; later what has changed."""
    first = export((engine.path, tmp_path), "parquet:cells", *HERE)
    assert first == (len(queried(engine.path)), EmbeddedStore(engine.path).meta["epoch"], 0)
    rows = [parquet.read_table(path, partitioning=None) for path in (tmp_path / "cells").rglob("*.parquet")]
    assert sum(map(len, rows)) == first.cells
    assert export((engine.path, tmp_path), "parquet:cells", *HERE).cells == 0
    feed(engine, click(4))
    assert 0 < export((engine.path, tmp_path), "parquet:cells", *HERE).cells < first.cells


def test_csv_gets_the_same_as_a_query_prints(engine, tmp_path):
    """No spreadsheet takes a value for a formula."""
    export((engine.path, tmp_path), "csv:cells", *HERE)
    (path,) = (tmp_path / "cells" / "metric=clicks" / "by=page" / "grain=1h").iterdir()
    with path.open(encoding="utf-8") as file:
        found = {row["page"]: row for row in csv.DictReader(file)}
    assert set(found) == {"", "'=1+1", "a"}
    assert found["a"]["window"] == "2015-09-12T10:00:00Z"
    assert (found["a"]["paid"], found["a"]["epoch"]) == ("0.10", str(EmbeddedStore(engine.path).meta["epoch"]))


@pytest.mark.parametrize("to", ["parquet", "parquet:", "s3:bucket", "bigquery:project", "bigtable:a/b"])
def test_a_place_that_is_none_is_refused(engine, tmp_path, to):
    """Before anything is made."""
    with pytest.raises(CallError, match=r"this (is no|names no)"):
        export((engine.path, tmp_path), to, *HERE)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_store_that_is_not_there_is_named(tmp_path):
    """And no folder is made for it."""
    with pytest.raises(StoreError, match="there is no store in"):
        export((tmp_path / "store", tmp_path), "parquet:cells", *HERE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["parquet:file", "parquet:/proc/x", "csv:file/below"])
def test_a_folder_that_cannot_be_is_an_error_of_the_call(engine, tmp_path, monkeypatch, capsys, to):
    """A file stands there, or nothing can be made there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["export", "--store", "store", "--to", to]) == 2
    assert f"nothing can be written to {to}: " in capsys.readouterr().err


def test_the_command_says_what_it_wrote(engine, tmp_path, monkeypatch, capsys):
    """And where it is."""
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--store", "store", "--to", "parquet:cells", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("parquet:cells,22,")
