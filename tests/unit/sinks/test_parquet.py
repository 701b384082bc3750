"""A folder of Parquet files as a sink."""

import duckdb
import pytest

from crossfoot.sinks.marks import replace_whole
from tests.counting import CLICKS, click, count, lines

TEXT = CLICKS.replace("metrics:", "sinks: [{parquet: out}]\nmetrics:", 1)


def newest(folder, sql: str) -> list[tuple]:
    """The cells of the pages by hour, as a reader sees them: the highest epoch of each counts."""
    files = f"{folder}/out/metric=clicks/by=page/grain=1h/*.parquet"
    cells = f"""(SELECT * FROM read_parquet('{files}')
        QUALIFY row_number() OVER (PARTITION BY "window", page ORDER BY epoch DESC) = 1)"""
    return duckdb.sql(sql.format(cells=cells)).fetchall()


def test_a_reader_takes_the_highest_epoch_of_each_cell(tmp_path):
    """A run after the other; what has not changed stays in the older file."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1), click(2, page="b")]))
    count(tmp_path, TEXT)
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1), click(2, page="b"), click(3, page="b")]))
    count(tmp_path, TEXT)
    assert newest(tmp_path, "SELECT page, clicks, paid::text FROM {cells} ORDER BY page") == [
        ("a", 1, "0.10"),
        ("b", 2, "0.20"),
    ]
    assert len(list((tmp_path / "out/metric=clicks/by=page/grain=1h").iterdir())) == 2


def test_names_that_a_path_cannot_have_are_quoted(tmp_path):
    """A zone has a slash; the set without dimensions has a dash."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1)]))
    count(tmp_path, TEXT)
    grains = {path.name for path in (tmp_path / "out/metric=clicks/by=-").iterdir()}
    assert grains == {"grain=1m", "grain=1h", "grain=1d%20Europe%2FParis"}


def test_a_folder_that_was_removed_gets_everything_again(tmp_path):
    """It is another folder."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1), click(2, page="b")]))
    count(tmp_path, TEXT)
    (tmp_path / "out").rename(tmp_path / "gone")
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1), click(2, page="b"), click(3, page="b")]))
    count(tmp_path, TEXT)
    assert newest(tmp_path, "SELECT page, clicks FROM {cells} ORDER BY page") == [("a", 1), ("b", 2)]


def test_a_folder_that_cannot_be_made_is_told_and_harms_nothing(tmp_path):
    """The summary says how far it is; everything is counted."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1)]))
    (tmp_path / "out").write_text("a file")
    summary = count(tmp_path, TEXT)
    assert summary.totals == {"counted": 1}
    assert summary.hints[0].startswith("parquet:out has the cells of epoch 0 only (")


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    """A draft has another name until it is durable."""
    with pytest.raises(TypeError):
        replace_whole(tmp_path / "x.parquet", "no bytes")  # type: ignore[arg-type]
    assert not (tmp_path / "x.parquet").exists()
