"""A folder of Parquet files as a sink."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest
from pyarrow import parquet

from crossfoot.sinks import marks
from crossfoot.sinks.marks import replace_whole
from tests.counting import CLICKS, click, count, count_records, lines

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


@pytest.mark.parametrize("emptied", [False, True])
def test_a_folder_that_is_made_again_at_the_same_place_on_disk_gets_everything(tmp_path, emptied):
    """The system gives the number of a folder that was removed to the next one; one that was emptied keeps it."""
    store = count_records(tmp_path, [click(1), click(2, page="b")], TEXT)
    before = marks.read(store, "parquet:out").identity
    shutil.rmtree(tmp_path / "out")
    if emptied:
        (tmp_path / "out").mkdir()
    count_records(tmp_path, [click(1), click(2, page="b"), click(3, page="b")], TEXT)
    assert marks.read(store, "parquet:out").identity != before
    assert newest(tmp_path, "SELECT page, clicks FROM {cells} ORDER BY page") == [("a", 1), ("b", 2)]


def test_a_folder_that_was_known_by_its_number_goes_on(tmp_path):
    """What it has is not written again."""
    store = count_records(tmp_path, [click(1), click(2, page="b")], TEXT)
    found = (tmp_path / "out").stat()
    for made in (tmp_path / "out").glob("_crossfoot-*"):
        made.rmdir()
    mark = marks.read(store, "parquet:out")
    marks.write(store, "parquet:out", replace(mark, identity=f"{found.st_dev}:{found.st_ino}"))
    for more in (3, 4):
        count_records(tmp_path, [click(1), *(click(n, page="b") for n in range(2, more + 1))], TEXT)
    sql = "SELECT count(*)::int, max(clicks)::int FROM (SELECT unnest([page]) AS page, clicks FROM {cells})"
    assert newest(tmp_path, sql) == [(2, 3)]
    pages = [
        set(parquet.read_table(path, partitioning=None)["page"].to_pylist())
        for path in sorted((tmp_path / "out/metric=clicks/by=page/grain=1h").iterdir())
    ]
    assert pages == [{"a", "b"}, {"b"}, {"b"}]


def test_who_reads_a_whole_folder_meets_files_of_cells_only(tmp_path):
    """What says which making of it this is is no file."""
    text = TEXT.replace("[[page, country], [page], []]", "[[page]]").replace("[1m, 1h, 1d Europe/Paris]", "[1h]")
    text = text.replace("  totals: {by: [[]], measures: {clicks: count}, grains: [all]}\n", "")
    count_records(tmp_path, [click(1), click(2, page="b")], text)
    out = tmp_path / "out"
    assert sorted(pl.read_parquet(out)["page"].to_list()) == ["a", "b"]
    assert sorted(parquet.read_table(out)["page"].to_pylist()) == ["a", "b"]
    assert duckdb.sql(f"SELECT page FROM read_parquet('{out}/**') ORDER BY page").fetchall() == [("a",), ("b",)]


def test_a_folder_that_cannot_be_made_is_told_and_harms_nothing(tmp_path):
    """The summary says how far it is; everything is counted."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1)]))
    (tmp_path / "out").write_text("a file")
    summary = count(tmp_path, TEXT)
    assert summary.totals == {"counted": 1}
    assert summary.hints[0].startswith("parquet:out has the cells of epoch 0 only (")


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    """A draft has another name until it is durable, and does not stay where it fails."""
    with pytest.raises(TypeError):
        replace_whole(tmp_path / "x.parquet", "no bytes")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_attempts_that_fail_leave_no_files(tmp_path, monkeypatch):
    """Each epoch is tried under another name; all is written once there is room."""
    sync, tried = os.fsync, set()

    def full(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path.name.endswith(".parquet.new"):
            tried.add(path)
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for more in (1, 2):
            count_records(tmp_path, [click(number) for number in range(more)], TEXT)
    assert len(tried) > 1
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
    count_records(tmp_path, [click(number) for number in range(3)], TEXT)
    assert newest(tmp_path, "SELECT page, clicks FROM {cells}") == [("a", 3)]
