"""What leaves: the cells that commits have changed, written out as absolute values of the shard's sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Any, NamedTuple, Protocol

from crossfoot.clock import Clock, SystemClock
from crossfoot.definition.model import DAY_US, BigtableTable, Definition
from crossfoot.engines.beam.job import Job
from crossfoot.engines.shard import Delta, Shard
from crossfoot.errors import DataError
from crossfoot.sinks.bigtable import BigtableWriter
from crossfoot.stores.bigtable_rows import BigtableRows, shard_state
from crossfoot.stores.bigtable_table import GoogleTable, RowTable, TableName
from crossfoot.stores.leaving import IDS, REFUSED, Leaving, is_older, ranges_of, stream_of

TIMEOUT_S = 5.0
"""So long a call may take: it holds up a bundle. One that fails is made again in a later bundle."""
_SMALLER = "make its blocks smaller"
TRIM_ROWS, TRIM_EVERY_S = 1_000, 3600.0
"""So many rows of the side log are removed at once, and where there were fewer it is looked again so much later."""
Refused = dict[bytes, str]
"""Rows that a sink will never take, by their key, and the stored table that each is of."""


class Unwritten(NamedTuple):
    """What a sink has not: the cells that commits after one have changed, and what has left since.

    `refused` are rows that it did not take before.
    """

    after: int
    leaving: Sequence[Leaving]
    refused: Refused


def leaving_of(shard: Shard, delta: Delta, *, ids: bool) -> Iterator[Leaving]:
    """What the last commit hands out once: records that could not be counted; ids, where somebody wants them."""
    if ids and delta.ids:
        yield Leaving(IDS, delta.sequence, b"".join(delta.ids.values()))
    if (refused := shard.side_log()).num_rows:
        yield Leaving(REFUSED, delta.sequence, stream_of(refused))


class Outlet(Protocol):
    """A sink of a job, in a worker. ServiceError where it cannot be reached now."""

    name: str

    def write(self, number: int, shard: Shard, unwritten: Unwritten) -> Refused:
        """Write what it has not, as of the last commit; the rows that it will never take. Again changes nothing."""
        ...

    def close(self) -> None:
        """Let go of what is open."""


class BigtableOutlet:
    """Cells in a table, a column for each shard."""

    def __init__(self, table: RowTable, job: Job, clock: Clock | None = None) -> None:
        self.name = str(table.name)
        self._table, self._clock, self._side_us = table, clock or SystemClock(), job.side_days * DAY_US
        self._look_s: dict[int, float] = {}
        self.writer = BigtableWriter(table, job.name, job.shards, self._clock)
        self._rows: BigtableRows | None = None

    def write(self, number: int, shard: Shard, unwritten: Unwritten) -> Refused:
        meta, now = shard.meta, dict(unwritten.refused)
        rows = self._rows = self._rows or BigtableRows(meta["plan"])
        for metric, by, grain, table in shard.changes(unwritten.after):
            made = list(rows.mutations(metric, by, grain, table, number, shard.sequence))
            for row in made if now else ():
                now.pop(row.key, None)
            for each in self.writer.write(made, lambda: False):
                now[made[each.place].key] = rows.path(metric, by, grain)
        self._leave(number, unwritten)
        self._trim(number, shard.sequence)
        self.writer.commit(number, shard.sequence, shard_state(meta, {}, _counts(now)))
        return now

    def _leave(self, number: int, unwritten: Unwritten) -> None:
        now_us = self._clock.now_us()
        rows = [each.row(number, now_us) for each in unwritten.leaving if each.sequence > unwritten.after]
        for each in self.writer.write(rows, lambda: False):
            raise DataError(f"{self.name} does not take what shard {number} hands out: {each.reason}", _SMALLER)

    def _trim(self, number: int, until: int) -> None:
        """Remove what the side log has kept for long enough. It is looked for now and then, the oldest first."""
        if (elapsed_s := self._clock.elapsed_s()) < self._look_s.get(number, 0.0):
            return
        kept_us = self._clock.now_us() - self._side_us
        rows = self._table.read(list(ranges_of(REFUSED, {}, {number: until})))
        old = [row.key for row in islice(takewhile(lambda row: is_older(row, kept_us), rows), TRIM_ROWS)]
        self._table.remove(old)
        if len(old) < TRIM_ROWS:
            self._look_s[number] = elapsed_s + TRIM_EVERY_S

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
