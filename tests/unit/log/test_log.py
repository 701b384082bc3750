"""The log: what was acknowledged is durable, has a position and a stamp, and is read back."""

import threading
from pathlib import Path

import pytest

from crossfoot.errors import DataError, StoreError
from crossfoot.log.disk import Disk
from crossfoot.log.frames import Frame
from crossfoot.log.log import Log
from crossfoot.log.reader import LogReader
from crossfoot.testing.clocks import ManualClock
from crossfoot.testing.disks import NO_DISK, NO_SPACE, FaultyDisk


def open_log(folder: Path, clock: ManualClock | None = None, **options) -> Log:
    return Log(folder / "store" / "log" / "x", clock or ManualClock(100), **options)


@pytest.fixture(autouse=True)
def store(tmp_path) -> None:
    (tmp_path / "store").mkdir()


def frames(log: Log, position: int = 0) -> list[Frame]:
    reader = LogReader(log, position)
    return list(iter(reader.next, None))


def records(log: Log, position: int = 0) -> list[bytes]:
    return [record for frame in frames(log, position) for record in frame.records()]


def newest(log: Log) -> Path:
    return sorted(log.folder.glob("*.log"))[-1]


def test_an_append_answers_the_position_behind_it(tmp_path):
    """Positions are the numbers of the records, from 0."""
    log = open_log(tmp_path)
    assert (log.append([b"a", b""]), log.append([b"c"]), log.append([])) == (2, 3, 3)
    assert [(frame.first, frame.end) for frame in frames(log)] == [(0, 2), (2, 3)]
    assert records(log) == [b"a", b"", b"c"]


def test_a_reader_goes_on_at_a_position(tmp_path):
    """It is where an append ended."""
    log = open_log(tmp_path)
    log.append([b"a", b"b"])
    log.append([b"c"])
    assert records(log, 2) == [b"c"]
    with pytest.raises(StoreError, match=r"position 1 of the log .* is inside of an append"):
        records(log, 1)


def test_stamps_are_the_clocks_and_never_go_back(tmp_path):
    """Not over a restart either."""
    clock = ManualClock(100)
    log = open_log(tmp_path, clock)
    log.append([b"a"])
    clock.at_us = 50
    log.append([b"b"])
    log.close()
    log = open_log(tmp_path, clock)
    log.append([b"c"])
    clock.at_us = 200
    log.append([b"d"])
    assert [frame.stamp_us for frame in frames(log)] == [100, 100, 100, 200]


def test_received_times_are_carried(tmp_path):
    """Where an append has them."""
    log = open_log(tmp_path)
    log.append([b"a", b"b"], [7, 8])
    log.append([b"c"])
    columns = [frame.columns() for frame in frames(log)]
    assert [memoryview(received).cast("q").tolist() for *_, received in columns] == [[7, 8], []]
    assert memoryview(columns[0][1]).cast("Q").tolist() == [0, 1]
    assert memoryview(columns[0][2]).cast("q").tolist() == [100, 100]


def test_received_times_for_some_records_are_refused(tmp_path):
    """Nothing is appended then."""
    log = open_log(tmp_path)
    with pytest.raises(DataError, match="each record of an append carries a received time"):
        log.append([b"a", b"b"], [7])
    assert log.end == 0


def test_a_log_that_is_opened_again_goes_on(tmp_path):
    """It is the same log."""
    log = open_log(tmp_path)
    log.append([b"a"])
    log.close()
    again = open_log(tmp_path, ManualClock(900))
    assert (again.identity, again.append([b"b"])) == (log.identity, 2)
    assert records(again) == [b"a", b"b"]


def test_a_log_that_was_deleted_and_made_again_is_another(tmp_path):
    """Its identity is the time at which it was made."""
    identity = open_log(tmp_path).identity
    (tmp_path / "store" / "log").rename(tmp_path / "gone")
    assert open_log(tmp_path, ManualClock(101)).identity != identity


def test_a_full_segment_is_followed_by_another(tmp_path):
    """Reading goes on behind it, also after a restart."""
    log = open_log(tmp_path, segment_bytes=150)
    for number in range(9):
        log.append([b"%d" % number * 10])
    assert len(list(log.folder.glob("*.log"))) > 2
    log.close()
    assert [record[:1] for record in records(open_log(tmp_path))] == [b"%d" % number for number in range(9)]


def test_released_segments_may_be_deleted(tmp_path):
    """The newest stays: it keeps the position."""
    log = open_log(tmp_path, segment_bytes=100)
    for _ in range(4):
        log.append([b"0123456789"])
    for segment in log.release(4):
        log.drop(segment)
    assert [path.name for path in log.folder.glob("*.log")] == [f"{log.first:020d}.log"]
    log.close()
    again = open_log(tmp_path)
    assert (again.first, again.end) == (log.first, 4)
    assert records(again, 4) == []


def test_what_is_not_released_is_not_offered(tmp_path):
    """A segment goes when all of its records are committed."""
    log = open_log(tmp_path, segment_bytes=100)
    for _ in range(4):
        log.append([b"0123456789"])
    second = log.after(log.segment_of(0))
    assert log.release(second.first - 1) == []


@pytest.mark.parametrize("lost", [1, 20, 60])
def test_a_torn_tail_that_was_never_synced_is_cut(lost, tmp_path):
    """Nobody was told of it."""
    log = open_log(tmp_path)
    log.append([b"kept"])
    kept = newest(log).stat().st_size
    disk = FaultyDisk(fails_at=0, fault=NO_SPACE)
    log.disk = disk
    with pytest.raises(StoreError):
        log.append([b"torn" * 40])
    log.close()
    assert newest(log).stat().st_size > kept + lost
    with newest(log).open("r+b") as file:
        file.truncate(newest(log).stat().st_size - lost)
    again = open_log(tmp_path)
    assert records(again) == [b"kept"]
    assert again.append([b"next"]) == 2


def test_bytes_behind_the_synced_ones_that_are_whole_are_kept(tmp_path):
    """They were appended, and nobody knows whether somebody was told."""
    log = open_log(tmp_path)
    log.disk = FaultyDisk(fails_at=1)
    with pytest.raises(Exception, match="crash asked for at sync"):
        log.append([b"a"])
    assert records(open_log(tmp_path)) == [b"a"]


@pytest.mark.parametrize("where", [0, 20, 36, 60, 79, -1])
def test_damage_in_what_was_synced_is_named(where, tmp_path):
    """With file and byte; nothing is cut."""
    log = open_log(tmp_path)
    log.append([b"first record"])
    log.append([b"second record"])
    log.close()
    data = bytearray(newest(log).read_bytes())
    data[where] ^= 1
    newest(log).write_bytes(data)
    with pytest.raises(StoreError, match=r"the log is damaged: .*00\.log at byte \d+") as error:
        open_log(tmp_path)
    assert "nothing was cut" in error.value.hint
    assert newest(log).read_bytes() == data


def test_damage_is_told_from_a_torn_tail_without_the_note_of_what_was_synced(tmp_path):
    """A later frame says that the one before it was synced."""
    log = open_log(tmp_path)
    log.append([b"first record"])
    log.append([b"second record"])
    log.close()
    (log.folder / "SYNCED").unlink()
    data = bytearray(newest(log).read_bytes())
    data[90] ^= 1
    newest(log).write_bytes(data)
    with pytest.raises(StoreError, match="at byte 36"):
        open_log(tmp_path)


def test_bytes_in_a_record_are_no_frame(tmp_path):
    """A record may hold a copy of the log itself."""
    log = open_log(tmp_path)
    log.append([b"first"])
    log.append([newest(log).read_bytes()])
    log.close()
    (log.folder / "SYNCED").unlink()
    with newest(log).open("r+b") as file:
        file.truncate(newest(log).stat().st_size - 1)
    assert records(open_log(tmp_path)) == [b"first"]


def test_damage_in_an_older_segment_is_named_when_it_is_read(tmp_path):
    """Nothing is skipped."""
    log = open_log(tmp_path, segment_bytes=100)
    for _ in range(4):
        log.append([b"0123456789"])
    oldest = sorted(log.folder.glob("*.log"))[0]
    oldest.write_bytes(oldest.read_bytes()[:-1])
    log.close()
    with pytest.raises(StoreError, match=f"the log is damaged: {oldest} at byte"):
        records(open_log(tmp_path))


def test_a_segment_that_is_missing_is_named(tmp_path):
    """In the middle when it is read, at the end when the log is opened."""
    log = open_log(tmp_path, segment_bytes=100)
    for _ in range(8):
        log.append([b"0123456789"])
    log.close()
    files = sorted(log.folder.glob("*.log"))
    moved = files[1].rename(tmp_path / "moved")
    with pytest.raises(StoreError, match="the log is damaged"):
        records(open_log(tmp_path))
    moved.rename(files[1])
    files[-1].unlink()
    with pytest.raises(StoreError, match=f"the log is damaged: {files[-1]} at byte 0"):
        open_log(tmp_path)


@pytest.mark.parametrize("fault", [NO_SPACE, NO_DISK])
@pytest.mark.parametrize("fails_at", [0, 1])
def test_a_failed_write_or_sync_ends_the_log(fault, fails_at, tmp_path):
    """It is never tried again on the same pages; what was acknowledged is there when it is opened again."""
    log = open_log(tmp_path)
    log.append([b"kept"])
    log.disk = FaultyDisk(fails_at=fails_at, fault=fault)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot (write|sync) the log"):
            log.append([b"lost"])
    assert len(log.disk.done) == fails_at + 1
    log.close()
    assert records(open_log(tmp_path))[:1] == [b"kept"]


class SlowDisk(Disk):
    """Its first sync is held up until a test lets it go."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.syncs = threading.Event(), threading.Event(), 0

    def sync(self, file: int) -> None:
        self.syncs += 1
        self.begun.set()
        assert self.go_on.wait(10)
        super().sync(file)


def test_appends_that_wait_share_one_sync(tmp_path):
    """Eight wait while the first is synced: one more sync serves them all."""
    log = open_log(tmp_path)
    log.disk = disk = SlowDisk()
    ends: list[int] = []
    threads = [threading.Thread(target=lambda n=n: ends.append(log.append([b"%d" % n]))) for n in range(9)]
    threads[0].start()
    assert disk.begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    while log._next < 9:
        threads[1].join(0.001)
    disk.go_on.set()
    for thread in threads:
        thread.join(10)
    assert (sorted(ends), disk.syncs) == (list(range(1, 10)), 2)


def test_only_what_is_synced_is_read(tmp_path):
    """A verdict stands on durable records."""
    log = open_log(tmp_path)
    log.disk = disk = SlowDisk()
    thread = threading.Thread(target=lambda: log.append([b"a"]))
    thread.start()
    assert disk.begun.wait(10)
    assert (records(log), log.end) == ([], 0)
    disk.go_on.set()
    thread.join(10)
    assert records(log) == [b"a"]


def test_appends_wait_while_too_much_is_not_released(tmp_path):
    """And end with the log."""
    log = open_log(tmp_path, backlog_bytes=10)
    log.append([b"0123456789"])
    ends: list[int] = []
    thread = threading.Thread(target=lambda: ends.append(log.append([b"next"])))
    thread.start()
    assert not log.wait(1, 0.05)
    log.release(1)
    thread.join(10)
    assert ends == [2]


def test_a_closed_log_takes_nothing(tmp_path):
    """Those that wait are told."""
    log = open_log(tmp_path, backlog_bytes=1)
    log.append([b"a"])
    errors: list[StoreError] = []

    def append() -> None:
        try:
            log.append([b"b"])
        except StoreError as error:
            errors.append(error)

    thread = threading.Thread(target=append)
    thread.start()
    log.close()
    thread.join(10)
    assert "is closed" in errors[0].message
