"""The embedded engine: the native core behind the engines' protocol."""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crossfoot import _core
from crossfoot.definition.compile import compile_plan
from crossfoot.definition.model import Definition
from crossfoot.errors import InternalError
from crossfoot.event import (
    ABSENT_US,
    Account,
    CellTable,
    LedgerRow,
    PartitionStatus,
    PositionedRecord,
    SideEntry,
    Status,
    ends_of,
)
from crossfoot.native import Crashed, core_errors, durable_steps, open_reader, read_stream

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Crashed", "EmbeddedEngine", "core_errors", "durable_steps"]


class EmbeddedEngine:
    """Counts into a store on disk. Partitions are named by the caller; their identity defaults to their name."""

    def __init__(
        self,
        path: str | Path,
        definition: Definition,
        *,
        crash_at: tuple[str, int] | None = None,
        **options: Any,
    ) -> None:
        if crash_at is not None:
            options["crash"] = {"step": crash_at[0], "nth": crash_at[1]}
        self.path = Path(path)
        self.definition = definition
        with core_errors():
            self.core = _core.Engine(str(path), compile_plan(definition), json.dumps(options))
        self._live = {name for name, state in self.partitions().items() if state["live"]}
        self._begun = 0

    def partitions(self) -> dict[str, dict[str, Any]]:
        """What the store keeps of each partition, the running epoch included."""
        with core_errors():
            partitions: dict[str, dict[str, Any]] = json.loads(self.core.partitions())
            return partitions

    def register(self, partitions: Sequence[str]) -> None:
        self.register_as([(name, name) for name in partitions])

    def register_as(self, partitions: Sequence[tuple[str, str]], sources: Mapping[str, str] | None = None) -> None:
        """Register partitions with their identities; names that are unknown to a running store join it.

        `sources` says of which source each is, for who keeps the records.
        """
        del sources
        with core_errors():
            self.core.register(json.dumps(partitions))
        self._live |= {name for name, _ in partitions}

    def rejoin(self, partitions: Sequence[tuple[str, str, int | None]]) -> None:
        """Let partitions join as it was recorded, each with its identity and its J: in a recount."""
        with core_errors():
            self.core.rejoin(json.dumps(partitions))
        self._live |= {name for name, *_ in partitions}

    def feed(self, partition: str, data: bytes, now_us: int, start_record: int | None = None) -> None:
        if partition not in self._live:
            self.register([partition])
        if start_record is not None and start_record != self.partitions()[partition]["records"]:
            raise InternalError(f"partition {partition} is not at record {start_record}")
        self.feed_part(partition, data, (0, len(data)), now_us)

    def feed_part(self, partition: str, data: bytes, span: tuple[int, int], now_us: int) -> None:
        """Count whole lines, a part of the data that is not copied, of a partition that was registered."""
        with core_errors():
            self.core.feed(partition, data, span, now_us)

    def feed_records(self, partition: str, records: Sequence[PositionedRecord], now_us: int) -> None:
        """Count records whose source gives their bounds, positions and stamps."""
        if partition not in self._live:
            self.register([partition])
        if any(record.recorded_us is not None for record in records):
            recorded = _times(record.recorded_us for record in records)
            self.recount_block(partition, *block_of(records), recorded, now_us)
        else:
            self.feed_block(partition, *block_of(records), now_us)

    def recount_block(self, partition: str, data: bytes, columns: Columns, recorded: bytes, now_us: int) -> None:
        """Count a block of an archive by the t that was recorded of each record (i64; empty: none)."""
        with core_errors():
            self.core.recount(partition, data, columns, (recorded, False), now_us)

    def feed_block(self, partition: str, data: bytes, columns: tuple[bytes, bytes, bytes, bytes], now_us: int) -> None:
        """Count a block of records: ends (u32), positions (u64), stamps and received times (i64, the least: none)."""
        with core_errors():
            self.core.feed_records(partition, data, columns, now_us)

    def skip_to(self, partition: str, offset: int) -> None:
        """What lies before this position was handed out, or never will be."""
        with core_errors():
            self.core.skip_to(partition, offset)

    def skip(self, partition: str, length: int, head: bytes) -> None:
        """Account for a line over the size limit: its bytes with the line end, and its beginning; none: white space."""
        with core_errors():
            self.core.skip(partition, length, head)

    def heartbeat(self, partition: str, t_us: int) -> None:
        with core_errors():
            self.core.heartbeat(partition, t_us)

    def finish(self, partition: str, state: str | None = None) -> None:
        """A bounded partition is at its end; `state` says how its source was then."""
        with core_errors():
            self.core.finish(partition, state)
        self._live.discard(partition)

    def commit(self) -> int:
        with core_errors():
            return self.core.commit()

    def times(self) -> list[tuple[str, bytes]]:
        """The t of every record since this was asked last, by partition (i64); only with the option `times`."""
        with core_errors():
            return self.core.times()

    def commit_beside(self) -> int:
        """Let an epoch be written beside counting, and wait for nothing: an error is that of a later call.

        Returns the number of this call, by which `settled` tells that what was fed before it is durable.
        """
        self._begun += 1
        with core_errors():
            self.core.commit_beside(self._begun)
        return self._begun

    def settled(self) -> dict[str, Any]:
        """Progress as of the newest epoch that was begun so and exists; `begun` is the number of its call."""
        with core_errors():
            begun, progress = self.core.told()
        return {**json.loads(progress), "begun": begun}

    def checkpoint(self) -> None:
        """Move what the journal holds into the store's segments."""
        with core_errors():
            self.core.checkpoint()

    def progress(self) -> dict[str, Any]:
        """Totals since the engine was opened, clocks and sizes."""
        with core_errors():
            progress: dict[str, Any] = json.loads(self.core.progress())
            return progress

    def close(self) -> None:
        """Commit what was fed, write a checkpoint, and release the store."""
        with core_errors():
            self.core.close()

    def abandon(self) -> None:
        """Let go of the store as a crash would."""
        self.core.abandon()

    def cells(self) -> list[CellTable]:
        reader = open_reader(self.path)
        return [
            cell_table(reader, self.definition, (m, s, g))
            for m, metric in enumerate(self.definition.metrics)
            for s in range(len(metric.sets))
            for g in range(len(metric.grains))
        ]

    def ledger(self) -> list[LedgerRow]:
        return [
            LedgerRow(
                partition=row["partition"],
                minute_us=row["minute"],
                account=Account(row["account"]),
                reason=row["reason"],
                part=row["part"],
                records=row["records"],
                digest=int(row["digest"], 16),
            )
            for row in rows_of(open_reader(self.path).ledger()).to_pylist()
        ]

    def side_log(self) -> list[SideEntry]:
        rows = rows_of(open_reader(self.path).side_log(1 << 40)).to_pylist()
        return [side_entry(row) for row in rows]

    def status(self) -> Status:
        meta = json.loads(open_reader(self.path).meta())
        return Status(
            epoch=meta["epoch"],
            clock_us=meta["clock_us"],
            forgotten_us=meta["forgotten_us"],
            watermark_us=meta["watermark_us"],
            final=meta["final"],
            partitions={
                p["name"]: PartitionStatus(
                    "live" if p["live"] else "finished", p["last_t_us"], p["records"], p["gaps"], p["exploded"]
                )
                for p in meta["partitions"]
            },
        )


Columns: TypeAlias = tuple[bytes, bytes, bytes, bytes]


def block_of(records: Sequence[PositionedRecord]) -> tuple[bytes, Columns]:
    """Records as `feed_block` takes them."""
    columns = (
        ends_of(record.data for record in records).tobytes(),
        array("Q", [record.offset for record in records]).tobytes(),
        _times(record.stamp_us for record in records),
        _times(record.received_us for record in records),
    )
    return b"".join(record.data for record in records), columns


def _times(values: Iterable[int | None]) -> bytes:
    """A column of times; the least of all numbers stands for none."""
    return array("q", [ABSENT_US if value is None else value for value in values]).tobytes()


def rows_of(stream: bytes) -> pa.Table:
    """The table of an Arrow IPC stream; times as integer microseconds."""
    import pyarrow as pa

    table = read_stream(stream)
    for number, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(number, field.name, table.column(number).cast(pa.int64()))
    return table


def side_entry(row: dict[str, Any]) -> SideEntry:
    """A row of a side log's table."""
    return SideEntry(
        partition=row["partition"],
        record=row["record"],
        account=Account(row["account"]),
        reason=row["reason"],
        part=row["part"],
        event_us=row["event_time"],
        received_us=row["received_time"],
        t_us=row["t"],
        uuid=None if row["uuid"] is None else int(row["uuid"], 16),
        raw=row["raw"],
        element=row["element"],
    )


def cell_table(reader: _core.Reader, definition: Definition, place: tuple[int, int, int]) -> CellTable:
    """One stored table as rows of Python values."""
    metric = definition.metrics[place[0]]
    dims, grain = metric.sets[place[1]], metric.grains[place[2]]
    request = {"metric": place[0], "set": place[1], "grain": place[2], "dims": list(range(len(dims)))}
    with core_errors():
        table = rows_of(reader.scan(json.dumps(request)))
        expired = reader.expired(*place)
    types = {field.name: field.type.name for field in definition.event.fields}
    whole = {measure.name for measure in metric.measures if types.get(measure.field or "") == "integer"}
    columns = {name: python_values(table, name, whole) for name in table.column_names if name != "__events"}
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return CellTable(metric.name, dims, grain.text, tuple(rows), expired)


def python_values(table: pa.Table, name: str, whole: Collection[str] = ()) -> list[Any]:
    """A column as Python values: JSON texts (a dimension of several kinds) decoded, sums beyond 64 bits as integers."""
    values: list[Any] = table.column(name).to_pylist()
    if (table.schema.field(name).metadata or {}).get(b"crossfoot") == b"json":
        return [None if value is None else json.loads(value) for value in values]
    if name in whole:
        return [int(value) if isinstance(value, Decimal) else value for value in values]
    return values
