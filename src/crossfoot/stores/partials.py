"""Partial values: the value of a cell in one shard, as bytes that nobody but the core looks into.

Those of one cell in several shards add up. A table with columns `window` (microseconds, null: all time), `__group` (the
dimensions' values as keys have them, in the order of the values, nulls first) and `__partial` is asked like a store.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from crossfoot import _core
from crossfoot.native import core_errors, read_stream
from crossfoot.stores.protocol import Scan

if TYPE_CHECKING:
    import pyarrow as pa

WINDOW, GROUP, PARTIAL, EVENTS = "window", "__group", "__partial", "__events"


def scan_partials(plan: dict[str, Any], scan: Scan, rows: pa.Table, watermark_us: int | None = None) -> pa.Table:
    """What a store with these cells would answer; rows come in any order, one for each cell and shard.

    Windows that retention no longer keeps at the watermark are left out.
    """
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    with core_errors():
        return read_stream(
            _core.scan_partials(json.dumps(plan), scan.request(), sink.getvalue().to_pybytes(), watermark_us)
        )


def scan_prefix(plan: dict[str, Any], scan: Scan) -> tuple[bytes, bool]:
    """How `__group` begins in all cells that can be part of the answer; whether that is the whole of the only one."""
    with core_errors():
        return _core.scan_prefix(json.dumps(plan), scan.request())
