"""Raw records in one relation: the columns of the archive, whatever they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from crossfoot.engines.batch.sql import name
from crossfoot.errors import DataError

if TYPE_CHECKING:
    import duckdb

COLUMNS = {
    "epoch": "BIGINT",
    "step": "BIGINT",
    "kind": "VARCHAR",
    "source": "VARCHAR",
    "partition": "VARCHAR",
    "position": "BIGINT",
    "stamp": "TIMESTAMPTZ",
    "received": "TIMESTAMPTZ",
    "t": "TIMESTAMPTZ",
    "clock": "TIMESTAMPTZ",
    "text": "VARCHAR",
    "length": "BIGINT",
    "record": "BLOB",
}
"""What each column is cast to. A relation without `kind` has records only; `record` may be text."""
_NEEDED = ("partition", "position", "record")


def normal(connection: duckdb.DuckDBPyConnection, relation: str, order: int) -> str:
    """SQL of a relation in the archive's columns. Without `epoch` its records are in the order of their position."""
    found = {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    if missing := [column for column in _NEEDED if column not in found]:
        hint = f"name them so in a query; it has {', '.join(found)}"
        raise DataError(f"raw records need the columns {', '.join(_NEEDED)}; there is no {missing[0]}", hint)
    columns = [f"{_column(column, kind, found, order)} AS {name(column)}" for column, kind in COLUMNS.items()]
    return f"SELECT {', '.join(columns)} FROM {relation}"


def _column(column: str, kind: str, found: dict[str, str], order: int) -> str:
    absent = {"epoch": str(order), "step": "position", "kind": "'record'"}
    if column not in found:
        return f"CAST({absent.get(column, 'NULL')} AS {kind})"
    if column == "record" and found[column] == "VARCHAR":
        return "encode(record)"
    return name(column) if found[column] == kind else f"CAST({name(column)} AS {kind})"


def drop(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Tables that are not needed any more."""
    for each in names:
        connection.execute(f"DROP TABLE IF EXISTS {each}")


def as_relation(connection: duckdb.DuckDBPyConnection, given: Any, number: int) -> str:
    """What stands behind FROM: a text as it is, anything else under a name of its own."""
    if isinstance(given, str):
        return given if given.lstrip().startswith("(") or " " not in given.strip() else f"({given})"
    shown = f"crossfoot_raw_{number}"
    connection.register(shown, given)
    return shown
