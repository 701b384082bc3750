"""The feeds of a warehouse: parcels as they come, counted events with the ledger, changed cells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from crossfoot import _core
from crossfoot.definition.model import OTHER, FieldType
from crossfoot.errors import StoreError
from crossfoot.files import replace_whole
from crossfoot.generations import FIRST, began, folder_of, number_in_force
from crossfoot.native import core_errors, read_stream
from crossfoot.sinks.cells import Changed
from crossfoot.sinks.target import GivenUpError
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.warehouse.outbox import Outbox
from crossfoot.warehouse.store import FileNote, Warehouse
from crossfoot.warehouse.tables import IS_OTHER, IS_REMOVED, Counted, Table, accounts, cells, counted_events

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_MAX = 1_000_000
"""In one part, about."""
HOLD = "hold"
"""In a feed's folder: the first id file that it has not read."""
_MINUTE_US = 60_000_000
_LITERAL = r'^(".*"|null|true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?)$'


class ParcelFeed:
    """What somebody else puts into an outbox; its epochs are the parcels."""

    missing = 0

    def __init__(self, name: str, outbox: Outbox, warehouse: Warehouse, every_s: float = 0.0) -> None:
        self.name, self.every_s = name, every_s
        self._outbox, self._warehouse = outbox, warehouse

    @property
    def epoch(self) -> int:
        """The newest parcel that the warehouse has."""
        return self._outbox.sent.parcel

    def catch_up(self, given_up: Callable[[], bool]) -> int:
        """Ship what waits."""
        rows = sum(self._outbox.ship(self._warehouse, given_up))
        if given_up() and self._outbox.waiting_bytes:
            raise GivenUpError
        return rows

    def close(self) -> None:
        """Let go of both."""
        self._warehouse.close()
        self._outbox.close()


class CountedFeed(ParcelFeed):
    """The ids that each epoch has counted, and the ledger."""

    def __init__(
        self, name: str, store: Path, outbox: Outbox, warehouse: Warehouse, prefix: str = "", every_s: float = 0.0
    ) -> None:
        super().__init__(name, outbox, warehouse, every_s)
        self._store = store
        self._counted, self._accounts = (make(prefix).name for make in (counted_events, accounts))
        self._hold()

    def _hold(self) -> None:
        """Until they were read the store keeps its id files, also those that it has forgotten."""
        first = 0 if self._is_behind else self._outbox.mark.get("ids", {}).get("file", 0)
        replace_whole(self._outbox.folder / HOLD, str(first).encode())

    @property
    def epoch(self) -> int:
        """The warehouse has what was counted up to it."""
        return int(self._outbox.sent.mark.get("epoch", 0))

    @property
    def missing(self) -> int:  # type: ignore[override]
        """Ids of counted events that the store forgot before they could be exported."""
        return int(self._outbox.mark.get("ids", {}).get("missing", 0))

    def catch_up(self, given_up: Callable[[], bool]) -> int:
        """Ship what waits, then what was counted since, part by part."""
        rows, has_more = super().catch_up(given_up), True
        while has_more:
            has_more = self._collect()
            rows += super().catch_up(given_up)
        return rows

    def _collect(self) -> bool:
        """One more parcel, if there is anything; whether there is more."""
        mark = self._outbox.mark
        since = mark.get("ids") or {"epoch": 0, "file": 0, "taken": {}, "bucket_us": 0, "total": 0, "missing": 0}
        generation = self._generation
        folder = str(folder_of(self._store, generation))
        with core_errors():
            stream, text, has_more = _core.counted_since(folder, json.dumps(since), ROWS_MAX)
        following: dict[str, Any] = {**mark, "ids": json.loads(text), "generation": generation}
        rows = {self._counted: read_stream(stream)}
        if not has_more:
            store = EmbeddedStore(self._store, generation=generation)
            epoch = following["epoch"] = following["ids"]["epoch"]
            if epoch == mark.get("epoch") and not len(rows[self._counted]):
                return self._is_behind and self._go_over()
            rows[self._accounts] = _ledger(store, mark.get("minutes", {}))
            following["minutes"] = _minutes(store)
        self._outbox.put(rows, following)
        self._hold()
        return has_more or self._is_behind

    @property
    def _generation(self) -> int:
        """Whose ids are exported: all of one are before the first of the next."""
        mark = self._outbox.mark
        return int(mark.get("generation", FIRST)) if "ids" in mark else number_in_force(self._store)

    @property
    def _is_behind(self) -> bool:
        """Whether it is not the one in force, whose files have other numbers."""
        return self._generation != number_in_force(self._store)

    def _go_over(self) -> bool:
        """Go on with the next generation, behind the events that it has in common with this one."""
        following = self._generation + 1
        how = began(folder_of(self._store, following))
        if not how.same_events:
            hint = f"remove {self._outbox.folder} and its tables: they are exported again from the beginning"
            raise StoreError("the generation in force counts other events than were exported", hint)
        ids = {**self._outbox.mark["ids"], "epoch": how.epoch, "file": how.next_file, "taken": {}}
        ids["total"] = how.counted - ids["missing"]
        self._outbox.put({}, {**self._outbox.mark, "generation": following, "ids": ids, "minutes": {}})
        self._hold()
        return True


def _minutes(store: EmbeddedStore) -> dict[str, int]:
    """The minute of each partition's last t: rows of earlier minutes change no more."""
    times = {known["name"]: known["last_t_us"] for known in store.meta["partitions"]}
    return {name: last_us // _MINUTE_US * _MINUTE_US for name, last_us in times.items() if last_us is not None}


def _ledger(store: EmbeddedStore, settled: dict[str, int]) -> pa.Table:
    """The rows that may have changed since."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ledger = store.ledger()
    since = pa.array([settled.get(name) for name in ledger["partition"].to_pylist()], pa.int64())
    minutes = ledger["minute"].cast(pa.int64())
    may_change = pc.fill_null(pc.greater_equal(minutes, pa.chunked_array([since])), True)
    rows = ledger.filter(may_change)
    return rows.append_column("epoch", pa.repeat(pa.scalar(store.meta["epoch"], pa.int64()), len(rows)))


class Owner(NamedTuple):
    """By which a feed is known to its tables, where it keeps notes, what begins the names of its tables."""

    name: str
    folder: Path
    prefix: str


class CellTables(NamedTuple):
    """The table of each metric, and the dimensions without a declared type."""

    tables: dict[str, Table]
    loose: frozenset[str]

    @classmethod
    def of(cls, types: Mapping[str, FieldType], metrics: Iterable[Counted], prefix: str = "") -> CellTables:
        """Those of a definition or of a store."""
        tables = {metric.name: cells(types, metric, prefix) for metric in metrics}
        return cls(tables, frozenset(name for name, type in types.items() if type.name == "any"))  # noqa: A001


class CellTarget:
    """The tables of cells; a part holds what one catch-up has changed of a metric."""

    missing = 0

    def __init__(self, name: str, made: CellTables, warehouse: Warehouse, owner: Owner, every_s: float) -> None:
        self.name, self.every_s = name, every_s
        self._warehouse, (self._owner, self._folder, self._prefix) = warehouse, owner
        self._made = made
        self._makings: dict[str, str] = {}

    def identity(self) -> str:
        """Which making of each table: one that was made again has nothing."""
        tables = self._made.tables.values()
        self._makings = {table.name: self._warehouse.ensure(table, self._owner) for table in tables}
        return " ".join(self._makings.values())

    def write(self, cells: Iterable[Changed], epoch: int, given_up: Callable[[], bool], since: int = 0) -> int:
        """The same epoch again, of cells that have changed `since` another, gives the same parts of a table."""
        written = 0
        for number, (table, rows) in enumerate(self._parts(cells, epoch)):
            if given_up():
                raise GivenUpError
            part = f"{self._owner}-{self._makings[table.name]}-{since:016d}-{epoch:016d}-{number:04d}"
            self._warehouse.put(table, part, rows, FileNote(self._folder / f"{table.name}.note"))
            written += len(rows)
        return written

    def _parts(self, tables: Iterable[Changed], epoch: int) -> Iterator[tuple[Table, pa.Table]]:
        import pyarrow as pa

        metric, made, waiting = "", self._made, list[Any]()
        for each in tables:
            if waiting and (each.metric != metric or sum(map(len, waiting)) >= ROWS_MAX):
                yield made.tables[metric], pa.concat_tables(waiting)
                waiting = []
            if each.metric != metric:
                metric, made = each.metric, self._made_for(each)
            waiting.append(rows_of(each, made.tables[metric], epoch, made.loose))
        if waiting:
            yield made.tables[metric], pa.concat_tables(waiting)

    def _made_for(self, changed: Changed) -> CellTables:
        """Those that have its metric: one that is counted no more has a table with the cells that it has lost."""
        if changed.metric in self._made.tables or changed.removed is None:
            return self._made
        made = CellTables.of(changed.removed.types, [changed.removed.metric], self._prefix)
        table = made.tables[changed.metric]
        self._makings[table.name] = self._warehouse.ensure(table, self._owner)
        return made

    def close(self) -> None:
        """Let go of the warehouse."""
        self._warehouse.close()


def rows_of(changed: Changed, table: Table, epoch: int, loose: frozenset[str] = frozenset()) -> pa.Table:
    """Cells in the columns of their table; `loose` names dimensions without a declared type."""
    import pyarrow as pa

    rows = changed.table
    for place, field in enumerate(rows.schema):
        if field.name in changed.by and field.name in loose:
            rows = rows.set_column(place, field.name, _texts(rows[field.name], field))
    rows = rows.rename_columns([IS_OTHER if name == OTHER else name for name in rows.column_names])
    beside = {"by": ",".join(changed.by), "grain": changed.grain, "epoch": epoch}
    beside[IS_REMOVED] = changed.removed is not None
    if IS_OTHER in table.schema.names and IS_OTHER not in rows.column_names:
        beside[IS_OTHER] = False
    for name, value in beside.items():
        rows = rows.append_column(name, pa.repeat(pa.scalar(value), len(rows)))
    return table.conform(rows)


def _texts(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """A dimension of any type: a text as it is, another value as JSON has it, a text that looks like one in quotes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if (field.metadata or {}).get(b"crossfoot") == b"json":
        return pa.chunked_array([pa.array([_plain(value) for value in column.to_pylist()], pa.string())])
    if not pa.types.is_string(field.type):
        return column.cast(pa.string())
    seems = pc.fill_null(pc.match_substring_regex(column, _LITERAL), False)
    if not pc.any(seems).as_py():
        return column
    return pa.chunked_array([pa.array([_quoted(value) for value in column.to_pylist()], pa.string())])


def _plain(literal: str | None) -> str | None:
    if literal is None or not literal.startswith('"'):
        return literal
    return _quoted(json.loads(literal))


def _quoted(text: str | None) -> str | None:
    return json.dumps(text, ensure_ascii=False) if text is not None and re.match(_LITERAL, text) else text
