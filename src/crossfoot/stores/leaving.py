"""What leaves shards once, beside their cells: ids of counted events, and records that could not be counted.

A commit's share is a row of the Bigtable table, under a key of its shard and sequence. Doing it again writes the same
row; it is read when the shard says that everything of that sequence is there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from crossfoot.stores.bigtable_rows import Cell, Row

if TYPE_CHECKING:
    import pyarrow as pa

IDS, REFUSED = "ids", "refused"
_COLUMN, _WRITTEN = "rows", "written"
_SIDE = (
    *("partition", "record", "element", "account", "reason", "part", "at"),
    *("event_time", "received_time", "t", "uuid", "length", "raw"),
)
_ID = struct.Struct("<16sqI")
"""An id as the core keeps it: the uuid, the event time in microseconds, a digest of the declared fields."""


class Leaving(NamedTuple):
    """What a commit hands out of a kind: entries of ids, or rows of a side log as an Arrow stream."""

    kind: str
    sequence: int
    data: bytes

    def row(self, shard: int, now_us: int) -> Row:
        """Where it lies in a table, and when it was written there."""
        written = Cell(_WRITTEN, self.sequence, str(now_us).encode())
        return Row(_key(self.kind, shard, self.sequence), [Cell(_COLUMN, self.sequence, self.data), written])


def ranges_of(kind: str, after: Mapping[int, int], until: Mapping[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """By shard: the keys of the commits behind one and up to another. In the order of the keys."""
    for shard, last in sorted(until.items()):
        yield _key(kind, shard, after.get(shard, 0) + 1), _key(kind, shard, last + 1)


def place_of(key: bytes) -> tuple[int, int]:
    """Shard and sequence of a key."""
    return int(key[:-9].rpartition(b"/")[2]), int.from_bytes(key[-8:], "big")


def data_of(row: Row) -> bytes:
    """What the row holds."""
    return next(cell.value for cell in row.cells if cell.column == _COLUMN)


def is_older(row: Row, than_us: int) -> bool:
    """Whether it was written before a moment."""
    return any(cell.column == _WRITTEN and int(cell.value) < than_us for cell in row.cells)


def id_columns(entries: Iterable[bytes]) -> dict[str, pa.Array]:
    """Ids as columns: `uuid` and `content` in hex, `event_time`."""
    import pyarrow as pa

    found = [each for part in entries for each in _ID.iter_unpack(part)]
    return {
        "uuid": pa.array([uuid[::-1].hex() for uuid, _, _ in found], pa.string()),
        "event_time": pa.array([at for _, at, _ in found], pa.timestamp("us", "UTC")),
        "content": pa.array([f"{digest:08x}" for _, _, digest in found], pa.string()),
    }


def id_count(data: bytes) -> int:
    """How many ids there are."""
    return len(data) // _ID.size


def stream_of(rows: pa.Table) -> bytes:
    """Rows of a side log as a stream, packed."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())


def side_schema() -> pa.Schema:
    """The columns of a side log."""
    import pyarrow as pa

    texts, numbers, times = (
        ("partition", "account", "reason", "part", "uuid"),
        ("record", "at", "length"),
        ("event_time", "received_time", "t"),
    )
    types = dict.fromkeys(texts, pa.string()) | dict.fromkeys(numbers, pa.uint64())
    types |= dict.fromkeys(times, pa.timestamp("us", "UTC")) | {"element": pa.uint32(), "raw": pa.binary()}
    return pa.schema([(name, types[name]) for name in _SIDE])


def _key(kind: str, shard: int, sequence: int) -> bytes:
    """Before those of all cells, which begin with a salt."""
    return f"#{kind}/{shard:04d}/".encode() + sequence.to_bytes(8, "big")
