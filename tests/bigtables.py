"""A Bigtable table in memory, that keeps versions as Bigtable does, and fails as a test asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from crossfoot.errors import ServiceError
from crossfoot.query.client import Store
from crossfoot.sinks.bigtable import bigtable_feed
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.bigtable_rows import ABOUT, Cell, Row
from crossfoot.stores.bigtable_table import Refused, RowTable, TableName
from crossfoot.testing.clocks import ManualClock

NAME = TableName("p", "i", "t")


class MemoryTable:
    """Rows by key, columns and versions; beyond `kept` the lowest versions of a cell are removed."""

    def __init__(self, kept: int | None = 4) -> None:
        self.name, self.kept = NAME, kept
        self.rows: dict[bytes, dict[str, dict[int, bytes]]] = {}
        self.written: list[Row] = []
        self.refuses: Callable[[Row], str] = lambda _: ""
        self.before_reading: Callable[[], None] = lambda: None
        self.left = 1 << 60
        """So many rows are taken before the service is down."""

    def versions(self) -> int | None:
        return self.kept

    def read(self, ranges: Sequence[tuple[bytes, bytes]], since: int = 0) -> Iterator[Row]:
        self.before_reading()
        for key in sorted(self.rows):
            if any(begin <= key < end for begin, end in ranges):
                row = self._row(key)
                if not since or any(cell.version > since for cell in row.cells):
                    yield row

    def row(self, key: bytes) -> Row | None:
        return self._row(key) if key in self.rows else None

    def _row(self, key: bytes) -> Row:
        columns = self.rows[key].items()
        return Row(key, [Cell(name, version, value) for name, found in columns for version, value in found.items()])

    def write(self, rows: Sequence[Row]) -> list[Refused]:
        refused = [Refused(place, reason) for place, row in enumerate(rows) if (reason := self.refuses(row))]
        for row in rows:
            if not self.left:
                raise ServiceError("the table does not answer")
            self.left -= 1
            if not self.refuses(row):
                self.put(row)
        return refused

    def advance(self, key: bytes, cell: Cell) -> bool:
        if any(version >= cell.version for version in self.rows.get(key, {}).get(cell.column, ())):
            return False
        self.write([Row(key, [cell])])
        return True

    def remove(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            if not self.left:
                raise ServiceError("the table does not answer")
            self.left -= 1
            self.rows.pop(key, None)

    def put(self, row: Row) -> None:
        """Whatever was written last: the highest versions are kept."""
        self.written.append(row)
        for cell in row.cells:
            found = self.rows.setdefault(row.key, {}).setdefault(cell.column, {})
            found[cell.version] = cell.value
            for version in sorted(found, reverse=True)[self.kept :] if self.kept else ():
                del found[version]

    def close(self) -> None:
        """Nothing is open."""


def catch_up(store: Path, table: RowTable, now_us: int = 1) -> int:
    """One catch-up of a sink that has just begun; how many cells it wrote."""
    return bigtable_feed(store, table, ManualClock(now_us), 0.0).catch_up(lambda: False)


def read(table: RowTable) -> Store:
    """The store that a table holds."""
    return Store(BigtableStore(table))


def cells_of(table: MemoryTable) -> list[bytes]:
    """The keys of its cells."""
    return sorted(key for key in table.rows if key != ABOUT)
