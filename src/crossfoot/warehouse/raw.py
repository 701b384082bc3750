"""The feed of raw events: what the sources give, before anything is remembered of it, as rows.

It stands where the counting engine stands, and is handed the same; but it reads by itself, and keeps only positions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crossfoot import _core
from crossfoot.clock import Clock
from crossfoot.definition.compile import compile_plan
from crossfoot.definition.model import Definition
from crossfoot.errors import InternalError
from crossfoot.native import core_errors, read_stream
from crossfoot.warehouse.outbox import Outbox
from crossfoot.warehouse.tables import raw_events

if TYPE_CHECKING:
    import pyarrow as pa

_TAIL_BYTES = 256
_POSITIONS = "partitions"


class RawEngine:
    """Records in, parcels out. `attempts` names the sources whose records begin with their publish attempt."""

    def __init__(
        self,
        definition: Definition,
        outbox: Outbox,
        clock: Clock,
        prefix: str = "",
        attempts: frozenset[str] = frozenset(),
    ) -> None:
        self.definition = definition
        self._outbox = outbox
        self._clock = clock
        self._table = raw_events(prefix).name
        self._attempts = attempts
        self._partitions: dict[str, dict[str, Any]] = json.loads(json.dumps(outbox.mark.get(_POSITIONS, {})))
        self._sources: dict[str, str] = dict(outbox.mark.get("sources", {}))
        self._rows: list[pa.Table] = []
        self._accounts: dict[str, int] = {}
        self._is_changed = False
        self._begun = self._epoch_ns = 0
        with core_errors():
            self._core = _core.RawRows(compile_plan(definition))

    def partitions(self) -> dict[str, dict[str, Any]]:
        """How far each partition is, in the form of a store's."""
        return {name: dict(kept) for name, kept in self._partitions.items()}

    def register_as(self, partitions: Sequence[tuple[str, str]], sources: Mapping[str, str] | None = None) -> None:
        """Partitions with their identities; `sources` says of which source each is."""
        self._sources |= sources or {}
        for name, identity in partitions:
            kept = self._partitions.setdefault(name, _begun(name, identity))
            if kept["identity"] != identity:
                raise InternalError(f"the partition {name} is not the one that was read before", "report this")
            kept["live"] = True
        self._is_changed = True

    # What is handed over.

    def feed(self, partition: str, data: bytes, now_us: int) -> None:
        """Whole lines."""
        kept = self._partitions[partition]
        with core_errors():
            stream, records = self._core.lines(partition, data, kept["records"], now_us)
        self._add(partition, stream, now_us)
        tail = data[-_TAIL_BYTES:]
        kept["records"] += records
        kept["bytes"] += len(data)
        kept["tail"] = (len(tail), _core.tail_hash(tail))
        kept["digest"] = None if kept["digest"] is None else _core.crc32c(data, kept["digest"])

    def feed_block(self, partition: str, data: bytes, columns: tuple[bytes, bytes, bytes, bytes], now_us: int) -> None:
        """A block of records."""
        if not columns[1]:
            return
        kept, has_attempts = self._partitions[partition], self._sources.get(partition, "") in self._attempts
        with core_errors():
            stream, records = self._core.records(partition, data, columns, has_attempts, now_us)
        self._add(partition, stream, now_us)
        last = int.from_bytes(columns[1][-8:], "little")
        kept["records"] += records
        kept["next_offset"] = last + 1

    def skip(self, partition: str, length: int, head: bytes) -> None:
        """A line over the size limit; without a head it was white space, which is no record."""
        kept = self._partitions[partition]
        if head:
            with core_errors():
                stream, records = self._core.long_line(kept["records"])
            self._add(partition, stream, self._clock.now_us())
            kept["records"] += records
        kept["bytes"] += length
        kept["tail"], kept["digest"] = (0, 0), None
        self._is_changed = True

    def skip_to(self, partition: str, offset: int) -> None:
        """What lies before this position was handed out, or never will be."""
        kept = self._partitions[partition]
        if kept["next_offset"] != offset:
            kept["next_offset"] = offset
            self._is_changed = True

    def heartbeat(self, partition: str, t_us: int) -> None:
        """It says nothing of records."""

    def finish(self, partition: str, state: str | None = None) -> None:
        """A partition is at its end."""
        self._partitions[partition] |= {"live": False, "state": state}
        self._is_changed = True

    def _add(self, partition: str, stream: bytes, now_us: int) -> None:
        import pyarrow as pa

        rows = read_stream(stream)
        for counted in rows["account"].value_counts():
            name = counted["values"].as_py()
            self._accounts[name] = self._accounts.get(name, 0) + counted["counts"].as_py()
        beside = {
            "source": (self._sources.get(partition), pa.string()),
            "partition": (partition, pa.string()),
            "read_at": (now_us, pa.timestamp("us", "UTC")),
        }
        for name, (value, kind) in beside.items():
            rows = rows.append_column(name, pa.repeat(pa.scalar(value, kind), len(rows)))
        self._rows.append(rows)
        self._is_changed = True

    # Parcels.

    def commit(self) -> int:
        """Everything since the last one is a parcel; the number of the newest."""
        import pyarrow as pa

        if not self._is_changed:
            return self._outbox.newest
        rows = pa.concat_tables(self._rows) if self._rows else pa.table({})
        number = self._outbox.put({self._table: rows}, {_POSITIONS: self._partitions, "sources": self._sources})
        self._rows, self._is_changed = [], False
        return number

    def commit_beside(self) -> int:
        """A parcel is written at once; the number of this call."""
        began = self._clock.elapsed_s()
        self.commit()
        self._epoch_ns = int(1e9 * (self._clock.elapsed_s() - began))
        self._begun += 1
        return self._begun

    def settled(self) -> dict[str, Any]:
        """Progress, with the newest of such calls, and how long it took."""
        return {**self.progress(), "begun": self._begun, "epoch_ns": self._epoch_ns}

    def progress(self) -> dict[str, Any]:
        """As that of an engine that counts."""
        times = {"clock_us": None, "watermark_us": None}
        return {"epoch": self._outbox.newest, "accounts": dict(self._accounts), "journal_bytes": None, **times}


def _begun(name: str, identity: str) -> dict[str, Any]:
    beginning: dict[str, Any] = {"name": name, "identity": identity, "records": 0, "bytes": 0, "tail": (0, 0)}
    return {**beginning, "next_offset": None, "digest": 0, "state": None, "live": True, "last_t_us": None}
