"""Segments that nobody reads any more -> Parquet parts: what was accepted, kept as long as the definition says.

A part has its name once it is whole and synced; only then is the segment deleted. Its name follows from what it holds,
so a segment that is sealed again after a crash is the same part.
"""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfoot.definition.model import Archive
from crossfoot.errors import StoreError
from crossfoot.event import ABSENT_US
from crossfoot.log.disk import Disk
from crossfoot.log.frames import Frame
from crossfoot.log.log import Log
from crossfoot.log.reader import frames_of
from crossfoot.log.segments import Segment

_NEWEST = b"crossfoot.newest_us"


@dataclass(frozen=True, slots=True)
class Part:
    """A sealed part: its file, its bytes, and the stamp of its newest record."""

    path: Path
    bytes: int
    newest_us: int


class LogArchive:
    """The archive of one log: a folder of parts. `keep` bounds it; all logs of a store share the bound in bytes."""

    def __init__(self, folder: Path, partition: str, keep: Archive, disk: Disk | None = None) -> None:
        import pyarrow.parquet  # noqa: F401 (loaded before anything is counted, not between two epochs)

        self._folder = folder
        self._partition = partition
        self._keep = keep
        self._disk = disk or Disk()
        self._known: dict[Path, Part] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._disk.sync_folder(folder.parent.parent)
        self._disk.sync_folder(folder.parent)
        for draft in folder.glob("*.new"):
            self._disk.remove(draft)

    def seal(self, log: Log, segment: Segment) -> Path:
        """Write a segment as a part, durable under its name."""
        frames = list(frames_of(log, segment))
        path = self._folder / f"{frames[0].first:020d}-{frames[-1].end:020d}.parquet"
        draft = path.with_suffix(".new")
        try:
            self._write(draft, frames)
            self._disk.replace(draft, path)
            self._disk.sync_folder(self._folder)
        except OSError as error:
            hint = "nothing was deleted: see to the disk, then run again"
            raise StoreError(f"cannot write {path}: {error.strerror or error}", hint) from error
        return path

    def _write(self, draft: Path, frames: list[Frame]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = _table(frames, self._partition)
        sink = pa.BufferOutputStream()
        pq.write_table(
            table, sink, compression="zstd", use_dictionary=["partition"], write_statistics=["position", "stamp"]
        )
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._disk.write(file, sink.getvalue(), 0)
            self._disk.sync(file)
        finally:
            os.close(file)

    def parts(self) -> list[Part]:
        """The parts of all logs of the store, oldest first."""
        paths = self._folder.parent.glob("*/*.parquet")
        self._known = {path: self._known.get(path) or part_of(path) for path in paths}
        return sorted(self._known.values(), key=lambda part: (part.newest_us, part.path))

    def expire(self, now_us: int) -> list[Part]:
        """Delete what is older than the definition keeps, then the oldest beyond its bytes."""
        parts, keep = self.parts(), self._keep
        held = sum(part.bytes for part in parts)
        expired = []
        for part in parts:
            is_old = keep.keep_us is not None and part.newest_us < now_us - keep.keep_us
            if is_old or (keep.bytes_max is not None and held > keep.bytes_max):
                held -= part.bytes
                self._disk.remove(part.path)
                expired.append(part)
        return expired


def part_of(path: Path) -> Part:
    """A part, as its file says."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path).metadata or {}
        return Part(path, path.stat().st_size, int(metadata[_NEWEST]))
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise StoreError(f"the archive is damaged: {path}: {error}", "bring the file back from a copy") from error


def _table(frames: list[Frame], partition: str) -> Any:
    """The records with their positions, stamps and received times."""
    import pyarrow as pa

    columns = [frame.columns() for frame in frames]
    count = sum(frame.count for frame in frames)
    times = pa.timestamp("us", tz="UTC")
    none = array("q", [ABSENT_US])
    received = [frame.received or (none * frame.count).tobytes() for frame in frames]
    place = pa.repeat(pa.scalar(0, pa.int32()), count)
    arrays = {
        "partition": pa.DictionaryArray.from_arrays(place, [partition]),
        "position": _integers([column[1] for column in columns]),
        "stamp": _integers([column[2] for column in columns]).cast(times),
        "received": _without_absent(_integers(received)).cast(times),
        "record": _records(frames),
    }
    return pa.table(arrays).replace_schema_metadata({_NEWEST: str(frames[-1].stamp_us)})


def _integers(blocks: list[bytes]) -> Any:
    import pyarrow as pa

    joined = b"".join(blocks)
    return pa.Array.from_buffers(pa.int64(), len(joined) // 8, [None, pa.py_buffer(joined)])


def _without_absent(times: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.equal(times, ABSENT_US), pa.scalar(None, pa.int64()), times)


def _records(frames: list[Frame]) -> Any:
    """The bytes of the records; each frame is an array without a copy of its own."""
    import pyarrow as pa

    chunks = []
    for frame in frames:
        starts = pa.py_buffer(bytes(4) + frame.ends)
        buffers = [None, starts, pa.py_buffer(frame.data)]
        chunks.append(pa.Array.from_buffers(pa.binary(), frame.count, buffers))
    return pa.chunked_array(chunks, pa.binary())
