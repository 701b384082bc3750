"""The bytes of a segment: a header, then frames. A frame is what one append has brought: records under one stamp.

Checksums begin with the place they are written at, so bytes that a record holds are never taken for a frame.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossfoot import _core
from crossfoot.errors import DataError, StoreError

FRAME_BYTES_MAX = 64 << 20
"""Records of one append, together."""
_MAGIC = b"CFLOG001"
MARKS = {b"CFr0": False, b"CFr1": True}
# magic, birth of the log, position of the first record, newest stamp before it; then a checksum.
_SEGMENT = struct.Struct("<8sqQq")
# mark (with or without received times), records, bytes of the body, position of the first record, stamp, bytes of the
# segment that were synced before, checksum of the body; then a checksum.
_FRAME = struct.Struct("<4sIIQqQI")
_SUM = struct.Struct("<I")
SEGMENT_HEAD = _SEGMENT.size + _SUM.size
FRAME_HEAD = _FRAME.size + _SUM.size


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """How a segment begins. `born_us` is the log's: with it, a log that was deleted and made again is another one."""

    born_us: int
    first: int
    stamp_us: int

    def encode(self) -> bytes:
        """Its bytes."""
        head = _SEGMENT.pack(_MAGIC, self.born_us, self.first, self.stamp_us)
        return head + _SUM.pack(_core.crc32c(head, 0))

    @property
    def seed(self) -> int:
        """What the checksums of its frames begin with."""
        return _core.crc32c(self.encode(), 0)


@dataclass(frozen=True, slots=True)
class Frame:
    """Records of one append: where each ends in `data` (u32), and their received times (i64; empty: none)."""

    first: int
    count: int
    stamp_us: int
    ends: bytes
    received: bytes
    data: bytes

    @property
    def end(self) -> int:
        """The position after the last record."""
        return self.first + self.count

    @property
    def size(self) -> int:
        """Its bytes in a segment."""
        return FRAME_HEAD + len(self.ends) + len(self.received) + len(self.data)

    def columns(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Ends, positions, stamps and received times, as the engine takes them."""
        positions = array("Q", range(self.first, self.end)).tobytes()
        stamps = array("q", [self.stamp_us]) * self.count
        return self.ends, positions, stamps.tobytes(), self.received

    def records(self) -> list[bytes]:
        """The records one by one."""
        ends = array("I", self.ends)
        return [self.data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of a frame, checked."""

    carried: bool
    count: int
    body_bytes: int
    first: int
    stamp_us: int
    synced: int
    checksum: int


def make_frame(first: int, stamp_us: int, data: bytes, ends: array[int], received_us: Sequence[int] | None) -> Frame:
    """A frame of records, which end in `data` where `ends` says; DataError where they are too many bytes for one."""
    if len(data) > FRAME_BYTES_MAX or 12 * len(ends) > FRAME_BYTES_MAX:
        raise DataError(f"too much for one append: {len(data)} bytes", f"append at most {FRAME_BYTES_MAX} at once")
    received = b"" if received_us is None else array("q", received_us).tobytes()
    if received and len(received) != 8 * len(ends):
        raise DataError("each record of an append carries a received time, or none of them does")
    return Frame(first, len(ends), stamp_us, ends.tobytes(), received, data)


def encode(frame: Frame, at: int, synced: int, seed: int) -> bytes:
    """The bytes of a frame that is written at a place of its segment."""
    body = b"".join((frame.ends, frame.received, frame.data))
    mark = b"CFr1" if frame.received else b"CFr0"
    checksum = _core.crc32c(body, seed)
    head = _FRAME.pack(mark, frame.count, len(body), frame.first, frame.stamp_us, synced, checksum)
    return head + _SUM.pack(_core.crc32c(head, seed ^ (at & 0xFFFFFFFF))) + body


def read_head(data: bytes | memoryview, at: int, seed: int) -> Head | None:
    """The head of the frame that was written at a place of its segment; None where there is none."""
    if len(data) < FRAME_HEAD:
        return None
    head, (checksum,) = bytes(data[: _FRAME.size]), _SUM.unpack(data[_FRAME.size : FRAME_HEAD])
    if head[:4] not in MARKS or checksum != _core.crc32c(head, seed ^ (at & 0xFFFFFFFF)):
        return None
    mark, *rest = _FRAME.unpack(head)
    return Head(MARKS[mark], *rest)


def read_body(head: Head, body: bytes, seed: int) -> Frame | None:
    """The frame, if its body is whole and undamaged."""
    if len(body) != head.body_bytes or _core.crc32c(body, seed) != head.checksum:
        return None
    ends, received = 4 * head.count, 8 * head.count if head.carried else 0
    parts = body[:ends], body[ends : ends + received], body[ends + received :]
    return Frame(head.first, head.count, head.stamp_us, *parts)


def read_segment_head(data: bytes) -> SegmentHead | None:
    """How a segment begins; None where it does not."""
    if len(data) < SEGMENT_HEAD:
        return None
    magic, *rest = _SEGMENT.unpack(data[: _SEGMENT.size])
    head = SegmentHead(*rest)
    return head if magic == _MAGIC and head.encode() == data[:SEGMENT_HEAD] else None


def damaged(path: Path, at: int) -> StoreError:
    """Bytes that were synced are not as they were written."""
    return StoreError(
        f"the log is damaged: {path} at byte {at}",
        "nothing was cut: bring the file back from a copy, or count what can be read into a new store (--store DIR)",
    )
