"""The DuckDB connection that compares: bounded memory, what does not fit goes to disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.errors import CallError, DataError

if TYPE_CHECKING:
    import duckdb

MEMORY = "1GB"


def connect(spill: Path, memory: str = MEMORY, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A connection in memory of its own; `spill`: where it may write what does not fit."""
    import duckdb

    options: dict[str, str | bool | int | float | list[str]] = {"memory_limit": memory, "temp_directory": str(spill)}
    if threads is not None:
        options["threads"] = threads
    try:
        connection = duckdb.connect(config=options)
    except duckdb.Error as error:
        raise CallError(f"this is no size of memory: {memory}", "write it as in 4GB") from error
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    return connection


@contextmanager
def readable(shown: str, hint: str = "see that its files are whole, and all of one form") -> Iterator[None]:
    """What DuckDB cannot read is wrong data, called as people call it."""
    import duckdb

    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except duckdb.Error as error:
        raise DataError(f"{shown} cannot be read: {line(error)}", hint) from error


def line(error: Exception) -> str:
    """The first line of an error."""
    return " ".join(str(error).split("\n")[0].split())
