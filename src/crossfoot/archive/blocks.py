"""Archived inputs by columns: runs of alike rows, whose records go on as one block, without an object for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossfoot.event import ABSENT_US

if TYPE_CHECKING:
    import pyarrow as pa

_ALIKE = ("epoch", "kind", "source", "partition", "clock")
_ROWS_MAX = 1 << 16

Columns = tuple[bytes, bytes, bytes, bytes]
"""Of a block of records: where each ends (u32), positions (u64), stamps and received times (i64; empty: none)."""


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of one epoch that follow one another, of one kind and partition, that were read at one time."""

    epoch: int | None
    kind: str
    source: str | None
    partition: str
    clock_us: int | None
    batch: pa.RecordBatch

    def rows(self) -> list[dict[str, Any]]:
        """Each input by itself; times are integer microseconds."""
        return as_rows(self.batch)

    def block(self, bytes_max: int) -> tuple[bytes, Columns]:
        """Records as an engine takes them. Of one over the limit only the beginning is there: what follows decides
        nothing.
        """
        import pyarrow as pa

        records = self.batch.column("record")
        if (lengths := self.batch.column("length")).null_count < len(lengths):
            pairs = zip(records.to_pylist(), lengths.to_pylist(), strict=True)
            whole = [data if length is None else data.ljust(min(length, bytes_max + 1)) for data, length in pairs]
            records = pa.array(whole, pa.binary())
        data, ends = _packed(records)
        numbers = (_numbers(self.batch.column(name)) for name in ("position", "stamp", "received"))
        return data, (ends, *numbers)  # type: ignore[return-value]

    def recorded(self) -> bytes:
        """The t of each record (i64; empty: none)."""
        return _numbers(self.batch.column("t"))


def runs(table: pa.Table) -> Iterator[Run]:
    """The rows of a table of the archive's schema, which are in their order."""
    for batch in table.unify_dictionaries().to_batches(max_chunksize=_ROWS_MAX):
        starts = [0, *_changes(batch)]
        for start, end in zip(starts, [*starts[1:], len(batch)], strict=True):
            part = batch.slice(start, end - start)
            epoch, kind, source, partition, clock_us = _common(part)
            yield Run(epoch, kind, source, partition, clock_us, part)


def as_rows(rows: Any) -> list[dict[str, Any]]:
    """Rows of a table or batch as Python values; times are integer microseconds."""
    import pyarrow as pa

    times = [(name, pa.types.is_timestamp(rows.schema.field(name).type)) for name in rows.schema.names]
    arrays = {name: rows.column(name).cast(pa.int64()) if is_time else rows.column(name) for name, is_time in times}
    values = (array.to_pylist() for array in arrays.values())
    return [dict(zip(arrays, row, strict=True)) for row in zip(*values, strict=True)]


def _common(batch: pa.RecordBatch) -> list[Any]:
    """What the rows have in common."""
    import pyarrow as pa

    first = [batch.column(name).slice(0, 1) for name in _ALIKE]
    return [(each.cast(pa.int64()) if pa.types.is_timestamp(each.type) else each)[0].as_py() for each in first]


def _changes(batch: pa.RecordBatch) -> list[int]:
    """The rows that are not like the one before."""
    import pyarrow as pa
    import pyarrow.compute as pc

    changed: Any = pa.scalar(value=False)
    for name in _ALIKE:
        column = batch.column(name)
        codes = column.indices if pa.types.is_dictionary(column.type) else column.cast(pa.int64())
        codes = codes.fill_null(-1 if pa.types.is_dictionary(column.type) else ABSENT_US)
        changed = pc.or_(changed, pc.not_equal(codes.slice(1), codes.slice(0, len(codes) - 1)))
    return [place + 1 for place in pc.indices_nonzero(changed).to_pylist()]


def _packed(records: Any) -> tuple[bytes, bytes]:
    """The bytes of all records, and where each of them ends (u32)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    _, places, data = records.buffers()
    offsets = pa.Array.from_buffers(pa.int32(), len(records) + 1, [None, places], offset=records.offset)
    first, last = offsets[0].as_py(), offsets[len(records)].as_py()
    ends = pc.subtract(offsets.slice(1), pa.scalar(first, pa.int32()))
    return data.slice(first, last - first).to_pybytes() if last > first else b"", _bytes(ends, 4)


def _numbers(column: Any) -> bytes:
    """A column of whole numbers or times; empty where there is none."""
    import pyarrow as pa

    return b"" if column.null_count == len(column) else _bytes(column.cast(pa.int64()).fill_null(ABSENT_US), 8)


def _bytes(array: Any, width: int) -> bytes:
    found: bytes = array.buffers()[1].slice(array.offset * width, len(array) * width).to_pybytes()
    return found
