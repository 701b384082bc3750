"""How far a feed has what a Bigtable table holds: said in the table itself, so that it goes on from any machine."""

from __future__ import annotations

import hashlib

import msgspec

from crossfoot.errors import ServiceError
from crossfoot.stores.bigtable_rows import ABOUT, Cell
from crossfoot.stores.bigtable_table import RowTable


class Progress(msgspec.Struct, frozen=True):
    """What the warehouse has: by shard, everything up to the version that is `done`.

    `identity` says which making of its tables, `total` how many counted events they have. What is `begun` is on its
    way, as one part: it is that which is written again after a kill. `part` and `text` are what the warehouse has noted
    of it.
    """

    identity: str = ""
    done: dict[int, int] = {}
    begun: dict[int, int] = {}
    total: int = 0
    part: str = ""
    text: str = ""


class TableMark:
    """The mark of a feed, by its name. Of two processes that feed at once the later one is told."""

    def __init__(self, table: RowTable, name: str) -> None:
        self._table = table
        self._column = f"feed-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"
        self._version = 0
        self.progress = Progress()

    def read(self) -> Progress:
        """As it stands in the table; nothing at first."""
        found = self._table.row(ABOUT)
        cells = [cell for cell in found.cells if cell.column == self._column] if found else []
        newest = max(cells, key=lambda cell: cell.version, default=Cell(self._column, 0, b"{}"))
        self._version, self.progress = newest.version, msgspec.json.decode(newest.value, type=Progress)
        return self.progress

    def write(self, progress: Progress) -> None:
        """Durable when this returns. ServiceError where another process has written it since it was read."""
        cell = Cell(self._column, self._version + 1, msgspec.json.encode(progress))
        if not self._table.advance(ABOUT, cell):
            hint = "one process at a time feeds a warehouse from a table; this one goes on where the other is"
            raise ServiceError(f"another process feeds a warehouse from {self._table.name}", hint)
        self._version, self.progress = cell.version, progress


class MarkNote:
    """A warehouse's note about the part that is on its way, beside the mark."""

    def __init__(self, mark: TableMark) -> None:
        self._mark = mark

    def of(self, part: str) -> str | None:
        """What was noted of a part."""
        progress = self._mark.progress
        return progress.text if progress.part == part else None

    def write(self, part: str, text: str) -> None:
        """Durable when this returns."""
        self._mark.write(msgspec.structs.replace(self._mark.progress, part=part, text=text))
