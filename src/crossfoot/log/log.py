"""An append-only log in a folder: what is appended is stamped and synced, and has a position, before anyone is told.

Many threads append, and appends that wait at the same time share one sync. One thread reads, only what is synced. A
sync or a write that failed is the end of a log: what it was asked for may or may not be durable, so nothing more is
said before the folder was opened again.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from crossfoot.clock import Clock
from crossfoot.errors import CrossfootError, StoreError
from crossfoot.event import ends_of
from crossfoot.log.disk import Disk
from crossfoot.log.frames import (
    FRAME_HEAD,
    SEGMENT_HEAD,
    Frame,
    SegmentHead,
    damaged,
    encode,
    make_frame,
    read_body,
    read_head,
)
from crossfoot.log.segments import SYNCED, Segment, Synced, file_name, find_segments, read_synced, walk_newest

SEGMENT_BYTES = 16 << 20
BACKLOG_BYTES = 1 << 30
_AGAIN = "what was acknowledged is kept: see to the disk, then run again"


class Log:
    """One log. `segment_bytes`: size at which a new file is begun; `backlog_bytes`: what may wait to be released."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        backlog_bytes: int = BACKLOG_BYTES,
        disk: Disk | None = None,
    ) -> None:
        self.folder = folder
        self.disk = disk or Disk()
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._backlog_bytes = backlog_bytes
        self._changed = threading.Condition()
        self._failure: CrossfootError | None = None
        self._is_syncing = False
        self._file = self._synced_file = -1
        self._segments: list[Segment] = []
        self._written = self._next = self._end = self._stamp_us = 0
        with self._io("open"):
            self._recover()
        self._released = self._backlog = 0
        self._waiting: deque[tuple[int, int]] = deque()

    @property
    def identity(self) -> str:
        """What tells this log from one that was deleted and made again."""
        return f"log:{self._segments[0].head.born_us}"

    @property
    def first(self) -> int:
        """The position of the oldest record that is kept."""
        return self._segments[0].first

    @property
    def end(self) -> int:
        """The position after the newest synced record."""
        return self._end

    def now_us(self) -> int:
        """The clock that stamps: it never goes back, as the stamps do not, whatever becomes of the machine's."""
        return max(self._stamp_us, self._clock.now_us())

    @property
    def backlog_bytes(self) -> int:
        """Bytes that were appended since the log was opened and are not released."""
        return self._backlog

    # Appending.

    def append(self, records: Sequence[bytes], received_us: Sequence[int] | None = None) -> int:
        """Append a block of records, all or nothing; the position after it, once it is synced.

        `received_us` are received times that the records carry, one each. Waits while too much is not released yet.
        """
        return self.append_block(b"".join(records), ends_of(records), received_us)

    def append_block(self, data: bytes, ends: array[int], received_us: Sequence[int] | None = None) -> int:
        """The same for records that stand one behind the other; `ends`: where each ends (u32)."""
        size = len(data)
        with self._changed:
            self._wait_for_room(size)
            while self._is_full():
                self._roll()
            if not ends:
                return self._end
            self._stamp_us = max(self._stamp_us, self._clock.now_us())
            frame = make_frame(self._next, self._stamp_us, data, ends, received_us)
            self._write(frame)
            self._backlog += size
            self._waiting.append((frame.end, size))
            self._wait_for_sync(frame.end)
            return frame.end

    def _wait_for_room(self, size: int) -> None:
        self.check()
        while self._backlog and self._backlog + size > self._backlog_bytes:
            self._changed.wait()
            self.check()

    def _write(self, frame: Frame) -> None:
        segment = self._segments[-1]
        encoded = encode(frame, self._written, segment.bytes, segment.head.seed)
        with self._io("write"):
            self.disk.write(self._file, encoded, self._written)
        self._written += len(encoded)
        self._next = frame.end

    def _wait_for_sync(self, end: int) -> None:
        """Whoever finds nobody at it syncs for all that have written so far."""
        while self._end < end:
            self.check()
            if self._is_syncing:
                self._changed.wait()
            else:
                self._sync()

    def _sync(self) -> None:
        """Sync what is written; others write on meanwhile."""
        segment, written, end = self._segments[-1], self._written, self._next
        self._is_syncing = True
        self._changed.release()
        failed: OSError | None = None
        try:
            self.disk.sync(self._file)
        except OSError as error:
            failed = error
        finally:
            self._changed.acquire()
            self._is_syncing = False
            self._changed.notify_all()
        if failed is not None:
            raise self._fail("sync", failed) from failed
        segment.bytes, self._end = written, end
        self._tell_synced()

    def _tell_synced(self) -> None:
        """How far the log is synced, for who opens it after the process was killed. Not synced itself."""
        segment = self._segments[-1]
        with self._io("write"):
            self.disk.write(self._synced_file, Synced(segment.first, segment.bytes).encode(), 0)

    def _is_full(self) -> bool:
        return self._written >= self._segment_bytes and self._next > self._segments[-1].first

    def roll(self) -> None:
        """Begin a new segment behind what was appended, if there is something."""
        with self._changed:
            newest = self._segments[-1]
            while self._next > newest.first and self._segments[-1] is newest:
                self._roll()

    def _roll(self) -> None:
        """One step towards a new segment, which begins behind one that is synced whole."""
        self.check()
        if self._is_syncing:
            self._changed.wait()
        elif self._end < self._next:
            self._sync()
        else:
            with self._io("begin a segment in"):
                self._begin(SegmentHead(self._segments[-1].head.born_us, self._next, self._stamp_us))

    # Reading.

    def read(self, segment: Segment, at: int) -> Frame | None:
        """The frame at a place of a segment; None behind the last synced one."""
        if at >= segment.bytes:
            return None
        with self._io("read"), segment.path.open("rb", buffering=0) as file:
            head = read_head(os.pread(file.fileno(), FRAME_HEAD, at), at, segment.head.seed)
            body = os.pread(file.fileno(), head.body_bytes, at + FRAME_HEAD) if head else b""
        frame = head and read_body(head, body, segment.head.seed)
        if not frame:
            raise damaged(segment.path, at)
        return frame

    def segment_of(self, position: int) -> Segment:
        """The segment that holds a position, or that it will be appended to."""
        with self._changed:
            return next(segment for segment in reversed(self._segments) if segment.first <= position)

    def wait(self, position: int, seconds: float) -> bool:
        """Wait until there is a synced record at a position, at most so long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._end > position or self._failure is not None, seconds)

    # Letting go.

    def release(self, position: int) -> list[Segment]:
        """What lies before this position is committed: appends may go on. The segments that nobody reads any more."""
        with self._changed:
            while self._waiting and self._waiting[0][0] <= position:
                self._backlog -= self._waiting.popleft()[1]
            self._released = position
            self._changed.notify_all()
            ends = [segment.first for segment in self._segments[1:]]
            return [segment for segment, end in zip(self._segments, ends, strict=False) if end <= position]

    def drop(self, segment: Segment) -> None:
        """Delete the oldest segment, which was released."""
        with self._changed:
            assert segment is self._segments[0]
            assert self._segments[1].first <= self._released
            del self._segments[0]
        with self._io("delete"):
            self.disk.remove(segment.path)
            self.disk.sync_folder(self.folder)

    def after(self, segment: Segment) -> Segment | None:
        """The segment behind one, which is then synced whole."""
        with self._changed:
            return next((other for other in self._segments if other.first > segment.first), None)

    # Life.

    def check(self) -> None:
        """StoreError once the log has failed or was closed."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """No append after this; those that wait for room end with an error."""
        with self._changed:
            self._failure = self._failure or StoreError(f"the log {self.folder} is closed", "run again")
            while self._is_syncing:
                self._changed.wait()
            self._changed.notify_all()
        for file in (self._file, self._synced_file):
            if file >= 0:
                os.close(file)
        self._file = self._synced_file = -1

    def _io(self, what: str) -> _Failing:
        return _Failing(lambda error: self._fail(what, error))

    def _fail(self, what: str, error: OSError) -> CrossfootError:
        with self._changed:
            self._failure = StoreError(f"cannot {what} the log {self.folder}: {error.strerror or error}", _AGAIN)
            self._changed.notify_all()
        return self._failure

    # Recovery.

    def _recover(self) -> None:
        """Go on behind what is whole; a tail that was never synced is cut, any other damage is named."""
        self.disk.make_folder(self.folder)
        synced = read_synced(self.folder)
        self._segments = find_segments(self.folder, synced, self.disk)
        self._synced_file = os.open(self.folder / SYNCED, os.O_RDWR | os.O_CREAT, 0o600)
        if not self._segments:
            self._stamp_us = self._clock.now_us()
            self._begin(SegmentHead(self._stamp_us, 0, self._stamp_us))
            return
        newest = self._segments[-1]
        walked = walk_newest(newest, synced)
        self._file = os.open(newest.path, os.O_RDWR)
        self.disk.cut(self._file, walked.bytes)
        self.disk.sync(self._file)
        self._written = newest.bytes = walked.bytes
        self._next = self._end = walked.end
        self._stamp_us = walked.stamp_us
        self._tell_synced()

    def _begin(self, head: SegmentHead) -> None:
        """Make a new segment the one that is written to."""
        path = self.folder / file_name(head.first)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self.disk.write(file, head.encode(), 0)
            self.disk.sync(file)
            self.disk.sync_folder(self.folder)
        except OSError:
            os.close(file)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._written = file, SEGMENT_HEAD
        self._segments = [*self._segments, Segment(path, head)]
        self._tell_synced()


class _Failing:
    """Turns the system's errors into the log's end."""

    def __init__(self, fail: Callable[[OSError], CrossfootError]) -> None:
        self._fail = fail

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise self._fail(error) from error
