"""From a Bigtable table that shards write to the tables of a warehouse: cells, counted events, accounts.

Shards cannot write a warehouse themselves: what is theirs is a part of a cell, and only the core can add sketches up.
So one process reads the table, at the newest versions of which everything is there, and writes whole values. The sum of
these versions is the epoch of what it writes: no version goes back, so it rises with each of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from crossfoot.errors import DataError, StoreError
from crossfoot.query.model import stored_of
from crossfoot.sinks.cells import newest
from crossfoot.sinks.table_marks import MarkNote, Progress, TableMark
from crossfoot.sinks.target import GivenUpError
from crossfoot.sinks.warehouse import CellTables, CellTarget, Owner
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.bigtable_rows import ABOUT, About, about_of
from crossfoot.stores.bigtable_table import RowTable
from crossfoot.stores.leaving import IDS, data_of, id_columns, id_count, place_of, ranges_of
from crossfoot.warehouse.store import Warehouse
from crossfoot.warehouse.tables import accounts, counted_events

if TYPE_CHECKING:
    import pyarrow as pa

IDS_MAX = 500_000
"""In one part, about."""


class Way(NamedTuple):
    """From where to where: the warehouse by its name, what begins the names of its tables, and how often at most."""

    table: RowTable
    name: str
    warehouse: Warehouse
    prefix: str = ""
    every_s: float = 0.0


def owner_of(table: RowTable, about: About) -> str:
    """By which a table's feeds are known to a warehouse: one that was emptied and filled again has another name."""
    assert about.head is not None
    said = f"{table.name} {about.head['owner']} {about.head['making']}"
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


class _Since(NamedTuple):
    """A table, for who asks what has changed in it."""

    store: BigtableStore
    done: Mapping[int, int]

    @property
    def meta(self) -> dict[str, Any]:
        return self.store.meta

    def changed(self, metric: int, by: int, grain: int) -> Iterator[pa.Table]:
        return self.store.changed(metric, by, grain, self.done)


class _TableFeed:
    """What both kinds have in common."""

    def __init__(self, way: Way, feed: str) -> None:
        self.name, self.every_s = f"{way.name} {feed}", way.every_s
        self._way, self._mark = way, TableMark(way.table, self.name)
        self.epoch = self.missing = 0

    def _about(self) -> About:
        return about_of(self._way.table.row(ABOUT))

    def _store(self) -> BigtableStore | None:
        """The table as it is now; None where nothing was written to it yet."""
        try:
            return BigtableStore(self._way.table)
        except StoreError:
            if self._about().states:
                raise
            return None

    def close(self) -> None:
        """Let go of both."""
        self._way.warehouse.close()
        self._way.table.close()


class TableCells(_TableFeed):
    """Whole values of the cells that have changed; the highest epoch wins."""

    def __init__(self, way: Way) -> None:
        super().__init__(way, "cells")

    def ensure(self) -> None:
        """The tables are there, and ours. The Bigtable table is claimed already."""
        self._target(self._about()).identity()

    def catch_up(self, given_up: Callable[[], bool]) -> int:
        """Write what has changed since the mark, then move the mark."""
        if (store := self._store()) is None:
            return 0
        target = self._target(store.about)
        identity, mark = target.identity(), self._mark.read()
        done = mark.done if mark.identity == identity else {}
        epoch, written = sum(store.versions.values()), 0
        if done != store.versions:
            written = target.write(newest(_Since(store, done)), epoch, given_up, sum(done.values()))
            self._mark.write(Progress(identity, store.versions))
        self.epoch, self.missing = epoch, store.missing
        return written

    def _target(self, about: About) -> CellTarget:
        assert about.plan is not None
        stored, prefix = stored_of(about.plan), self._way.prefix
        made = CellTables.of(stored.types, stored.metrics, prefix)
        owner = Owner(owner_of(self._way.table, about), Path(), prefix)  # absolute values need no notes
        return CellTarget(self.name, made, self._way.warehouse, owner, self.every_s)


class TableCounted(_TableFeed):
    """Counted events, each once, and the accounts. Rows that were shipped leave the table.

    What is `missing` was counted by a job whose definition did not ask for counted events.
    """

    def __init__(self, way: Way, ids_max: int = IDS_MAX) -> None:
        super().__init__(way, "counted")
        self._tables = counted_events(way.prefix), accounts(way.prefix)
        self._ids_max = ids_max
        self._is_swept = False
        self._ledger: pa.Table | None = None
        self._owner = ""

    def ensure(self) -> None:
        """The tables are there, and ours, and those that have what was sent. The Bigtable table is claimed already."""
        self._ensure(self._about())

    def _ensure(self, about: About) -> None:
        self._owner = owner_of(self._way.table, about)
        identity = " ".join(self._way.warehouse.ensure(table, self._owner) for table in self._tables)
        mark = self._mark.read()
        if mark.identity not in ("", identity):
            names = " and ".join(table.name for table in self._tables)
            what = f"{names} were removed, or made again, since counted events were sent there"
            raise DataError(what, "bring them back; or begin again: another prefix, and another table for the job")
        if mark.identity != identity:
            self._mark.write(Progress(identity))

    def catch_up(self, given_up: Callable[[], bool]) -> int:
        """Ship what was begun, then what was counted since, part by part."""
        if (store := self._store()) is None:
            return 0
        self._ensure(store.about)
        if not self._is_swept:
            self._remove({}, self._mark.progress.done)
            self._is_swept = True
        written = 0
        while self._mark.progress.begun or self._mark.progress.done != store.versions:
            if given_up():
                raise GivenUpError
            written += self._ship(store)
        self.epoch = sum(store.versions.values())
        self.missing = _counted(store) - self._mark.progress.total
        return written

    def _ship(self, store: BigtableStore) -> int:
        """One part: what was begun, or else what comes next. It is the same part however often it is begun.

        Whose the table is was asked with the versions: another process that has gone on since is told by the mark.
        """
        mark = self._mark.progress
        if not mark.begun:
            begun = self._reach(mark.done, store.versions)
            self._mark.write(mark := Progress(mark.identity, mark.done, begun, mark.total))
        ids, totals = self._tables
        epoch = sum(mark.begun.values())
        part = f"{self._owner}-{epoch:016d}"
        rows = ids.conform(self._rows(mark, epoch))
        if len(rows):
            self._way.warehouse.put(ids, part, rows, MarkNote(self._mark))
        if mark.begun == store.versions and (ledger := store.ledger()) != self._ledger:
            self._way.warehouse.put(totals, part, totals.conform(_with_epoch(ledger, epoch)), MarkNote(self._mark))
            self._ledger = ledger
        self._mark.write(Progress(mark.identity, mark.begun, total=mark.total + len(rows)))
        self._remove(mark.done, mark.begun)
        return len(rows)

    def _reach(self, after: Mapping[int, int], until: Mapping[int, int]) -> dict[int, int]:
        """How far a part goes: up to the newest, or to where it is full."""
        size, reached = 0, dict(after)
        for row in self._way.table.read(list(ranges_of(IDS, after, until))):
            shard, sequence = place_of(row.key)
            reached |= {before: last for before, last in until.items() if before < shard}
            reached[shard] = sequence
            size += id_count(data_of(row))
            if size >= self._ids_max:
                return reached
        return dict(until)

    def _rows(self, mark: Progress, epoch: int) -> pa.Table:
        """The ids of the part that is begun, in the order of their commits."""
        import pyarrow as pa

        rows = self._way.table.read(list(ranges_of(IDS, mark.done, mark.begun)))
        return _with_epoch(pa.table(id_columns(data_of(row) for row in rows)), epoch)

    def _remove(self, after: Mapping[int, int], until: Mapping[int, int]) -> None:
        rows = self._way.table.read(list(ranges_of(IDS, after, until)))
        self._way.table.remove([row.key for row in rows])


def _counted(store: BigtableStore) -> int:
    """How many events the accounts say were counted."""
    rows = store.ledger().select(["account", "records"]).to_pylist()
    return sum(row["records"] for row in rows if row["account"] == "counted")


def _with_epoch(rows: pa.Table, epoch: int) -> pa.Table:
    import pyarrow as pa

    return rows.append_column("epoch", pa.repeat(pa.scalar(epoch, pa.int64()), len(rows)))
