"""Between journal and parts nothing is lost, and nothing is there twice, wherever it ends."""

import re
from array import array
from pathlib import Path

import pytest

from crossfoot.archive.entries import BLOCK, HEARTBEAT, JOIN, TIMES, Entry, decode
from crossfoot.archive.journal import Journal
from crossfoot.archive.parts import Parts, parts_of
from crossfoot.archive.reading import no_parts, rows
from crossfoot.definition.model import DAY_US, Archive
from crossfoot.errors import StoreError
from crossfoot.event import ABSENT_US
from crossfoot.native import Crashed
from crossfoot.testing.clocks import ManualClock
from crossfoot.testing.disks import NO_SPACE, FaultyDisk

EPOCHS = 4


def block(epoch: int, position: int, t_us: int) -> list[Entry]:
    """An epoch with one record."""
    data = b"record %d" % position
    columns = tuple(array(*column).tobytes() for column in (("I", [len(data)]), ("Q", [position]), ("q", [t_us])))
    of = {"epoch": epoch, "partition": "x/0", "source": "x", "clock_us": t_us + 5}
    told = Entry(TIMES, **of, columns=(array("q", [t_us]).tobytes(),))
    return [Entry(BLOCK, **of, columns=(data, *columns, b"")), told]


def opened(folder: Path, epoch: int = 0, disk: FaultyDisk | None = None, keep: Archive | None = None) -> Journal:
    return Journal(folder, ManualClock(7), keep or Archive(), epoch, disk)


def commit(journal: Journal, epoch: int, *entries: Entry, bytes_max: int = 1) -> None:
    for entry in entries:
        journal.add(entry)
    journal.sync()
    journal.committed(epoch, bytes_max, 1e9)


def archived(folder: Path) -> list[int]:
    return [row["position"] for row in rows(parts_of(folder))]


def test_a_large_entry_lies_in_pieces():
    """One that lacks its end was never committed."""
    entry = Entry(BLOCK, 3, "x", clock_us=1, columns=(bytes(40 << 20), b"abc"))
    pieces = entry.encode()
    assert len(pieces) == 3
    assert list(decode(pieces)) == [entry]
    assert list(decode(pieces[:-1])) == []


def test_a_row_says_what_was_given(tmp_path):
    """Times that nobody gave are null."""
    journal = opened(tmp_path)
    commit(journal, 1, Entry(JOIN, 1, "x/0", "x", text="id-1", clock_us=1))
    commit(journal, 2, *block(2, 17, t_us=DAY_US + 3))
    journal.finish()
    journal.close()
    join, record = rows(parts_of(tmp_path))
    assert (join["kind"], join["t"], join["text"], join["record"]) == ("join", None, "id-1", None)
    assert (record["source"], record["partition"], record["position"]) == ("x", "x/0", 17)
    assert (record["t"], record["stamp"], record["received"], record["clock"]) == (
        DAY_US + 3,
        DAY_US + 3,
        None,
        DAY_US + 8,
    )
    assert (record["epoch"], record["step"], record["record"]) == (2, 0, b"record 17")


def test_parts_lie_by_the_day_of_t(tmp_path):
    """A row without t has no day."""
    journal = opened(tmp_path)
    commit(journal, 1, Entry(JOIN, 1, "x/0"), bytes_max=1 << 30)
    commit(journal, 2, *block(2, 0, -1), bytes_max=1 << 30)
    commit(journal, 3, *block(3, 1, DAY_US), bytes_max=1 << 30)
    journal.finish()
    journal.close()
    folders = sorted(part.path.parent.name for part in parts_of(tmp_path))
    assert folders == ["day=1969-12-31", "day=1970-01-02", "day=__HIVE_DEFAULT_PARTITION__"]


def test_what_was_not_committed_is_not_archived(tmp_path):
    """The process ended between the archive and the store: the sources give it once more."""
    journal = opened(tmp_path)
    commit(journal, 1, *block(1, 0, 5), bytes_max=1 << 30)
    for entry in block(2, 1, 6):
        journal.add(entry)
    journal.sync()
    journal.close()
    opened(tmp_path, epoch=1).close()
    assert archived(tmp_path) == [0]


def run_until(failure: type[BaseException], folder: Path, disk: FaultyDisk, stored: int) -> tuple[int, str]:
    """Epochs behind those that are stored, each a record; the last one that was committed, and what it ended by."""
    journal, ended = None, ""
    try:
        journal = opened(folder, stored, disk)
        for epoch in range(stored + 1, EPOCHS + 1):
            for entry in block(epoch, epoch, epoch):
                journal.add(entry)
            journal.sync()
            stored = epoch
            journal.committed(epoch, 1, 1e9)
        journal.finish()
    except failure as error:
        ended = str(error)
    finally:
        if journal is not None:
            journal.close()
    return stored, ended


@pytest.mark.parametrize("fails_at", range(0, 60, 2))
def test_a_crash_at_any_step_loses_nothing(fails_at, tmp_path):
    """Each committed record is in the archive once, after the next run."""
    stored, _ = run_until(Crashed, tmp_path, FaultyDisk(fails_at=fails_at, loses=9), 0)
    assert run_until(Crashed, tmp_path, FaultyDisk(), stored) == (EPOCHS, "")
    assert archived(tmp_path) == list(range(1, EPOCHS + 1))
    assert list(tmp_path.glob("archive/*/*.new")) == []


@pytest.mark.parametrize("fails_at", [6, 10, 14, 18])
def test_a_full_disk_is_one_line_and_nothing_is_lost(fails_at, tmp_path):
    """The epoch is not committed; with space again the next run goes on."""
    disk = FaultyDisk(fails_at=fails_at, fault=NO_SPACE)
    stored, ended = run_until(StoreError, tmp_path, disk, 0)
    assert re.fullmatch(r"cannot \w+ .*: No space left on device", ended)
    assert run_until(Crashed, tmp_path, FaultyDisk(), stored) == (EPOCHS, "")
    assert archived(tmp_path) == list(range(1, EPOCHS + 1))


def test_old_parts_are_deleted(tmp_path):
    """By the newest t in them; then the oldest beyond the bytes."""
    journal = opened(tmp_path)
    for epoch in range(1, 4):
        commit(journal, epoch, *block(epoch, epoch, epoch * DAY_US))
    journal.finish()
    journal.close()
    parts = Parts(tmp_path, Archive(keep_us=DAY_US)).all()
    assert [part.newest_us for part in parts] == [DAY_US, 2 * DAY_US, 3 * DAY_US]
    assert Parts(tmp_path, Archive(keep_us=DAY_US)).expire(2 * DAY_US) == []
    assert Parts(tmp_path, Archive(keep_us=DAY_US)).expire(2 * DAY_US + 1) == parts[:1]
    assert Parts(tmp_path, Archive(bytes_max=parts[2].bytes)).expire(0) == parts[1:2]


def test_a_damaged_part_is_named(tmp_path):
    """It is not taken for one that may be deleted."""
    journal = opened(tmp_path)
    commit(journal, 1, *block(1, 0, 5))
    journal.finish()
    journal.close()
    part = parts_of(tmp_path)[0].path
    part.write_bytes(part.read_bytes()[:-5])
    with pytest.raises(StoreError, match=f"the archive is damaged: {part}"):
        parts_of(tmp_path)


def test_an_absent_time_is_no_time(tmp_path):
    """A heartbeat without a time in it would be one of the year -290308."""
    journal = opened(tmp_path)
    commit(journal, 1, *block(1, 0, ABSENT_US), Entry(HEARTBEAT, 1, "x/0", t_us=9))
    journal.finish()
    journal.close()
    assert [row["t"] for row in rows(parts_of(tmp_path))] == [None, 9]


def test_why_there_is_no_part(tmp_path):
    """A store that keeps an archive has a journal from its beginning on; others are told how to keep one."""
    assert (str(no_parts(tmp_path, "keep one")), no_parts(tmp_path, "keep one").hint) == (
        f"the store has no archive: {tmp_path}",
        "keep one",
    )
    opened(tmp_path).close()
    assert str(no_parts(tmp_path, "keep one")) == f"the archive is not sealed yet: {tmp_path}"
    assert "stop the run" in no_parts(tmp_path, "keep one").hint


def test_that_every_part_has_expired_is_another_reason(tmp_path):
    """Nothing waits to be sealed."""
    journal = opened(tmp_path)
    commit(journal, 1, *block(1, 0, 5))
    journal.finish()
    journal.close()
    Parts(tmp_path, Archive(keep_us=1)).expire(DAY_US)
    assert str(no_parts(tmp_path, "keep one")) == f"no part of the archive is left: {tmp_path}"
    assert "archive.keep" in no_parts(tmp_path, "keep one").hint
