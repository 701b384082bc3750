"""The DuckDB connection that compares: bounded memory, what does not fit goes to disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

MEMORY = "1GB"


def connect(spill: Path, memory: str = MEMORY, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A connection in memory of its own; `spill`: where it may write what does not fit."""
    import duckdb

    options: dict[str, str | bool | int | float | list[str]] = {"memory_limit": memory, "temp_directory": str(spill)}
    if threads is not None:
        options["threads"] = threads
    connection = duckdb.connect(config=options)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    return connection
