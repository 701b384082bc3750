"""A BigQuery table on Apache Beam: read to its end, with the cells and accounts of the embedded engine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crossfoot.bigquery import HOST
from crossfoot.cli.app import main
from crossfoot.dev.bigquery import BigQuery
from crossfoot.errors import StoreError
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.embedded import EmbeddedStore
from tests.bigquery import Dataset
from tests.services.beaming import CLICKS, RUN, Beam, clicks, make_table, opened, sink_of
from tests.unit.sinks.folding import queried


@pytest.fixture
def dataset(bigquery: BigQuery, beam: Beam, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Found by the workers too."""
    monkeypatch.setenv(HOST, bigquery.address)
    return Dataset.of(bigquery)


def events(number: int) -> list[str]:
    """Of a year ago."""
    year_ms = 365 * 86_400_000
    return [json.dumps(each | {name: each[name] - year_ms for name in ("at", "got")}) for each in clicks(number)]


def text_of(source: str) -> str:
    return CLICKS.format(name="raw", source=source, received="{field: got, unit: ms}", transport="")


def same(store: Any, table: Any) -> None:
    """Every cell, every account, down to the members."""
    assert queried(opened(table)) == queried(store)
    found, expected = accounts_of(BigtableStore.open(str(table))), accounts_of(EmbeddedStore(store))
    assert (found.records, found.totals, found.unaccounted) == (expected.records, expected.totals, 0)
    assert found.digests == expected.digests
    assert all(found.totals[account] for account in ("counted", "too_late", "future", "duplicate"))
    assert {name: part["records"] for name, part in found.partitions.items()} == {
        name: part["records"] for name, part in expected.partitions.items()
    }


@pytest.mark.parametrize("runner", ["prism", "direct"])
def test_a_table_is_counted_as_by_the_embedded_engine(beam, dataset, tmp_path, runner):
    """Its three partitions, each in the order of its positions; blank records are none."""
    texts = [*events(5_000), " ", None]
    text, table = text_of(dataset.texts("raw", texts, parts=3)), make_table()
    (tmp_path / "raw.yaml").write_text(text, "utf-8")
    (tmp_path / "beam.yaml").write_text(text + sink_of(table), "utf-8")
    assert main(["run", str(tmp_path / "raw.yaml"), "--store", str(tmp_path / "store")]) == 0
    beam.count(tmp_path / "beam.yaml", "--runner", runner, "--prism", beam.prism)
    same(tmp_path / "store", table)


def test_an_exported_pipeline_reads_the_table(beam, dataset, tmp_path):
    text, table = text_of(dataset.texts("raw", events(1_000))), make_table()
    (tmp_path / "raw.yaml").write_text(text, "utf-8")
    (tmp_path / "beam.yaml").write_text(text + sink_of(table), "utf-8")
    assert main(["run", str(tmp_path / "raw.yaml"), "--store", str(tmp_path / "store")]) == 0
    export = ("-m", "crossfoot", "beam", "export", "beam.yaml", "--out", "pipeline.py", "--runner", "direct")
    for command in (export, ("pipeline.py",)):
        code, _, err = beam.run(*command)
        assert code == 0, err
    same(tmp_path / "store", table)


REFUSED = {
    "a column that is not there": ({}, "content", "has no column content"),
    "a position twice": ({"positions": [1, 1]}, "payload", "1 records share their seq"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_gives_no_order_is_refused_before_anything_is_written(beam, dataset, tmp_path, case):
    options, record, said = REFUSED[case]
    table, source = make_table(), dataset.texts("raw", ["{}", "{}"], **options)
    (tmp_path / "beam.yaml").write_text(text_of(source.replace("payload", record)) + sink_of(table), "utf-8")
    code, _, err = beam.run(*RUN, str(tmp_path / "beam.yaml"), "--runner", "direct")
    assert (code, said in err) == (4, True), err
    with pytest.raises(StoreError, match="no store was written"):
        opened(table)
