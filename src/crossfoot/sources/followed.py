"""One file that is read as it grows: its name may change, its bytes may not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from crossfoot import _core
from crossfoot.errors import DataError
from crossfoot.sources.lines import TAIL_BYTES, Chunk, LineCutter
from crossfoot.sources.partition import HEAD_BYTES, Identity, Position
from crossfoot.sources.reading import Reading
from crossfoot.sources.streams import BYTE_ORDER_MARK, unreadable

Key = tuple[int, int]
"""Device and inode: what a file is while it is open."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A file as it was found: the name that its path gives it, and how it is."""

    name: str
    path: str
    key: Key
    bytes: int


class CutError(DataError):
    """A followed file lost, or has other bytes than, what was read of it."""


class Followed:
    """An open file of which whole lines are handed on."""

    def __init__(self, sight: Sight, reading: Reading) -> None:
        self.base = sight.name
        self.path = sight.path
        self.name = ""
        self.quiet_looks = 0
        self.is_ending = False
        self._reading = reading
        try:
            self._file = os.open(sight.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise unreadable(sight.name, error) from error
        status = os.fstat(self._file)
        self.key: Key = (status.st_dev, status.st_ino)
        self.until = status.st_size
        self.head = os.pread(self._file, HEAD_BYTES, 0)
        self.identity = Identity.of(status.st_ino, self.head)
        self._mark = len(BYTE_ORDER_MARK) if self.head.startswith(BYTE_ORDER_MARK) else 0
        self._go_on_at(self._mark)

    def _go_on_at(self, at: int) -> None:
        self.at = at
        self._last = os.pread(self._file, min(TAIL_BYTES, at), max(0, at - TAIL_BYTES))
        self._cutter = LineCutter(self._reading.record_bytes_max, self._reading.block_bytes)

    @property
    def has_line(self) -> bool:
        """Whether it holds a whole line, or so much that its first bytes tell it from others."""
        return b"\n" in self.head or len(self.head) == HEAD_BYTES

    @property
    def size(self) -> int:
        """How long it is now."""
        return os.fstat(self._file).st_size

    @property
    def is_at_end(self) -> bool:
        """Whether all of it was read."""
        return self.at >= self.size

    @property
    def has_half_line(self) -> bool:
        """Whether what was read ends inside of a line."""
        return bool(self._last) and not self._last.endswith(b"\n") and self.at > self._mark

    def fits(self, position: Position) -> bool:
        """Whether it is the file of which so much was counted: the inode, the first bytes, the last bytes."""
        if position.identity.inode != self.key[1] or not position.identity.fits(self.head):
            return False
        length, digest = position.tail
        end = self.at_of(position)
        tail = os.pread(self._file, length, end - length)
        return end <= self.size and len(tail) == length and (not length or _core.tail_hash(tail) == digest)

    def at_of(self, position: Position) -> int:
        """The byte that a position stands at."""
        return self._mark + position.bytes

    def go_on(self, position: Position) -> None:
        """Read from where it was counted to."""
        self.identity = position.identity
        self._go_on_at(self.at_of(position))

    def read(self, bytes_max: int) -> Iterator[Chunk]:
        """Whole lines that have come; CutError where what was read before is not there any more."""
        data = os.pread(self._file, len(self._last) + bytes_max, self.at - len(self._last))
        if not data.startswith(self._last):
            raise self._cut()
        piece = data[len(self._last) :]
        if not piece:
            return
        self.at += len(piece)
        self.quiet_looks = 0
        self._last = (self._last + piece)[-TAIL_BYTES:]
        yield from self._cutter.push(piece)
        yield from self._cutter.broken_off()

    def _cut(self) -> CutError:
        size = self.size
        what = f"was truncated: {size} of {self.at} bytes" if size < self.at else "was rewritten before byte"
        where = "" if size < self.at else f" {self.at}"
        return CutError(f"{self.name} {what}{where}")

    def rest(self) -> Iterator[Chunk]:
        """The file gets no more: its last line needs no newline."""
        yield from self._cutter.end()

    def position(self) -> Position:
        """Where it stands, all of it handed on."""
        size = self.at - self._mark
        tail = self._last[-size:] if size else b""
        return Position(self.identity, bytes=size, tail=(len(tail), _core.tail_hash(tail)), finished=True)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
