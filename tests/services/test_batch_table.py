"""A batch over a BigQuery table of raw events: the same cells as over the same lines in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

import crossfoot
from crossfoot.bigquery import HOST
from crossfoot.cli.app import main
from crossfoot.definition.load import load_text
from crossfoot.dev.bigquery import BigQuery
from crossfoot.errors import DataError
from crossfoot.services.batch.records import read_table
from crossfoot.settings import environment
from tests.bigquery import Dataset
from tests.counting import STAMPED, lines
from tests.crash.processes import records

FILES = "source: {files: clicks.jsonl, format: json}"


@pytest.fixture
def dataset(bigquery: BigQuery, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv(HOST, bigquery.address)
    return Dataset.of(bigquery)


Put = Callable[..., str]


@pytest.fixture
def put(dataset: Dataset) -> Put:
    """Writes texts at positions into a table; the source that names it."""

    def write(texts: Sequence[str | None], positions: Sequence[int | None] | None = None, shards: int = 1) -> str:
        return f"source: {dataset.texts('raw', texts, positions, shards)}"

    return write


def texts_of(number: int) -> list[str]:
    return lines(records(number)).decode().splitlines()


def cells(folder: Path) -> dict[str, list[dict[str, object]]]:
    """Each file of results, and its rows."""
    return {str(path.relative_to(folder)): pq.read_table(path, partitioning=None).to_pylist()
            for path in folder.glob("metric=*/*/*/*/cells.parquet")}  # fmt: skip


def test_a_table_is_counted_as_a_file_is(put, tmp_path):
    """Twice: the second time nothing is left to write."""
    texts = texts_of(300)
    (tmp_path / "clicks.jsonl").write_text("\n".join(texts) + "\n")
    (tmp_path / "file.yaml").write_text(STAMPED)
    (tmp_path / "table.yaml").write_text(STAMPED.replace(FILES, put(texts)))
    file, table = tmp_path / "of_file", tmp_path / "of_table"
    assert (
        main(["batch", str(tmp_path / "file.yaml"), "--input", str(tmp_path / "clicks.jsonl"), "--out", str(file)]) == 0
    )
    assert main(["batch", str(tmp_path / "table.yaml"), "--out", str(table)]) == 0
    assert cells(table) == cells(file) != {}
    assert main(["batch", str(tmp_path / "table.yaml"), "--out", str(table)]) == 0


REFUSED = {
    "a position twice": ({"positions": [1, 1]}, "1 records share their seq"),
    "no position": ({"positions": [1, None]}, "1 records have no seq"),
}


def read(source: str) -> list[tuple[object, ...]]:
    connection = duckdb.connect()
    relation = read_table(connection, load_text(STAMPED.replace(FILES, source)).sources[0], environment())
    return connection.execute(f"SELECT epoch, partition, position, record FROM {relation} ORDER BY 1, 3").fetchall()


@pytest.mark.parametrize("case", REFUSED)
def test_what_gives_no_order_is_refused(put, case):
    options, said = REFUSED[case]
    with pytest.raises(DataError, match=said):
        read(put(["{}", "{}"], **options))


def test_a_column_that_is_not_there_is_named(put):
    with pytest.raises(DataError, match="has no column content"):
        read(put(["{}"]).replace("payload", "content"))


def test_a_record_that_is_a_number_is_refused(put):
    with pytest.raises(DataError, match="seq is neither text nor bytes"):
        read(put(["{}"]).replace("payload", "seq"))


def test_partitions_are_in_the_order_of_their_names(put):
    """And what is null is no record."""
    assert read(put(["a", "b", None, "c"], shards=2)) == [(1, "s0", 0, b"a"), (2, "s1", 1, b"b"), (2, "s1", 3, b"c")]


def query(store: Path) -> list[dict[str, object]]:
    return crossfoot.Store.open(store).query("clicks", by=[], grain="1h").to_arrow().to_pylist()


def test_a_run_counts_a_table(put, dataset, tmp_path):
    """As the lines of a file; what was added since is counted by the next run, and nothing twice."""
    texts = texts_of(300)
    (tmp_path / "clicks.jsonl").write_text("\n".join(texts) + "\n")
    (tmp_path / "file.yaml").write_text(STAMPED)
    (tmp_path / "table.yaml").write_text(STAMPED.replace(FILES, put(texts[:200]).replace(", partition: shard", "")))
    file, table = str(tmp_path / "of_file"), str(tmp_path / "of_table")
    assert main(["run", str(tmp_path / "file.yaml"), "--store", file]) == 0
    assert main(["run", str(tmp_path / "table.yaml"), "--store", table]) == 0
    dataset.add("raw", {"seq": range(200, len(texts)), "payload": texts[200:]})
    assert main(["run", str(tmp_path / "table.yaml"), "--store", table]) == 0
    assert main(["run", str(tmp_path / "table.yaml"), "--store", table]) == 0
    assert query(Path(table)) == query(Path(file)) != []
    assert main(["verify", "--store", table]) == 0


def test_a_table_that_was_cut_is_refused(put, dataset, tmp_path):
    (tmp_path / "table.yaml").write_text(STAMPED.replace(FILES, put(texts_of(20), shards=2)))
    run = ["run", str(tmp_path / "table.yaml"), "--store", str(tmp_path / "store")]
    assert main(run) == 0
    dataset.ask(f"DELETE FROM `{dataset.path('raw')}` WHERE seq > 10")
    assert main(run) == 4
