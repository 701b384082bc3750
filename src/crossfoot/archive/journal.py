"""What is archived before its epoch is committed: a log of entries, whose files become parts once they are."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from crossfoot.archive.entries import TIMES, Entry, decode
from crossfoot.archive.parts import JOURNAL, Parts
from crossfoot.archive.rows import Rows, Times, Told
from crossfoot.archive.worker import Worker
from crossfoot.clock import Clock
from crossfoot.definition.model import Archive
from crossfoot.log.disk import Disk
from crossfoot.log.frames import Frame
from crossfoot.log.log import Log
from crossfoot.log.reader import frames_of
from crossfoot.log.segments import Segment

APPEND_BYTES = 4 << 20
"""So much is written at once before a commit asks for the rest."""
WAITING_BYTES = 64 << 20
"""What may wait to be written; then who counts waits."""
SEGMENTS_MAX = 8
"""Files that may wait to be sealed; then who commits waits."""
_NO_BOUND = 1 << 60


class Journal:
    """Entries in, parts out. Two threads: one writes and syncs entries, one seals."""

    def __init__(self, store: Path, clock: Clock, keep: Archive, epoch: int, disk: Disk | None = None) -> None:
        self._clock = clock
        self._parts = Parts(store, keep, disk)
        self._log = Log(store / JOURNAL, clock, segment_bytes=_NO_BOUND, backlog_bytes=_NO_BOUND, disk=disk or Disk())
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._segment_bytes = 0
        self._rolled_s = clock.elapsed_s()
        self._epoch = epoch
        """The newest that is committed. What lies in a file behind which another was begun is of none beyond it."""
        try:
            self._seal_what_was_left()
        except BaseException:
            self._log.close()
            raise
        self._writer = Worker("crossfoot-archive", WAITING_BYTES)
        self._sealer = Worker("crossfoot-seal", SEGMENTS_MAX)

    def _seal_what_was_left(self) -> None:
        """What the last process has committed and not sealed. What it did not commit is read again from the sources."""
        self._log.roll()
        self._seal_all()

    def add(self, entry: Entry) -> None:
        """Archive an input of the running epoch."""
        records = entry.encode()
        self._pending += records
        self._pending_bytes += sum(map(len, records))
        if self._pending_bytes >= APPEND_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            for records in _frames(self._pending):
                size = sum(map(len, records))
                self._writer.do(partial(self._log.append, records), size)
                self._segment_bytes += size
            self._pending, self._pending_bytes = [], 0

    def sync(self) -> None:
        """All that was added is durable after this: its epoch may be committed."""
        self._flush()
        self._writer.wait()

    def committed(self, epoch: int, bytes_max: int, seconds_max: float) -> None:
        """Everything that was added belongs to committed epochs; it is sealed when it is so much, or so old."""
        self._epoch = epoch
        is_old = self._clock.elapsed_s() - self._rolled_s >= seconds_max
        if self._segment_bytes >= bytes_max or is_old:
            self._seal_behind()
            self._sealer.do(lambda: self._parts.expire(self._clock.now_us()))

    def _seal_behind(self) -> None:
        self._segment_bytes, self._rolled_s = 0, self._clock.elapsed_s()
        self._log.roll()
        self._sealer.do(self._seal_all)

    def finish(self) -> None:
        """The end of a run: everything that is committed is sealed."""
        self.sync()
        self._seal_behind()
        self._sealer.wait()

    def close(self) -> None:
        """Let go; what is not sealed is sealed by the next run."""
        self._sealer.end()
        self._writer.end()
        self._log.close()

    def _seal_all(self) -> None:
        """Every file but the one that is written to."""
        for segment in self._log.release(self._log.end):
            self._seal(segment)

    def _seal(self, segment: Segment) -> None:
        """Write a file's committed entries as parts, then delete it."""
        found = decode(_records(frames_of(self._log, segment)))
        entries = [entry for entry in found if entry.epoch <= self._epoch]
        rows = Rows()
        rows.add((entry for entry in entries if entry.kind != TIMES), _times(entries))
        table = rows.table()
        if len(table):
            self._parts.write(table)
        self._log.drop(segment)


def _records(frames: Iterator[Frame]) -> Iterator[bytes]:
    for frame in frames:
        yield from frame.records()


def _times(entries: list[Entry]) -> Times:
    """An epoch tells the times of a partition once, when all of it was counted."""
    times: Times = {}
    for entry in entries:
        if entry.kind == TIMES:
            t_us = array("q")
            t_us.frombytes(entry.columns[0])
            times[entry.epoch, entry.partition] = Told(entry.position or 0, t_us)
    return times


def _frames(records: list[bytes]) -> Iterator[list[bytes]]:
    """Records by so many bytes as one append may hold."""
    frame: list[bytes] = []
    size = 0
    for record in records:
        if frame and size + len(record) > WAITING_BYTES // 2:
            yield frame
            frame, size = [], 0
        frame.append(record)
        size += len(record)
    yield frame
