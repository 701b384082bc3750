"""Where the records of a CSV text end: at newlines that stand in no quoted cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crossfoot.sources.lines import HEAD_BYTES
from crossfoot.sources.streams import Pieces

_BEFORE_CELL = b",\n\r"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Unclosed:
    """A line with a quote that is not closed within the record limit. What follows is read as a new record."""

    line: bytes


@dataclass(frozen=True, slots=True)
class Endless:
    """A line over the record limit: its length and its beginning."""

    length: int
    head: bytes


Part = Block | Unclosed | Endless


def split(pieces: Pieces, limit: int, block_bytes: int) -> Iterator[Part]:
    """The input as blocks of whole records, in order."""
    buffer = b""
    for piece in _gather(pieces, block_bytes):
        buffer += piece
        while True:
            end, broken = last_end(buffer, limit)
            if end:
                yield Block(buffer[:end])
                buffer = buffer[end:]
            line = buffer.find(b"\n") + 1 if broken else 0
            if not line:
                break
            yield Unclosed(buffer[:line])
            buffer = buffer[line:]
        if len(buffer) > limit and b"\n" not in buffer:
            endless, buffer = _endless(buffer, pieces)
            yield endless
    while buffer:
        end, broken = last_end(buffer + b"\n", 0)
        if not broken:
            yield Block(buffer)
            return
        if end:
            yield Block(buffer[:end])
        line = buffer.find(b"\n", end) + 1 or len(buffer)
        yield Unclosed(buffer[end:line])
        buffer = buffer[line:]


def _gather(pieces: Pieces, block_bytes: int) -> Pieces:
    parts: list[bytes] = []
    for piece in pieces:
        parts.append(piece)
        if sum(map(len, parts)) >= block_bytes:
            yield b"".join(parts)
            parts = []
    if parts:
        yield b"".join(parts)


def _endless(buffer: bytes, pieces: Pieces) -> tuple[Endless, bytes]:
    length, head = len(buffer), buffer[:HEAD_BYTES]
    for piece in pieces:
        end = piece.find(b"\n") + 1
        if end:
            return Endless(length + end, head), piece[end:]
        length += len(piece)
    return Endless(length, head), b""


def last_end(data: bytes, limit: int) -> tuple[int, bool]:
    """Where the last whole record of `data` ends, and whether the quoted one behind it is over the limit.

    `data` begins with a record. As in RFC 4180, a quote opens a cell only at its beginning, and is doubled inside.
    """
    at = begin = end = 0
    while (quote := data.find(b'"', at)) >= 0:
        if quote and data[quote - 1] not in _BEFORE_CELL:
            at = quote + 1
            continue
        end = data.rfind(b"\n", begin, quote) + 1 or end
        closing = _closing(data, quote + 1)
        if closing < 0:
            return end, len(data) - end > limit
        if limit and closing - end > limit:
            return end, True
        at = begin = closing + 1
    return data.rfind(b"\n", begin) + 1 or end, False


def _closing(data: bytes, at: int) -> int:
    while (quote := data.find(b'"', at)) >= 0:
        if data[quote + 1 : quote + 2] != b'"':
            return quote
        at = quote + 2
    return -1
