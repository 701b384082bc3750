"""Bytes as they come -> blocks of whole lines. A line that is too long is measured, not kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# As much of an over-long line as the side log keeps.
HEAD_BYTES = 64 << 10
# As much of what was read last as the store remembers to recognise an input again.
TAIL_BYTES = 256
_BLANK = b" \t\r\n"

Part = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines, a part of what was read; the very last of an input may lack its newline."""

    read: bytes
    start: int = 0
    end: int | None = None

    @property
    def span(self) -> tuple[int, int]:
        """Where they are in what was read."""
        return self.start, len(self.read) if self.end is None else self.end

    @property
    def data(self) -> bytes:
        """Their bytes; a copy where they are not all that was read."""
        return self.read[self.start : self.end]


@dataclass(frozen=True, slots=True)
class LongLine:
    """One line over the size limit: its bytes with its line end, and its beginning; none if it is white space."""

    length: int
    head: bytes


Chunk = Lines | LongLine
NOTHING = LongLine(0, b"")
"""From here on the store knows nothing of the bytes that were counted before."""


class LineCutter:
    """Cuts pieces at line ends. What follows the last line end waits for the next piece, up to the record limit.

    Small pieces are put together to blocks; the lines of a large one are not copied.
    """

    def __init__(self, record_bytes_max: int, block_bytes: int) -> None:
        self._longest = record_bytes_max + len(b"\r\n")
        self._block_bytes = block_bytes
        self._whole: list[Part] = []
        self._whole_bytes = 0
        self._rest: list[Part] = []
        self._rest_bytes = 0
        self._long: _Long | None = None

    def push(self, piece: bytes) -> Iterator[Chunk]:
        """Take a piece; yield what is complete."""
        view = memoryview(piece)
        if self._long is not None:
            end = piece.find(b"\n") + 1
            self._long.take(piece[:end] if end else piece)
            if not end:
                return
            yield from self._end_of_long()
            view = view[end:]
        at = len(piece) - len(view)
        end = max(at, piece.rfind(b"\n") + 1)
        first = end
        if 2 * (end - at) >= self._block_bytes:
            first = piece.find(b"\n", at) + 1 if self._rest_bytes else at
        if end > at:
            self._complete(view[: first - at])
        if first < end:
            yield from self._flush()
            yield Lines(piece, first, end)
        view = view[end - at :]
        self._rest.append(view)
        self._rest_bytes += len(view)
        if self._rest_bytes > self._longest:
            yield from self._flush()
            self._long = _Long()
            self._long.take(b"".join(self._rest))
            self._rest, self._rest_bytes = [], 0
        elif self._whole_bytes >= self._block_bytes:
            yield from self._flush()

    def end(self) -> Iterator[Chunk]:
        """The input is at its end: its last line needs no newline."""
        self._complete(b"")
        yield from self._flush()
        if self._long is not None:
            yield from self._end_of_long()

    def broken_off(self) -> Iterator[Chunk]:
        """The input cannot be read further: only what is whole is given out."""
        yield from self._flush()

    def _complete(self, last: Part) -> None:
        self._whole += [*self._rest, last]
        self._whole_bytes += self._rest_bytes + len(last)
        self._rest, self._rest_bytes = [], 0

    def _flush(self) -> Iterator[Chunk]:
        if self._whole_bytes:
            yield Lines(b"".join(self._whole))
        self._whole, self._whole_bytes = [], 0

    def _end_of_long(self) -> Iterator[Chunk]:
        if self._long is not None:
            yield self._long.line()
        self._long = None


class _Long:
    """A line over the limit while it passes by."""

    def __init__(self) -> None:
        self.length = 0
        self.head = b""
        self.blank = True

    def take(self, part: bytes) -> None:
        self.length += len(part)
        if len(self.head) < HEAD_BYTES:
            self.head = (self.head + part)[:HEAD_BYTES]
        self.blank = self.blank and not part.strip(_BLANK)

    def line(self) -> LongLine:
        """What is left of it."""
        if self.blank:
            return LongLine(self.length, b"")
        whole = len(self.head) == self.length
        return LongLine(self.length, self.head.rstrip(b"\r\n") if whole else self.head)
