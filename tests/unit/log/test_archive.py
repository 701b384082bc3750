"""Sealed segments are Parquet, kept as long as the definition says; between log and archive nothing is lost."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from crossfoot.definition.model import Archive
from crossfoot.errors import StoreError
from crossfoot.log.archive import LogArchive
from crossfoot.log.log import Log
from crossfoot.log.reader import LogReader
from crossfoot.native import Crashed
from crossfoot.testing.clocks import ManualClock
from crossfoot.testing.disks import NO_SPACE, FaultyDisk

COUNT = 9


def fill(folder: Path, clock: ManualClock | None = None) -> Log:
    """Nine appends in several segments, one stamp a second."""
    clock = clock or ManualClock(0)
    log = Log(folder / "log" / "x", clock, segment_bytes=150)
    for number in range(COUNT):
        clock.advance(1)
        log.append([b"record %d" % number], [number] if number % 2 else None)
    return log


def archive(folder: Path, keep: Archive | None = None, disk: FaultyDisk | None = None) -> LogArchive:
    return LogArchive(folder / "archive" / "x", "socket:x", keep or Archive(), disk)


def seal(log: Log, kept: LogArchive) -> None:
    for segment in log.release(log.end):
        kept.seal(log, segment)
        log.drop(segment)


def archived(folder: Path) -> list[dict]:
    parts = sorted((folder / "archive" / "x").glob("*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def test_a_sealed_part_holds_the_records_as_they_were_accepted(tmp_path):
    """Bytes, position, stamp, received time, partition."""
    log = fill(tmp_path)
    seal(log, archive(tmp_path))
    rows = archived(tmp_path)
    assert [row["position"] for row in rows] == list(range(log.first))
    assert rows[3]["record"] == b"record 3"
    assert (rows[3]["partition"], rows[3]["stamp"].second) == ("socket:x", 4)
    assert rows[3]["received"].microsecond == 3
    assert rows[2]["received"] is None


def test_archive_and_log_are_the_whole(tmp_path):
    """What left one is in the other."""
    log = fill(tmp_path)
    seal(log, archive(tmp_path))
    frames = list(iter(LogReader(log, log.first).next, None))
    assert len(archived(tmp_path)) + sum(frame.count for frame in frames) == COUNT
    assert 0 < log.first < COUNT


@pytest.mark.parametrize("fails_at", range(20))
def test_a_crash_at_any_step_loses_nothing(fails_at, tmp_path):
    """Each record is in the log, in the archive, or in both until the segment is sealed again."""
    log = fill(tmp_path)
    log.disk = disk = FaultyDisk(fails_at=fails_at, loses=1 << 20)
    try:
        kept = archive(tmp_path, disk=disk)
        seal(log, kept)
    except Crashed:
        pass
    log = Log(tmp_path / "log" / "x", ManualClock(0))
    rows = archived(tmp_path)
    assert {row["position"] for row in rows} | set(range(log.first, COUNT)) == set(range(COUNT))
    seal(log, archive(tmp_path))
    assert [row["position"] for row in archived(tmp_path)] == list(range(log.first))
    assert list((tmp_path / "archive" / "x").glob("*.new")) == []


def test_a_part_that_cannot_be_written_leaves_the_segment(tmp_path):
    """The disk is full."""
    log = fill(tmp_path)
    kept = archive(tmp_path)
    kept._disk = FaultyDisk(fails_at=0, fault=NO_SPACE)
    with pytest.raises(StoreError, match=r"cannot write .*\.parquet: No space left"):
        seal(log, kept)
    assert log.first == 0


def test_old_parts_are_deleted(tmp_path):
    """By the stamp of their newest record."""
    log = fill(tmp_path)
    kept = archive(tmp_path, Archive(keep_us=4_000_000))
    seal(log, kept)
    parts = kept.parts()
    assert kept.expire(parts[0].newest_us + 4_000_000) == []
    assert kept.expire(parts[0].newest_us + 4_000_001) == parts[:1]
    assert kept.parts() == parts[1:]


def test_the_oldest_parts_beyond_the_bytes_are_deleted(tmp_path):
    """All logs of a store share the bytes."""
    kept = archive(tmp_path)
    seal(fill(tmp_path), kept)
    parts = kept.parts()
    bound = sum(part.bytes for part in parts) - 1
    other = LogArchive(tmp_path / "archive" / "y", "socket:y", Archive(bytes_max=bound))
    assert other.expire(1 << 60) == parts[:1]


def test_a_damaged_part_is_named(tmp_path):
    """It is not taken for one that may be deleted."""
    kept = archive(tmp_path)
    seal(fill(tmp_path), kept)
    part = kept.parts()[0].path
    part.write_bytes(part.read_bytes()[:-5])
    with pytest.raises(StoreError, match=f"the archive is damaged: {part}"):
        archive(tmp_path).parts()
