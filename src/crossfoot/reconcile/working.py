"""The DuckDB connection that compares: bounded memory, what does not fit goes to disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.errors import CallError

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
