"""Messages of the prepared form, made by hand as the form is written down."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any
from uuid import UUID

import pyarrow as pa

from crossfoot.services.group.share import Block
from crossfoot.services.relay.heads import Wanted

WANTED = Wanted("crossfoot:clicks", "0123456789abcdef" * 2)


def single(number: int = 1, **changed: Any) -> bytes:
    """One event."""
    said = {
        "specversion": "1.0",
        "id": str(UUID(int=number)),
        "source": WANTED.source,
        "type": "crossfoot.prepared",
        "time": f"2015-09-12T10:00:00.{number:06}Z",
        "received": "2015-09-12T10:00:05.000000Z",
        "definition": WANTED.definition,
        "topic": "clicks",
        "partition": 0,
        "offset": str(number),
        "attempt": 1,
        "datacontenttype": "application/json",
        "data": {"page": "a"},
    }
    kept = {name: value for name, value in {**said, **changed}.items() if value is not ...}
    return json.dumps(kept, separators=(",", ":")).encode()


def block(offsets: Sequence[int], elements: Sequence[int | None] | None = None, **metadata: str) -> bytes:
    """Many events, whose time is their offset in microseconds."""
    said = {"crossfoot.form": "prepared", "definition": WANTED.definition, "source": WANTED.source}
    said |= {"topic": "clicks", "partition": "3", **metadata}
    count = len(offsets)
    times = pa.array(offsets, pa.timestamp("us", "UTC"))
    columns = {
        "id": pa.array([UUID(int=offset).bytes for offset in offsets], pa.binary(16)),
        "time": times,
        "received": times,
        "offset": pa.array(offsets, pa.int64()),
        "element": pa.array(elements or [None] * count, pa.int32()),
        "attempt": pa.array([1] * count, pa.int32()),
        "data.page": pa.array(["a"] * count),
    }
    table = pa.table(columns).replace_schema_metadata(said)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def records_from(first: int, *values: bytes) -> Block:
    """Records from an offset on; the broker stamps the first at 1000 µs, each further one a microsecond earlier."""
    count = len(values)
    return Block(
        0,
        b"".join(values),
        array("I", accumulate(map(len, values))).tobytes(),
        array("Q", range(first, first + count)).tobytes(),
        array("q", range(1000, 1000 - count, -1)).tobytes(),
    )
