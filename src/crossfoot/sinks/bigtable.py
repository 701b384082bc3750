"""A Bigtable table of cells, as `stores.bigtable` reads it. A store is its only shard; other engines have many."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from crossfoot.calendar import window_of
from crossfoot.clock import Clock
from crossfoot.errors import DataError
from crossfoot.files import replace_whole
from crossfoot.query.model import stored_of
from crossfoot.query.times import show_time
from crossfoot.sinks import marks
from crossfoot.sinks.cell_feed import CellFeed
from crossfoot.sinks.gone import gone
from crossfoot.sinks.target import GivenUpError
from crossfoot.stores.bigtable_rows import (
    ABOUT,
    About,
    BigtableRows,
    Cell,
    Row,
    about_of,
    head_cell,
    plan_cell,
    state_cell,
    state_of,
    without_minutes,
)
from crossfoot.stores.bigtable_table import Refused, RowTable
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.stores.partials import EVENTS, GROUP, PARTIAL, WINDOW
from crossfoot.warehouse.open import feed_folder
from crossfoot.warehouse.outbox import known_as

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1_000
_BYTES = 4 << 20
_OURS = 0


class BigtableWriter:
    """Writes a table's cells, and then that they are all there. All that is written is absolute and has its version."""

    def __init__(self, table: RowTable, owner: str, shards: int, clock: Clock) -> None:
        self.table, self._owner, self._shards, self._clock = table, owner, shards, clock
        self._versions: tuple[int | None] | None = None

    def ensure(self) -> About:
        """Be sure that the table does and is ours, before anything is written; what it says of itself.

        DataError where it is missing, keeps too few versions of a cell, or holds the cells of another owner.
        """
        try:
            if self._versions is None:
                self._versions = (self.table.versions(),)
            about = about_of(self.table.row(ABOUT))
            if about.head is None:
                about = self._head(f"{self._clock.now_us()}", self._versions[0])
        except BaseException:
            self._versions = None  # whatever was wrong may be another table next time
            raise
        assert about.head is not None
        if (about.head["owner"], about.head["shards"]) != (self._owner, self._shards):
            hint = f"name another table, or empty this one: cbt deleteallrows {self.table.name.table}"
            raise DataError(f"{self.table.name} holds the cells of another store", hint)
        if about.head["versions"] != self._versions[0]:
            about = self._head(about.head["making"], self._versions[0])
        return about

    def _head(self, making: str, versions: int | None) -> About:
        """Whose the table is is written; what it says of itself then."""
        self._say(head_cell(self._owner, making, self._shards, versions))
        return about_of(self.table.row(ABOUT))

    def plan(self, plan: dict[str, Any], version: int) -> None:
        """What is counted; before the first cells of a plan."""
        self._say(plan_cell(plan, version))

    def write(self, rows: Sequence[Row], given_up: Callable[[], bool]) -> Iterator[Refused]:
        """Write cells; which of them the table can never take. All others are durable at the end."""
        first = 0
        while first < len(rows):
            if given_up():
                raise GivenUpError
            until = _until(rows, first)
            for refused in self.table.write(rows[first:until]):
                yield Refused(first + refused.place, refused.reason)
            first = until

    def commit(self, shard: int, version: int, state: dict[str, Any]) -> None:
        """All cells of a shard's version are there: readers go on to it. `state` is as `state_of` makes it."""
        self._say(state_cell(shard, version, state))

    def _say(self, cell: Cell) -> None:
        for refused in self.table.write([Row(ABOUT, [cell])]):
            what = f"{self.table.name} does not take the row that says what it holds: {refused.reason}"
            raise DataError(what, "count fewer partitions")

    def close(self) -> None:
        """Let go of the table."""
        self.table.close()


def _until(rows: Sequence[Row], first: int) -> int:
    """The end of what goes into one call."""
    size, until = 0, first
    while until < len(rows) and until - first < _ROWS and size < _BYTES:
        size += sum(len(cell.value) for cell in rows[until].cells)
        until += 1
    return until


class RefusedCells:
    """A durable note that names the cells that a table can never take, and why."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        self._kept = dict(self._noted)

    def __len__(self) -> int:
        return len(self._noted)

    @property
    def by_path(self) -> dict[str, int]:
        """How many of each stored table."""
        return dict(Counter(each["table"] for each in self._noted.values()))

    def tell(self, rows: Sequence[Row], refused: Iterable[Refused], cells: pa.Table, path: str) -> None:
        """Rows of a table were written, but for some."""
        reasons = {each.place: each.reason for each in refused}
        for place, row in enumerate(rows if self._noted or reasons else ()):
            name = row.key.hex()
            self._noted.pop(name, None)
            if place in reasons:
                values = cells.drop_columns([GROUP, PARTIAL]).slice(place, 1).to_pylist()[0]
                window = show_time(values.pop(WINDOW))
                events = values.pop(EVENTS)
                cell = {"table": path, "window": window, "values": values, "events": events}
                self._noted[name] = {**cell, "reason": reasons[place]}

    def forget(self, rows: Iterable[Row]) -> None:
        """These are gone, so nothing is missing."""
        for row in rows:
            self._noted.pop(row.key.hex(), None)

    def keep(self) -> None:
        """Durable when this returns."""
        if self._noted != self._kept:
            self._path.parent.mkdir(exist_ok=True)
            text = json.dumps(self._noted, ensure_ascii=False, indent=1, default=str)
            replace_whole(self._path, text.encode("utf-8", "backslashreplace"))
            self._kept = dict(self._noted)


class Whole(NamedTuple):
    """A store with its changed cells, and the superseded generations whose cells it may lack."""

    store: EmbeddedStore
    superseded: Sequence[EmbeddedStore]


class BigtableTarget:
    """One table, for the cells of one store."""

    def __init__(self, writer: BigtableWriter, refused: RefusedCells, every_s: float) -> None:
        self.name, self.every_s = str(writer.table.name), every_s
        self._writer, self._refused = writer, refused
        self._expired: dict[str, tuple[int | None, int]] = {}

    @property
    def missing(self) -> int:
        """Cells that the table can never take."""
        return len(self._refused)

    def identity(self) -> str:
        """Which making of the table: one that was emptied, or made again, has nothing."""
        head = self._writer.ensure().head
        return "" if head is None else str(head["making"])

    def write(self, cells: Whole, epoch: int, given_up: Callable[[], bool]) -> int:
        """Write the changed cells of a store and which are gone, then that they are all there."""
        store = cells.store
        about, plan = self._writer.ensure(), store.meta["plan"]
        newest = about.states.get(_OURS, (0, {}))[0]
        if newest > epoch:
            what = f"{self.name} has epoch {newest:,}, and the store has {epoch:,}: it was put back"
            raise DataError(what, f"empty the table: cbt deleteallrows {self._writer.table.name.table}")
        if about.plan != plan:
            self._writer.plan(plan, epoch)
        rows = BigtableRows(plan)
        written = sum(self._remove(old, store, epoch, given_up) for old in cells.superseded)
        for table, path in rows.paths:
            for part in store.changed_partials(*table):
                made = list(rows.mutations(*table, part, _OURS, epoch))
                self._refused.tell(made, list(self._writer.write(made, given_up)), part, path)
                written += len(made)
        self._refused.keep()
        state = state_of(
            store.meta, without_minutes(store.ledger()), self._expired_of(store, rows), self._refused.by_path
        )
        self._writer.commit(_OURS, epoch, state)
        return written

    def _remove(self, old: EmbeddedStore, store: EmbeddedStore, epoch: int, given_up: Callable[[], bool]) -> int:
        """Write which cells a superseded generation had and the store has not; how many they are.

        What the table can never take it has never had.
        """
        rows, written = BigtableRows(old.meta["plan"]), 0
        for each in gone(old, store):
            made = list(rows.gone(each.table.place, each.partials, _OURS, epoch))
            list(self._writer.write(made, given_up))
            self._refused.forget(made)
            written += len(made)
        return written

    def _expired_of(self, store: EmbeddedStore, rows: BigtableRows) -> dict[str, int]:
        """Events that retention no longer keeps; looked up again when a further window has ended."""
        metrics, watermark = stored_of(store.meta["plan"]).metrics, store.meta["watermark_us"]
        for (metric, by, grain), path in rows.paths:
            kept = metrics[metric].grains[grain]
            if kept.retain_us is not None and watermark is not None:
                edge = window_of(kept, watermark - kept.retain_us).start_us
                if path not in self._expired or self._expired[path][0] != edge:
                    self._expired[path] = edge, store.expired(metric, by, grain)
        return {path: events for path, (_, events) in self._expired.items() if events}

    def close(self) -> None:
        """Let go of the table."""
        self._writer.close()


def bigtable_feed(store: Path, table: RowTable, clock: Clock, every_s: float) -> CellFeed[Whole]:
    """From a store's folder to a table. Nothing is reached for yet."""
    name = str(table.name)
    folder = feed_folder(store, "cells", name)
    folder.mkdir(parents=True, exist_ok=True)
    writer = BigtableWriter(table, known_as(folder, clock), 1, clock)
    refused = RefusedCells(marks.path_of(store, name).with_suffix(".refused.json"))
    return CellFeed(store, BigtableTarget(writer, refused, every_s), Whole)
