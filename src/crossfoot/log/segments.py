"""The files of a log as they are found, and how much of the newest one is whole."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from crossfoot import _core
from crossfoot.log.disk import Disk
from crossfoot.log.frames import (
    FRAME_HEAD,
    MARKS,
    SEGMENT_HEAD,
    SegmentHead,
    damaged,
    read_body,
    read_head,
    read_segment_head,
)

SYNCED = "SYNCED"
"""The file that says how far the log is synced."""
_SYNCED = struct.Struct("<QQ")


@dataclass(slots=True)
class Segment:
    """A file of the log. `bytes` is how much of it is synced."""

    path: Path
    head: SegmentHead
    bytes: int = SEGMENT_HEAD

    @property
    def first(self) -> int:
        """The position of its first record."""
        return self.head.first


@dataclass(frozen=True, slots=True)
class Synced:
    """How much of the newest segment is synced, as its writer knew. Itself not synced: it may be older than the log."""

    first: int = -1
    size: int = 0

    def encode(self) -> bytes:
        """Its bytes."""
        place = _SYNCED.pack(self.first, self.size)
        return place + _core.crc32c(place, 0).to_bytes(4, "little")


def read_synced(folder: Path) -> Synced:
    """What the last writer knew to be synced."""
    file = folder / SYNCED
    data = file.read_bytes() if file.exists() else b""
    if len(data) != _SYNCED.size + 4:
        return Synced()
    synced = Synced(*_SYNCED.unpack(data[: _SYNCED.size]))
    return synced if synced.encode() == data else Synced()


def find_segments(folder: Path, synced: Synced, disk: Disk) -> list[Segment]:
    """The segments, in their order. Only the newest may be unfinished: then it was never used."""
    found: list[Segment] = []
    paths = sorted(folder.glob("[0-9]" * 20 + ".log"))
    for path in paths:
        with path.open("rb") as file:
            head = read_segment_head(file.read(SEGMENT_HEAD))
        size = path.stat().st_size
        if head is None and path == paths[-1] and size <= SEGMENT_HEAD and int(path.stem) > synced.first:
            disk.remove(path)
            continue
        if head is None or path.name != file_name(head.first):
            raise damaged(path, 0)
        if found and head.born_us != found[0].head.born_us:
            raise damaged(path, 0)
        found.append(Segment(path, head, size))
    if synced.first > (found[-1].first if found else -1):
        raise damaged(folder / file_name(synced.first), 0)
    return found


def file_name(first: int) -> str:
    """The file of the segment that begins with a position."""
    return f"{first:020d}.log"


@dataclass(frozen=True, slots=True)
class Walked:
    """The whole frames at the beginning of a segment: where they end, the next position, the newest stamp."""

    bytes: int
    end: int
    stamp_us: int


def walk_newest(newest: Segment, synced: Synced) -> Walked:
    """Pass over the frames of the newest segment, up to a tail that was never synced.

    StoreError where damage lies in what was synced: as `synced` says, or a later frame.
    """
    data, segment = newest.path.read_bytes(), newest.head
    walked = Walked(SEGMENT_HEAD, segment.first, segment.stamp_us)
    while walked.bytes < len(data):
        view = memoryview(data)[walked.bytes :]
        head = read_head(view[:FRAME_HEAD], walked.bytes, segment.seed)
        frame = head and read_body(head, bytes(view[FRAME_HEAD : FRAME_HEAD + head.body_bytes]), segment.seed)
        if not head or not frame or frame.first != walked.end:
            break
        walked = Walked(walked.bytes + FRAME_HEAD + head.body_bytes, frame.end, frame.stamp_us)
    least = synced.size if synced.first == newest.first else 0
    if walked.bytes < least or _was_synced(data, walked.bytes, segment.seed):
        raise damaged(newest.path, walked.bytes)
    return walked


def _was_synced(data: bytes, at: int, seed: int) -> bool:
    """Whether a frame further on says that what lies at this place was synced before it was written."""
    for mark in MARKS:
        found = data.find(mark, at + 1)
        while found >= 0:
            head = read_head(data[found : found + FRAME_HEAD], found, seed)
            if head and head.synced > at:
                return True
            found = data.find(mark, found + 1)
    return False
