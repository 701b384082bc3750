"""What leaves: the cells that commits have changed, written out as absolute values of the shard's sequence."""

from __future__ import annotations

from typing import Any, Protocol

from crossfoot.clock import SystemClock
from crossfoot.definition.model import BigtableTable, Definition
from crossfoot.engines.beam.job import Job
from crossfoot.engines.shard import Shard
from crossfoot.sinks.bigtable import BigtableWriter
from crossfoot.stores.bigtable_rows import BigtableRows, shard_state
from crossfoot.stores.bigtable_table import GoogleTable, RowTable, TableName

TIMEOUT_S = 5.0
"""So long a call may take: it holds up a bundle. One that fails is made again in a later bundle."""
Refused = dict[bytes, str]
"""Rows that a sink will never take, by their key, and the stored table that each is of."""


class Outlet(Protocol):
    """A sink of a job, in a worker. ServiceError where it cannot be reached now."""

    name: str

    def write(self, number: int, shard: Shard, after: int, refused: Refused) -> Refused:
        """Write what commits after one have changed, as of the last. Doing it again changes nothing."""
        ...

    def close(self) -> None:
        """Let go of what is open."""


class BigtableOutlet:
    """Cells in a table, a column for each shard."""

    def __init__(self, table: RowTable, job: Job) -> None:
        self.name = str(table.name)
        self.writer = BigtableWriter(table, job.name, job.shards, SystemClock())
        self._rows: BigtableRows | None = None

    def write(self, number: int, shard: Shard, after: int, refused: Refused) -> Refused:
        meta, now = shard.meta, dict(refused)
        rows = self._rows = self._rows or BigtableRows(meta["plan"])
        for metric, by, grain, table in shard.changes(after):
            made = list(rows.mutations(metric, by, grain, table, number, shard.sequence))
            for row in made if now else ():
                now.pop(row.key, None)
            for each in self.writer.write(made, lambda: False):
                now[made[each.place].key] = rows.path(metric, by, grain)
        self.writer.commit(number, shard.sequence, shard_state(meta, {}, _counts(now)))
        return now

    def close(self) -> None:
        self.writer.close()


def _counts(refused: Refused) -> dict[str, int]:
    paths = list(refused.values())
    return {path: paths.count(path) for path in set(paths)}


def outlets_of(job: Job) -> list[Outlet]:
    """The sinks of a job; nothing is reached for yet."""
    names = [TableName(sink.project, sink.instance, sink.table) for sink in bigtables_of(job.definition)]
    return [BigtableOutlet(GoogleTable(name, TIMEOUT_S), job) for name in names]


def bigtables_of(definition: Definition) -> list[BigtableTable]:
    """The tables that the definition writes to."""
    found: dict[Any, None] = dict.fromkeys(sink for sink in definition.sinks if isinstance(sink, BigtableTable))
    return list(found)
