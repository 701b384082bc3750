"""Reading a log from a position on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from crossfoot.errors import StoreError
from crossfoot.log.frames import (
    FRAME_HEAD,
    SEGMENT_HEAD,
    Frame,
    damaged,
    read_body,
    read_head,
    read_segment_head,
)
from crossfoot.log.log import Log
from crossfoot.log.segments import Segment


class LogReader:
    """Hands out the frames of a log, one after the other, as far as they are synced."""

    def __init__(self, log: Log, position: int) -> None:
        self.position = position
        """The position of the next record."""
        self._log = log
        self._segment = log.segment_of(position)
        self._at, self._next = SEGMENT_HEAD, self._segment.first

    def next(self) -> Frame | None:
        """The next frame; None where nothing more is synced."""
        while frame := self._step():
            if frame.first >= self.position:
                self.position = frame.end
                return frame
            if frame.end > self.position:
                place = f"position {self.position} of the log {self._log.folder} is inside of an append"
                raise StoreError(place, "the store belongs to another log: use a new one (--store DIR)")
        return None

    def _step(self) -> Frame | None:
        following = self._log.after(self._segment)
        frame = self._log.read(self._segment, self._at)
        if frame is None and following is not None:
            if following.first != self._next:
                raise damaged(self._segment.path, self._at)
            self._segment, self._at = following, SEGMENT_HEAD
            frame = self._log.read(self._segment, self._at)
        if frame is None:
            return None
        if frame.first != self._next:
            raise damaged(self._segment.path, self._at)
        self._at, self._next = self._at + frame.size, frame.end
        return frame


def oldest_record(folder: Path) -> bytes | None:
    """The first record that a log's folder holds, whoever appends to it or releases its files meanwhile."""
    for path in sorted(folder.glob("*.log")):
        with suppress(FileNotFoundError), path.open("rb") as file:
            segment = read_segment_head(file.read(SEGMENT_HEAD))
            head = segment and read_head(file.read(FRAME_HEAD), SEGMENT_HEAD, segment.seed)
            frame = segment and head and read_body(head, file.read(head.body_bytes), segment.seed)
            if frame:
                return frame.records()[0]
    return None


def frames_of(log: Log, segment: Segment) -> Iterator[Frame]:
    """All of a segment that another one follows."""
    following = log.after(segment)
    reader = LogReader(log, segment.first)
    while following and reader.position < following.first and (frame := reader.next()):
        yield frame
