"""Shards in one process: blocks counted, states dumped and loaded at each commit, and what left them added up."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import pyarrow as pa

from crossfoot import _core
from crossfoot.definition.model import Definition
from crossfoot.engines.embedded import cell_table, rows_of, side_entry
from crossfoot.engines.shard import Delta, Shard, ShardState, Split, Splitter, shard_plan
from crossfoot.event import ABSENT_US, CellTable, PositionedRecord, SideEntry
from crossfoot.stores.partials import GROUP, WINDOW

Block = tuple[int, bytes, int]
"""The shard, its block, and the stamp of its arrival."""


class Sink:
    """What left the shards: of every cell in every shard the newest version."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.cells: dict[tuple[int, int, int], dict[tuple[Any, ...], tuple[int, dict[str, Any]]]] = {}
        self.schemas: dict[tuple[int, int, int], pa.Schema] = {}
        self.side: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.minutes: dict[tuple[Any, ...], int] = {}
        self.metas: dict[int, dict[str, Any]] = {}
        self.accounts: dict[int, list[tuple[str, str, str, str, int]]] = {}

    def take(self, number: int, shard: Shard, after: int | None = None) -> None:
        """Take over what the last commit of a shard has changed."""
        version = shard.sequence
        for metric, by, grain, table in shard.changes(after):
            cells = self.cells.setdefault((metric, by, grain), {})
            kept = table.select([WINDOW, GROUP, "__partial"])
            self.schemas[metric, by, grain] = kept.schema
            for row in kept.to_pylist():
                key = (number, row[GROUP], row[WINDOW])
                if version >= cells.get(key, (0,))[0]:
                    cells[key] = (version, row)
        for row in rows_of_table(shard.side_log()):
            self.side[number, row["partition"], row["record"], row["element"]] = row
        for row in rows_of_table(shard.ledger()):
            key = tuple(row[name] for name in ("partition", "minute", "account", "reason", "part"))
            self.minutes[number, *key] = row["records"]
        self.metas[number], self.accounts[number] = shard.meta, shard.accounts

    def scan(self, request_json: str) -> bytes:
        """As a reader's: all shards added up."""
        asked = json.loads(request_json)
        place = asked["metric"], asked["set"], asked["grain"]
        rows = [row for _, row in self.cells.get(place, {}).values()]
        schema = self.schemas.get(place, _NOTHING)
        plan, partials = shard_plan(self.definition), bytes_of(pa.Table.from_pylist(rows, schema))
        return _core.scan_partials(plan, request_json, partials, self.watermark_us)

    def expired(self, metric: int, by: int, grain: int) -> int:
        """Events that a reader does not see any more."""
        request = {"metric": metric, "set": by, "grain": grain, "dims": []}
        seen: int = sum(row["__events"] for row in rows_of(self.scan(json.dumps(request))).to_pylist())
        passed: int = sum(meta["passed"][metric] for meta in self.metas.values())
        return passed - seen

    @property
    def watermark_us(self) -> int | None:
        """The lowest of all shards; none while one has none."""
        marks = [meta["watermark_us"] for meta in self.metas.values()]
        return min(marks) if marks and None not in marks else None

    def tables(self) -> list[CellTable]:
        return tables_of(self, self.definition)

    def totals(self) -> dict[str, int]:
        """Records by account, reason and part, without the ages of copies."""
        sums: dict[str, int] = {}
        for rows in self.accounts.values():
            for _, account, reason, part, records in rows:
                name = " ".join(filter(None, (account, "" if account == "duplicate" else reason, part)))
                sums[name] = sums.get(name, 0) + records
        return dict(sorted(sums.items()))

    def events(self) -> dict[str, int]:
        """Entries of the ledgers, by the partition that they came from."""
        sums: dict[str, int] = {}
        for meta in self.metas.values():
            for partition in meta["partitions"]:
                sums[partition["name"]] = sums.get(partition["name"], 0) + partition["records"]
        return dict(sorted(sums.items()))

    def side_entries(self) -> list[SideEntry]:
        entries = [side_entry(row) for row in self.side.values()]
        return sorted(entries, key=lambda e: (e.partition, e.record, -1 if e.element is None else e.element))


_NOTHING = pa.schema([(WINDOW, pa.int64()), (GROUP, pa.binary()), ("__partial", pa.binary())])


def tables_of(reader: Any, definition: Definition) -> list[CellTable]:
    """Every stored table; the reader is asked as the core's own is."""
    return [
        cell_table(reader, definition, (m, s, g))
        for m, metric in enumerate(definition.metrics)
        for s in range(len(metric.sets))
        for g in range(len(metric.grains))
    ]


def bytes_of(table: pa.Table) -> bytes:
    """As the core hands it over."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def rows_of_table(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = rows_of(bytes_of(table)).to_pylist()
    return rows


class Fleet:
    """The shards of a definition. Each bundle loads their states, counts, and commits: nothing else is kept."""

    def __init__(self, definition: Definition, shards: int) -> None:
        self.definition, self.shards = definition, shards
        self.states = [ShardState() for _ in range(shards)]
        self.sink = Sink(definition)
        # By partition: entries that the ledgers must have.
        self.handed: Counter[str] = Counter()

    def bundle(self, blocks: Iterable[Block], retries: int = 0) -> list[Delta]:
        """Count some blocks, and commit; each shard does it again so often before its commit is kept.

        A shard that gets nothing does nothing; where there are no blocks at all, each makes an empty commit.
        """
        mine: dict[int, list[Block]] = {number: [] for number in range(self.shards)}
        for block in blocks:
            mine[block[0]].append(block)
        busy = {number: todo for number, todo in mine.items() if todo} or mine
        return [self._commit(number, todo, retries) for number, todo in busy.items()]

    def beat(self, stamp_us: int) -> None:
        """The clock of every shard has come so far."""
        for number, state in enumerate(self.states):
            shard = state.load(self.definition, number, self.shards)
            shard.heartbeat(stamp_us)
            state.add(shard.commit())
            self.sink.take(number, shard)

    def _commit(self, number: int, blocks: list[Block], retries: int) -> Delta:
        for _ in range(retries + 1):
            shard = self.states[number].load(self.definition, number, self.shards)
            for _, block, stamp_us in blocks:
                shard.apply(block, stamp_us)
            delta = shard.commit()
            # A sink may have got what no commit holds: it is written again.
            self.sink.take(number, shard)
        self.states[number].add(delta)
        return delta


def split_records(
    splitter: Splitter, partition: str, records: Iterable[PositionedRecord], now_us: int, last_t_us: int | None = None
) -> Split:
    records = list(records)
    columns = (
        array("I", accumulate(len(record.data) for record in records)).tobytes(),
        array("Q", [record.offset for record in records]).tobytes(),
        _times(record.stamp_us for record in records),
        _times(record.received_us for record in records),
    )
    data = b"".join(record.data for record in records)
    return splitter.records(partition, data, columns, now_us, (last_t_us, None))


def _times(values: Iterable[int | None]) -> bytes:
    return array("q", [ABSENT_US if value is None else value for value in values]).tobytes()
