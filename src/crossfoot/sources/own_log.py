"""Our own log as a live source: one partition, filled through a door by those who have no positions of their own."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from hashlib import blake2b
from typing import Protocol
from urllib.parse import quote

from crossfoot.errors import StoreError
from crossfoot.log.frames import Frame
from crossfoot.log.log import Log
from crossfoot.log.reader import LogReader
from crossfoot.seen.state import Lag
from crossfoot.sources.live import Acknowledge, Feed, Known, Moved, Named, Room, Seen

_NAME_BYTES = 160
_NEW_STORE = "nothing was skipped: bring the log back from a copy, or count into a new store (--store DIR)"


class Door(Protocol):
    """Through it records come into a log: a listener, a subscriber. It has threads of its own."""

    def start(self, log: Log) -> None:
        """Begin to append; what is appended may be acknowledged."""

    def notes(self) -> list[str]:
        """What a person should know, since this was asked last."""
        ...

    def close(self) -> None:
        """Append nothing more; wait until nobody does. Called once, also where it was never started."""


class LogInput:
    """A log while it is read. The store's position is the one that counts."""

    def __init__(self, name: str, log: Log, door: Door) -> None:
        self.name = name
        self.log = log
        self._door = door
        self._reader = LogReader(log, log.first)
        self._until = log.end
        self._newest: Frame | None = None
        self._is_started = False

    def open(self, known: Known) -> list[Named]:
        """Be sure that the log has what the store goes on with."""
        kept = known.get(self.name)
        if kept is not None and kept["identity"] != self.log.identity:
            raise StoreError(f"the log of {self.name} is not the one that was counted: {self.log.folder}", _NEW_STORE)
        position = (kept or {}).get("next_offset") or 0
        if position < self.log.first:
            gone = f"position {position} of {self.name} is gone: its log begins at {self.log.first}"
            raise StoreError(gone, _NEW_STORE)
        if position > self.log.end:
            cut = f"{self.name} was cut: position {position} was counted, its log ends at {self.log.end}"
            raise StoreError(cut, _NEW_STORE)
        self._reader = LogReader(self.log, position)
        self._until = self.log.end
        return [(self.name, self.log.identity)]

    def begin(self, names: Iterable[str]) -> dict[str, int]:
        """Read, and open the door."""
        if self.name not in names:
            return {}
        if not self._is_started:
            self._is_started = True
            self._door.start(self.log)
        return {self.name: self._reader.position}

    def feed(self, into: Feed, bytes_max: int, wait_s: float, now_us: int) -> Moved:
        """Hand over what is synced. The log's own clock says what is ahead: a stamp may be younger than this turn."""
        del now_us
        taken = self._hand_over(into, bytes_max)
        if not taken and wait_s and self.log.wait(self._reader.position, wait_s):
            taken = self._hand_over(into, bytes_max)
        return Moved(taken, self.log.backlog_bytes, tuple(self._door.notes()))

    def _hand_over(self, into: Feed, bytes_max: int) -> int:
        taken = 0
        while taken < bytes_max and (frame := self._reader.next()):
            into.feed_block(self.name, frame.data, frame.columns(), self.log.now_us())
            taken += max(1, len(frame.data))
            self._newest = frame
        self.log.check()
        return taken

    def look(self, now_us: int) -> Seen:
        """Idle at the end of the log."""
        self.log.check()
        is_idle = self._reader.position == self.log.end
        return Seen((self.name,) if is_idle else (), now_us)

    def mark(self) -> Acknowledge:
        """What was handed over up to here; once it is committed, a segment of it is deleted."""
        return partial(self._release, self._reader.position)

    def _release(self, position: int) -> None:
        for segment in self.log.release(position)[:1]:
            self.log.drop(segment)

    def is_done(self) -> bool:
        """Whether all was handed over that was synced when the log was opened."""
        return self._reader.position >= self._until

    def lags(self, now_us: int) -> list[Lag]:
        """Records that are synced and not handed over."""
        waiting = self.log.end - self._reader.position
        age = None if self._newest is None else max(0, now_us - self._newest.stamp_us) / 1e6
        return [Lag(self.name, waiting, age if waiting else 0.0)]

    def close(self) -> None:
        """Close the log, which ends every append that waits, then the door."""
        self.log.close()
        self._door.close()


def open_log(name: str, room: Room, door: Door) -> LogInput:
    """The log of a source in the store's folder."""
    folder = folder_name(name)
    log = Log(
        room.store / "log" / folder,
        room.clock,
        segment_bytes=room.settings.log_segment_bytes,
        backlog_bytes=room.settings.log_backlog_bytes,
    )
    return LogInput(name, log, door)


def folder_name(source: str) -> str:
    """A source's name as the name of a folder: other names, other folders."""
    quoted = quote(source, safe="").replace(".", "%2E") if source.strip(".") == "" else quote(source, safe="")
    if len(quoted) <= _NAME_BYTES:
        return quoted
    return f"{quoted[:_NAME_BYTES]}-{blake2b(source.encode(), digest_size=8).hexdigest()}"
