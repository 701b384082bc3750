"""What the feeds ask of a warehouse, and whoever reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from crossfoot.beside import Hold
from crossfoot.files import replace_whole
from crossfoot.warehouse.tables import IS_OTHER, IS_REMOVED, LATEST, Column, Table

if TYPE_CHECKING:
    import pyarrow as pa


class Warehouse(Protocol):
    """Tables in one place. What fails is raised as a CrossfootError or OSError; a ServiceError may come back."""

    def reach(self) -> None:
        """Ask for the place itself; DataError where it is not there. Nothing is written."""

    def ensure(self, table: Table, owner: str) -> str:
        """Make a table, or add the columns that it lacks; which making of it this is.

        DataError that names the column, where the table was changed by others, or that it belongs to another owner.
        """
        ...

    def put(self, table: Table, part: str, rows: pa.Table, note: Note) -> None:
        """Add a part, whose rows are in the table's columns. The same part again, with its note, adds nothing."""

    def query(self, sql: str, hold: Hold | None = None) -> pa.Table:
        """The answer to a question in DuckDB's SQL, in which tables and views have their plain names.

        Where it is worked out here it can be broken off by `hold`.
        """
        ...

    def close(self) -> None:
        """Let go of what is open."""


class Note(Protocol):
    """A durable line about the part of a table that is on its way, for a warehouse that needs one."""

    def of(self, part: str) -> str | None:
        """What was noted of a part."""
        ...

    def write(self, part: str, text: str) -> None:
        """Durable when this returns."""


class FileNote:
    """A note in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, part: str) -> str | None:
        """What was noted of a part."""
        if not self._path.exists():
            return None
        noted, _, text = self._path.read_text(encoding="utf-8").partition(" ")
        return text if noted == part else None

    def write(self, part: str, text: str) -> None:
        """Durable when this returns."""
        replace_whole(self._path, f"{part} {text}".encode())


_THERE = f"CASE WHEN {IS_REMOVED} THEN 0 ELSE 1 END"


def latest_view(table: Table, source: str) -> tuple[str, str]:
    """The name and the query (in DuckDB's SQL) of the view with the newest value of each row.

    Where a cell is there again at the epoch at which it was gone, it is there.
    """
    key = ", ".join(_comparable(table, name) for name in table.key)
    names = ", ".join(quoted(column.name) for column in table.columns if column.name != IS_REMOVED)
    there = _THERE if any(column.name == IS_REMOVED for column in table.columns) else "1"
    marked = f"SELECT {names}, {there} AS __there FROM {source}"
    order = f"PARTITION BY {key} ORDER BY epoch DESC, __there DESC"
    ranked = f"SELECT {names}, __there, row_number() OVER ({order}) AS __rank FROM ({marked}) AS marked"
    return table.name + LATEST, f"SELECT {names} FROM ({ranked}) AS ranked WHERE __rank = 1 AND __there = 1"


def _comparable(table: Table, name: str) -> str:
    """BigQuery divides by no floats; a row from before there was a row `(other)` is none."""
    if name == IS_OTHER:
        return f"coalesce({name}, false)"
    is_float = any(column.name == name and column.type == "float" for column in table.columns)
    return f"CAST({quoted(name)} AS TEXT)" if is_float else quoted(name)


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def lacking(table: Table, made: Sequence[Column]) -> list[Column]:
    """The columns that a table is to have and has not."""
    there = {column.name for column in made}
    return [column for column in table.columns if column.name not in there]
