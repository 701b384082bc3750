"""From the table of a job to a warehouse: the cells, events and accounts of the embedded engine, each event once."""

from __future__ import annotations

from contextlib import suppress

import pytest

from crossfoot.engines.beam import outlets
from crossfoot.errors import DataError, ServiceError
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from tests.beams import SHARDS, Shards
from tests.counting import CLICKS, click, count_records
from tests.unit.warehouse.test_counted import check_cells
from tests.warehouses import FED, asked, check_counted, opened

RECORDS = [click(seq, page=f"p{seq % 5}") for seq in range(60)] + [click(3, page="p3"), b"{\n", click(5, ms="x")]


def up(feed):
    return feed.catch_up(lambda: False)


def uuids(folder):
    return sorted(row["uuid"] for row in asked(opened(folder), "SELECT uuid FROM counted_events"))


@pytest.fixture
def shards():
    return Shards()


def test_the_newest_cells_are_those_of_the_embedded_engine(shards, tmp_path):
    """In three parts, of which only what has changed is written."""
    cells = shards.cells(tmp_path)
    written = []
    for first in (0, 20, 40):
        shards.leave(RECORDS[first : first + 20])
        written.append(up(cells))
    shards.leave(RECORDS[60:])
    up(cells)
    store = count_records(tmp_path, RECORDS)
    check_cells(opened(tmp_path), store)
    assert cells.epoch == sum(BigtableStore(shards.table).versions.values())
    assert all(written)


def test_cells_that_did_not_change_are_not_written_again(shards, tmp_path):
    """By another process: the mark is in the table."""
    shards.leave(RECORDS)
    up(shards.cells(tmp_path))
    shards.leave([click(100, page="p4")])
    assert up(shards.cells(tmp_path)) == 3 + 3 + 3 + 1
    assert up(shards.cells(tmp_path)) == 0


def test_what_no_commit_holds_is_not_seen(shards, tmp_path):
    """What is counted is fed once it was written out, whole."""
    cells = shards.cells(tmp_path)
    assert up(cells) == 0
    shards.leave(RECORDS[:30])
    up(cells)
    shards.count(RECORDS[30:])
    assert up(cells) == 0
    shards.table.left = 3
    shards.write_out()
    assert up(cells) == 0


def test_cells_that_are_written_faster_than_they_are_read_are_there_too(shards, tmp_path):
    """Of each one four versions are kept, and more than that come while the table is read."""
    shards.leave(RECORDS)
    more = iter(range(100, 200))

    def write() -> None:
        shards.table.before_reading = lambda: None
        for _ in range(6):
            shards.leave([click(next(more)) for _ in range(9)])

    shards.table.before_reading = write
    up(shards.cells(tmp_path))
    (found,) = asked(
        opened(tmp_path), "SELECT clicks, epoch FROM cells_clicks_latest WHERE \"by\" = 'page' AND page = 'a' LIMIT 1"
    )
    assert found["clicks"] == 54
    assert up(shards.cells(tmp_path))
    store = count_records(tmp_path, [*RECORDS, *(click(seq) for seq in range(100, 154))])
    check_cells(opened(tmp_path), store)


def test_counted_events_are_there_once_with_the_accounts(shards, tmp_path):
    """In parts of any size, by any process."""
    for first in range(0, len(RECORDS), 9):
        shards.leave(RECORDS[first : first + 9])
        up(feed := shards.counted(tmp_path, ids_max=4))
        assert feed.missing == 0
    store = count_records(tmp_path, RECORDS)
    check_counted(opened(tmp_path), store)
    assert not [key for key in shards.table.rows if key.startswith(b"#ids/")]


def test_whose_the_table_is_is_asked_once_for_all_parts(shards, tmp_path, monkeypatch):
    """And once more for the mark, which another process may have moved."""
    shards.leave(RECORDS)
    asked, row = [], shards.table.row
    monkeypatch.setattr(shards.table, "row", lambda key: asked.append(key) or row(key))
    assert up(shards.counted(tmp_path, ids_max=4)) == 60
    assert len(asked) == 2
    up(shards.cells(tmp_path))
    assert len(asked) == 4


def test_events_that_were_counted_before_somebody_asked_are_missing(tmp_path):
    """The job's definition had no warehouse."""
    shards = Shards(CLICKS)
    shards.leave(RECORDS)
    shards.text = FED
    feed = shards.counted(tmp_path)
    assert (up(feed), feed.missing) == (0, 60)


def test_where_nothing_new_was_counted_nothing_is_written(shards, tmp_path):
    """Heartbeats are commits too; the mark goes on."""
    shards.leave(RECORDS)
    feed = shards.counted(tmp_path)
    up(feed)
    files, epoch = list((tmp_path / "warehouse").rglob("*.parquet")), feed.epoch
    shards.beat()
    up(feed)
    assert feed.epoch == epoch + SHARDS
    assert list((tmp_path / "warehouse").rglob("*.parquet")) == files


def test_a_feed_that_was_killed_between_two_steps_ships_the_same_part(shards, tmp_path):
    """Wherever it is cut off: what was begun is that which is shipped again, and nothing twice."""
    seqs = iter(range(1_000))
    for left in (*range(12), *range(12)):
        shards.leave([click(next(seqs)) for _ in range(7)])
        shards.table.left = left
        with suppress(ServiceError):
            up(shards.counted(tmp_path, ids_max=10))
        shards.table.left = 1 << 60
    up(shards.counted(tmp_path))
    assert len(uuids(tmp_path)) == len(set(uuids(tmp_path))) == 24 * 7


def test_of_two_that_feed_at_once_one_is_told(shards, tmp_path):
    """And nothing is there twice."""
    shards.leave(RECORDS)
    late, first = shards.counted(tmp_path), shards.counted(tmp_path)
    late.ensure()
    up(first)
    with pytest.raises(ServiceError, match="another process feeds a warehouse"):
        late._ship(BigtableStore(shards.table))
    up(late)
    assert len(uuids(tmp_path)) == 60


def test_tables_that_were_made_again_are_not_filled_by_halves(shards, tmp_path, monkeypatch):
    """Cells are absolute, and are written anew; events that were sent are gone."""
    shards.leave(RECORDS)
    written = up(shards.cells(tmp_path))
    up(shards.counted(tmp_path))
    (tmp_path / "warehouse").rename(tmp_path / "gone")
    monkeypatch.setattr("tests.warehouses.CLOCK", ManualClock(2))
    assert up(shards.cells(tmp_path)) == written
    with pytest.raises(DataError, match="were removed, or made again"):
        up(shards.counted(tmp_path))


def test_a_table_that_another_job_has_filled_is_refused(shards, tmp_path):
    """An emptied Bigtable table is another one."""
    shards.leave(RECORDS)
    up(shards.cells(tmp_path))
    shards.table.rows.clear()
    again = Shards(table=shards.table)
    again.leave(RECORDS)
    with pytest.raises(DataError, match="another feed, or of another store"):
        up(again.cells(tmp_path))


def test_records_that_could_not_be_counted_are_in_the_side_log_of_the_table(shards, tmp_path):
    """With their bytes and reasons, as the embedded engine keeps them."""
    for first in range(0, len(RECORDS), 9):
        shards.leave(RECORDS[first : first + 9])
    names = ["record", "account", "reason", "part", "at", "length", "raw"]
    found = BigtableStore(shards.table).side_log(100)
    store = EmbeddedStore(count_records(tmp_path, RECORDS))
    assert found.select(names).to_pylist() == store.side_log(100).select(names).to_pylist()
    assert [row["account"] for row in found.to_pylist()] == ["malformed", "invalid"]
    assert accounts_of(BigtableStore(shards.table)).totals["malformed"] == 1


def test_the_side_log_of_the_table_keeps_a_record_for_a_while(shards, monkeypatch):
    """The oldest are removed first, some at once; the accounts stay."""
    monkeypatch.setattr(outlets, "TRIM_ROWS", 2)
    for seq in range(30):
        shards.leave([b"[%d\n" % seq])
        shards.clock.advance(86_400)
    shards.clock.advance((shards.job.side_days - 20.5) * 86_400)
    for _ in range(10):
        shards.leave([click(seq) for seq in range(40)])
    store = BigtableStore(shards.table)
    assert sorted(store.side_log(100)["raw"].to_pylist()) == sorted(b"[%d" % seq for seq in range(10, 30))
    assert accounts_of(store).totals["malformed"] == 30


def test_a_table_without_refused_records_has_an_empty_side_log(shards, tmp_path):
    shards.leave(RECORDS[:3])
    store = EmbeddedStore(count_records(tmp_path, RECORDS[:3]))
    assert BigtableStore(shards.table).side_log(9).schema.equals(store.side_log(9).schema)
