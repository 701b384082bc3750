"""Sinks after a switch: a cell that the generation in force does not have is not in them any more."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crossfoot.clock import SystemClock
from crossfoot.errors import ServiceError, StoreError
from crossfoot.generations import folder_of
from crossfoot.query.client import Store
from crossfoot.services.backfill.run import prune
from crossfoot.sinks import marks
from crossfoot.sinks.bigtable import bigtable_feed
from crossfoot.sinks.cell_feed import CellFeed
from crossfoot.sinks.cells import Changed, changed, messages
from crossfoot.sinks.gone import gone
from crossfoot.sinks.parquet import ParquetTarget
from crossfoot.sinks.target import GivenUpError
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.warehouse.parquet import ParquetWarehouse
from tests.backfilling import ARCHIVED, build
from tests.bigtables import MemoryTable, read
from tests.counting import click, count, count_records, lines
from tests.unit.sinks.folding import Collected, fold, queried
from tests.warehouses import SINK, asked, check_counted, opened

GOT = "2015-09-12T10:08:00Z"
RECORDS = [click(seq, f"2015-09-12T10:0{seq % 7}:00Z", page=f"p{seq % 3}", got=GOT) for seq in range(9)]
# Cells of a page go, and a set, a grain and a metric.
FEWER = (
    ARCHIVED.replace("  clicks:\n", "  clicks:\n    where: page <> 'p1'\n")
    .replace("by: [[page, country], [page], []]", "by: [[page], []]")
    .replace(", 1d Europe/Paris", "")
    .replace("  totals: {by: [[]], measures: {clicks: count}, grains: [all]}\n", "")
)


def not_stopped() -> bool:
    return False


def collecting(store: Path, target: Collected) -> CellFeed[Iterable[Changed]]:
    return CellFeed(store, target, changed)


def sent(target: Collected) -> list[tuple[bytes, bytes | None]]:
    return [message for each in target.sent for message in each]


def test_messages_without_a_value_say_which_cells_are_gone(tmp_path: Path):
    store, target = count_records(tmp_path, RECORDS, ARCHIVED), Collected()
    feed = collecting(store, target)
    feed.catch_up(not_stopped)
    before = queried(store)
    build(tmp_path, FEWER)
    feed.catch_up(not_stopped)
    removed = [key for key, value in target.sent[1] if value is None]
    assert sorted(removed) == sorted(before.keys() - queried(store).keys())
    assert fold(sent(target)) == queried(store)
    feed.catch_up(not_stopped)
    assert target.sent[2] == []


def test_two_switches_while_a_sink_is_away(tmp_path: Path):
    """A cell of the generation between, of which it had some, is gone too; one that came back is there."""
    store, target = count_records(tmp_path, RECORDS, ARCHIVED), Collected()
    collecting(store, target).catch_up(not_stopped)
    build(
        tmp_path, FEWER.replace("metrics:\n", "metrics:\n  brief: {by: [[page]], measures: {n: count}, grains: [1h]}\n")
    )
    target.down = ServiceError("in the middle")
    with pytest.raises(ServiceError):
        collecting(store, target).catch_up(not_stopped)
    target.sent.append([message for each in changed(EmbeddedStore(store, (0, 0))) for message in messages(each, 3)])
    target.down = None
    build(tmp_path, ARCHIVED.replace("  clicks:\n", "  clicks:\n    where: page <> 'p2'\n"))
    collecting(store, target).catch_up(not_stopped)
    assert any(b'"brief"' in key for key, _ in target.sent[1])
    assert fold(sent(target)) == queried(store)


def test_a_cell_that_comes_later_is_there_again(tmp_path: Path):
    store, target = count_records(tmp_path, RECORDS, ARCHIVED), Collected()
    collecting(store, target).catch_up(not_stopped)
    changed_text = ARCHIVED.replace("  clicks:\n", "  clicks:\n    where: ms > 5\n")
    build(tmp_path, changed_text)
    collecting(store, target).catch_up(not_stopped)
    assert not any(b"p1" in key for key in fold(sent(target)))
    (tmp_path / "clicks.jsonl").write_bytes(lines([*RECORDS, click(30, page="p1", ms=7, got=GOT)]))
    count(tmp_path, changed_text)
    collecting(store, target).catch_up(not_stopped)
    assert any(b"p1" in key for key in fold(sent(target)))
    assert fold(sent(target)) == queried(store)


@pytest.mark.parametrize("made_again", [False, True])
def test_a_sink_that_begins_after_the_switch_is_told_nothing_of_what_it_never_had(tmp_path: Path, made_again: bool):
    store, target = count_records(tmp_path, RECORDS, ARCHIVED), Collected()
    build(tmp_path, FEWER)
    for who in ["first", "second"][: 1 + made_again]:
        target.who = who
        collecting(store, target).catch_up(not_stopped)
    assert [key for key, value in sent(target) if value is None] == []
    assert fold(target.sent[-1]) == queried(store)


def test_windows_that_retention_has_removed_are_not_gone(tmp_path: Path):
    """They are in no generation, and stay as they were last."""
    text = ARCHIVED.replace("    grains: [1m,", "    retain: {1m: 2h}\n    grains: [1m,")
    store = count_records(tmp_path, RECORDS, text)
    fewer = text.replace("  clicks:\n", "  clicks:\n    where: page <> 'p1'\n")
    build(tmp_path, fewer)
    old = EmbeddedStore(store, (0, 0), 0)
    assert {each.table.name[2] for each in gone(old, EmbeddedStore(store, (0, 0)))} == {"1m", "1h", "1d Europe/Paris"}
    late = [click(40, "2015-09-12T15:00:00Z", got="2015-09-12T15:00:00Z", page="z")]
    (tmp_path / "clicks.jsonl").write_bytes(lines([*RECORDS, *late]))
    count(tmp_path, fewer)
    assert {each.table.name[2] for each in gone(old, EmbeddedStore(store, (0, 0)))} == {"1h", "1d Europe/Paris"}


# Parquet.

NEWEST = """
    SELECT page, clicks, paid::text FROM (
        SELECT * FROM read_parquet('{files}', union_by_name = true)
        QUALIFY row_number() OVER (PARTITION BY "window", page ORDER BY epoch DESC, is_removed) = 1
    ) WHERE NOT is_removed ORDER BY page
"""


def files_of(folder: Path) -> list[tuple[Any, ...]]:
    return duckdb.sql(NEWEST.format(files=f"{folder}/metric=clicks/by=page/grain=1h/*.parquet")).fetchall()


def test_rows_of_a_folder_say_which_cells_are_gone(tmp_path: Path):
    """Killed between two of its files, and begun again."""
    store = count_records(tmp_path, RECORDS, ARCHIVED)

    def feed(left: int) -> None:
        CellFeed(store, ParquetTarget("out", tmp_path / "out", 0.0), changed).catch_up(countdown(left))

    feed(1000)
    assert [page for page, *_ in files_of(tmp_path / "out")] == ["p0", "p1", "p2"]
    build(tmp_path, FEWER)
    for left in (1, 2, 4):
        with pytest.raises(GivenUpError):
            feed(left)
    feed(1000)
    assert files_of(tmp_path / "out") == [("p0", 3, "0.30"), ("p2", 3, "0.30")]
    sets = duckdb.sql(f"""SELECT DISTINCT is_removed FROM read_parquet('{tmp_path}/out/metric=totals/by=-/*/*.parquet')
        QUALIFY row_number() OVER (ORDER BY epoch DESC) = 1""").fetchall()
    assert sets == [(True,)]


def countdown(left: int) -> Any:
    """Gives up after so many questions."""
    questions = iter(range(left))
    return lambda: next(questions, None) is None


# A warehouse.

QUESTION = 'SELECT "by", grain, "window", page, clicks FROM cells_clicks_latest ORDER BY ALL'


def test_views_of_a_warehouse_leave_out_what_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of a metric that is counted no more too; the run between was killed behind its first part."""
    before, after = (text + SINK for text in (ARCHIVED, FEWER))
    store = count_records(tmp_path, RECORDS, before)
    build(tmp_path, after)
    put, parts = ParquetWarehouse.put, list[str]()

    def fails(self: ParquetWarehouse, table: Any, part: str, rows: Any, note: Any = None) -> None:
        if table.name.startswith("cells_"):
            parts.append(part)
            if len(parts) == 2:
                raise ServiceError("killed")
        put(self, table, part, rows, note)

    monkeypatch.setattr(ParquetWarehouse, "put", fails)
    count(tmp_path, after)
    monkeypatch.undo()
    count(tmp_path, after)
    rows = asked(opened(tmp_path, after), QUESTION)
    assert {(row["by"], row["grain"]) for row in rows} == {(by, grain) for by in ("page", "") for grain in ("1m", "1h")}
    assert sum(row["clicks"] for row in rows if (row["by"], row["grain"]) == ("page", "1h")) == 6
    assert len(rows) == len(queried(store))
    assert asked(opened(tmp_path, before), "SELECT count(*) AS n FROM cells_totals_latest") == [{"n": 0}]


def test_a_row_for_further_values_takes_the_place_of_theirs(tmp_path: Path):
    """Rows of before know of no such row."""
    before, after = (
        text + SINK for text in (ARCHIVED, ARCHIVED.replace("  clicks:\n", "  clicks:\n    values_max: 1\n"))
    )
    store = count_records(tmp_path, RECORDS, before)
    build(tmp_path, after)
    count(tmp_path, after)
    (found,) = asked(opened(tmp_path, after), "SELECT count(*) AS n FROM cells_clicks_latest WHERE \"by\" = 'page'")
    shown = [
        Store.open(store).query("clicks", by=["page"], grain=grain).rows() for grain in ("1m", "1h", "1d Europe/Paris")
    ]
    assert found["n"] == sum(map(len, shown))


# Bigtable.


def test_a_table_does_not_answer_with_cells_that_are_gone(tmp_path: Path):
    """Before the new epoch is all there it answers as it did."""
    store, table = count_records(tmp_path, RECORDS, ARCHIVED), MemoryTable(kept=8)

    def feed() -> int:
        return bigtable_feed(store, table, SystemClock(), 0.0).catch_up(not_stopped)

    feed()
    build(tmp_path, ARCHIVED.replace("  clicks:\n", "  clicks:\n    where: page <> 'p1'\n"))
    before = queried(Store(EmbeddedStore(store, generation=0)))
    for left in (3, 12, 30):
        table.left = left
        with pytest.raises(ServiceError):
            feed()
        assert queried(read(table)) == before
    table.left = 1 << 60
    feed()
    assert queried(read(table)) == queried(store) != before


# Until everybody knows.


def test_a_generation_stays_until_the_sinks_know_what_is_gone(tmp_path: Path):
    store, target = count_records(tmp_path, RECORDS, ARCHIVED), Collected()
    collecting(store, target).catch_up(not_stopped)
    build(tmp_path, FEWER)
    with pytest.raises(StoreError, match=r"^collected has cells of generation 0"):
        prune(store)
    collecting(store, target).catch_up(not_stopped)
    assert prune(store) == [0]


def test_a_generation_stays_until_its_events_are_fed(tmp_path: Path):
    """The warehouse was not named for a while; then it gets everything, and the generation may go."""
    counted = "sinks: [{warehouse: {folder: warehouse, feeds: [counted]}}]\n"
    fewer = ARCHIVED.replace("  clicks:\n", "  clicks:\n    where: page <> 'p1'\n")
    store = count_records(tmp_path, RECORDS, ARCHIVED + counted)
    count_records(tmp_path, [*RECORDS, click(30, page="p1", ms=7, got=GOT)], ARCHIVED)
    build(tmp_path, fewer)
    with pytest.raises(StoreError, match=r"may lack events that generation 0 has counted: its feed is .*/counted-"):
        prune(store)
    count(tmp_path, fewer + counted)
    check_counted(opened(tmp_path, fewer + counted), store)
    assert prune(store) == [0]


def test_a_feed_that_is_not_used_any_more_is_removed_by_hand(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED + "sinks: [{warehouse: {folder: warehouse, feeds: [counted]}}]\n")
    build(tmp_path, ARCHIVED.replace("  clicks:\n", "  clicks:\n    where: page <> 'p1'\n"))
    with pytest.raises(StoreError) as refused:
        prune(store)
    (folder,) = (store / "feeds").iterdir()
    assert f"remove {folder}" in refused.value.hint
    shutil.rmtree(folder)
    assert prune(store) == [0]


def test_a_generation_that_was_removed_by_hand_is_named(tmp_path: Path):
    """Which cells are gone cannot be told; with its mark removed the sink is a new one."""
    store, target = count_records(tmp_path, RECORDS, ARCHIVED), Collected()
    collecting(store, target).catch_up(not_stopped)
    build(tmp_path, FEWER)
    (folder_of(store, 0) / "MANIFEST").unlink()
    with pytest.raises(StoreError, match="a generation that collected was given is not there any more"):
        collecting(store, target).catch_up(not_stopped)
    marks.path_of(store, "collected").unlink()
    collecting(store, target).catch_up(not_stopped)
    assert fold(target.sent[-1]) == queried(store)
