"""Parcels: durable before they are shipped, shipped once in effect, whatever ends the process."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from crossfoot.errors import DataError, ServiceError, StoreError
from crossfoot.testing.clocks import ManualClock
from crossfoot.warehouse.outbox import Outbox, mark_of
from crossfoot.warehouse.parquet import ParquetWarehouse
from crossfoot.warehouse.tables import counted_events

EVENTS = counted_events()
CLOCK = ManualClock(1_700_000_000_000_000)


class Crash(BaseException):
    """As a power cut."""


def rows(*numbers: int) -> dict[str, pa.Table]:
    times = pa.array([0] * len(numbers), pa.timestamp("us", "UTC"))
    return {EVENTS.name: pa.table({"uuid": [f"{n:032x}" for n in numbers], "event_time": times})}


def uuids(warehouse: ParquetWarehouse) -> list[int]:
    found = warehouse.query("SELECT uuid FROM counted_events ORDER BY uuid")
    return [int(text, 16) for text in found["uuid"].to_pylist()]


@pytest.fixture
def warehouse(tmp_path: Path) -> ParquetWarehouse:
    return ParquetWarehouse(tmp_path / "warehouse", (EVENTS,), CLOCK)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path / "feed", (EVENTS,), CLOCK)
    yield made
    made.close()


def opened(folder: Path) -> Outbox:
    return Outbox(folder / "feed", (EVENTS,), CLOCK)


def ship(outbox: Outbox, warehouse: ParquetWarehouse) -> list[int]:
    return list(outbox.ship(warehouse, lambda: False))


def test_parcels_are_shipped_in_their_order(outbox, warehouse):
    outbox.put(rows(1, 2), {"at": 1})
    outbox.put(rows(3), {"at": 2})
    assert ship(outbox, warehouse) == [2, 1]
    assert (uuids(warehouse), outbox.waiting_bytes) == ([1, 2, 3], 0)


def test_a_feed_goes_on_from_its_newest_parcel(outbox, tmp_path):
    outbox.put(rows(1), {"at": 7})
    outbox.close()
    again = opened(tmp_path)
    assert (again.mark, again.newest, again.sent.parcel) == ({"at": 7}, 1, 0)
    again.close()


def test_a_feed_goes_on_from_what_was_shipped(outbox, warehouse, tmp_path):
    outbox.put(rows(1), {"at": 7})
    ship(outbox, warehouse)
    outbox.close()
    again = opened(tmp_path)
    assert (again.mark, again.newest, again.sent.parcel) == ({"at": 7}, 1, 1)
    again.close()


def test_two_processes_do_not_run_one_feed(outbox, tmp_path):
    with pytest.raises(StoreError, match=r"the feed of .* is run by process \d+"):
        opened(tmp_path)


def test_what_fails_is_shipped_later(outbox, warehouse):
    class Down(ParquetWarehouse):
        def put(self, *_: object) -> None:
            raise ServiceError("nobody answers")

    outbox.put(rows(1), {})
    with pytest.raises(ServiceError):
        ship(outbox, Down(warehouse.folder, (EVENTS,), CLOCK))
    assert ship(outbox, warehouse) == [1]
    assert uuids(warehouse) == [1]


def test_a_table_that_was_removed_is_named(outbox, warehouse):
    outbox.put(rows(1), {})
    ship(outbox, warehouse)
    made = warehouse.folder / EVENTS.name / "_crossfoot.json"
    made.write_text(made.read_text().replace('"making": "1', '"making": "2'))
    outbox.put(rows(2), {})
    with pytest.raises(DataError, match="the table counted_events was removed, or made again, since 1 parcels"):
        ship(outbox, warehouse)


def test_a_full_outbox_has_no_room(outbox, warehouse):
    outbox.put(rows(1), {})
    assert not outbox.has_room(1, 0.0)
    ship(outbox, warehouse)
    assert outbox.has_room(1, 0.0)


@pytest.mark.parametrize("step", range(1, 5))
def test_a_parcel_that_could_not_be_written_is_written_later(outbox, warehouse, monkeypatch, step):
    """Whatever the attempt has left: the disk was full at one of its syncs."""
    real, passed = os.fsync, 0

    def sync(file: int) -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError, match="No space left"):
        outbox.put(rows(1), {"at": 1})
    outbox.put(rows(2, 3), {"at": 2})
    assert ship(outbox, warehouse) == [2]
    assert (uuids(warehouse), outbox.mark, outbox.newest) == ([2, 3], {"at": 2}, 1)


def test_how_far_a_feed_is_can_be_asked_while_it_runs(outbox, warehouse):
    """Before the first parcel, while parcels wait, and when all are shipped."""
    said = [mark_of(outbox.folder)]
    for at in (1, 2):
        outbox.put(rows(at), {"at": at})
        said.append(mark_of(outbox.folder))
    ship(outbox, warehouse)
    assert [*said, mark_of(outbox.folder)] == [{}, {"at": 1}, {"at": 2}, {"at": 2}]


@pytest.mark.parametrize("step", range(1, 38))
def test_a_crash_at_any_sync_loses_and_doubles_nothing(step, tmp_path, warehouse, monkeypatch):
    """Whatever is durable when the process ends, the next one brings all rows, once each."""
    real, passed = os.fsync, 0

    def sync(file: int) -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            raise Crash
        real(file)

    monkeypatch.setattr(os, "fsync", sync)
    for _ in range(3):
        outbox = None
        try:
            outbox = opened(tmp_path)
            for n in range(outbox.mark.get("at", 0), 4):
                outbox.put(rows(2 * n, 2 * n + 1), {"at": n + 1})
                ship(outbox, warehouse)
            ship(outbox, warehouse)
        except Crash:
            continue
        finally:
            if outbox is not None:
                outbox.close()
    assert uuids(warehouse) == list(range(8))
    assert passed >= step
