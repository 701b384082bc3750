"""Laws of our own log: whatever is appended, and wherever it is cut off, what was acknowledged is read back, once."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.errors import StoreError
from crossfoot.log.log import Log
from crossfoot.log.reader import LogReader
from crossfoot.native import Crashed
from crossfoot.testing.clocks import ManualClock
from crossfoot.testing.disks import FaultyDisk

BLOCKS = st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=4), max_size=12)
SESSIONS = st.lists(st.tuples(BLOCKS, st.integers(0, 60), st.integers(0, 40)), min_size=1, max_size=4)


def records(log: Log) -> list[bytes]:
    frames = list(iter(LogReader(log, 0).next, None))
    assert [frame.stamp_us for frame in frames] == sorted(frame.stamp_us for frame in frames)
    assert [frame.first for frame in frames] == [0, *[frame.end for frame in frames[:-1]]][: len(frames)]
    return [record for frame in frames for record in frame.records()]


def append_until_crash(log: Log, blocks: list[list[bytes]], clock: ManualClock, kept: list[bytes]) -> list[bytes]:
    """The block that was under way when the crash came."""
    for block in blocks:
        clock.at_us += 3
        try:
            end = log.append(block)
        except (Crashed, StoreError):
            return block
        kept += block
        assert end == len(kept)
    return []


@settings(max_examples=100, deadline=None)
@given(sessions=SESSIONS, segment_bytes=st.integers(60, 400))
def test_what_was_acknowledged_is_read_back(sessions, segment_bytes):
    """Crashes at any operation of the disk, with any loss of what nobody had synced."""
    with tempfile.TemporaryDirectory() as folder:
        clock, kept = ManualClock(10), []
        for blocks, fails_at, loses in sessions:
            disk = FaultyDisk(fails_at=fails_at, loses=loses)
            try:
                log = Log(Path(folder) / "log" / "x", clock, segment_bytes=segment_bytes, disk=disk)
            except Crashed:
                continue
            kept[:] = kept + records(log)[len(kept) :]
            under_way = append_until_crash(log, blocks, clock, kept)
            found = records(Log(Path(folder) / "log" / "x", clock, segment_bytes=segment_bytes))
            assert found[: len(kept)] == kept
            assert found[len(kept) :] in ([], under_way)
            kept[:] = found


@settings(max_examples=50, deadline=None)
@given(blocks=BLOCKS, cut=st.integers(1, 200))
def test_a_tail_that_nobody_synced_may_be_cut_anywhere(blocks, cut):
    """What is left is a beginning of what was appended."""
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder) / "log" / "x", ManualClock(10))
        log.append([b"synced"])
        synced = log.folder / "SYNCED"
        note = synced.read_bytes()
        for block in blocks:
            log.append(block)
        log.close()
        synced.write_bytes(note)
        file = next(log.folder.glob("*.log"))
        least = int.from_bytes(note[8:16], "little")
        with file.open("r+b") as opened:
            opened.truncate(max(least, file.stat().st_size - cut))
        appended = [b"synced", *[record for block in blocks for record in block]]
        found = records(Log(log.folder, ManualClock(10)))
        assert found == appended[: len(found)]
