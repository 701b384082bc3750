"""Where the figures come from: the tables of a warehouse, or the archive and the ids of a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from crossfoot import _core
from crossfoot.archive.parts import parts_of
from crossfoot.archive.reading import no_parts
from crossfoot.beside import BrokenOffError, Hold
from crossfoot.definition.model import Definition
from crossfoot.definition.model import Warehouse as Declared
from crossfoot.errors import CallError, CrossfootError, DataError
from crossfoot.generations import in_force
from crossfoot.monitor.raw import Extent, RawParts
from crossfoot.monitor.sql import Names, extent
from crossfoot.native import core_errors, read_stream
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.warehouse.store import Warehouse
from crossfoot.warehouse.tables import LATEST, accounts, counted_events, raw_events

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_MAX = 1_000_000
_START = {"epoch": 0, "file": 0, "taken": {}, "bucket_us": 0, "total": 0, "missing": 0}


class Side(Protocol):
    """Tables of raw events, counted events and the ledger. `about` says whose they are, `notes` what they lack."""

    about: str
    names: Names
    notes: tuple[str, ...]
    has_counted: bool
    hold: Hold
    """By what a question can be broken off."""
    hint: str
    """What to do where there are no raw events."""

    def extent(self) -> Extent:
        """Of all raw events."""
        ...

    def narrow(self, from_us: int | None, until_us: int | None) -> None:
        """Questions that follow are about the days of what came in that time."""

    def query(self, sql: str) -> pa.Table:
        """The answer to a question in DuckDB's SQL."""
        ...

    def close(self) -> None:
        """Let go of what is open."""


class WarehouseSide:
    """What the feeds have written: the raw side was read by a subscription or group of its own."""

    def __init__(self, warehouse: Warehouse, declared: Declared, hold: Hold | None = None) -> None:
        prefix = declared.prefix
        self._warehouse, self.hold = warehouse, hold or Hold()
        self.about = f"the warehouse {declared.name}"
        self.names = Names(raw_events(prefix).name, counted_events(prefix).name, accounts(prefix).name + LATEST)
        self.has_counted = "counted" in declared.feeds
        self.notes: tuple[str, ...] = (
            () if self.has_counted else (f"{declared.name} is not fed with counted events: add it to its feeds",)
        )
        self.hint = "feed it: crossfoot feed DEFINITION"
        if "raw" not in declared.feeds:
            raise CallError(f"{declared.name} is not fed with raw events", "add raw to its feeds, or use --from store")

    def extent(self) -> Extent:
        (found,) = self.query(extent(self.names)).to_pylist()
        return Extent(**found)

    def narrow(self, from_us: int | None, until_us: int | None) -> None:
        """The tables are divided by day, and the questions say which."""

    def query(self, sql: str) -> pa.Table:
        try:
            return self._warehouse.query(sql, self.hold)
        except (CrossfootError, BrokenOffError):
            raise
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("duckdb", "_duckdb"):
                raise
            problem = str(error).strip().partition("\n")[0]
            hint = "were its tables changed? they have the columns that `crossfoot feed` and `run` gave them"
            raise DataError(f"{self.about} cannot be read: {problem}", hint) from error

    def close(self) -> None:
        self._warehouse.close()


class StoreSide:
    """The archive, prepared again, beside the ids and the ledger of the same store."""

    has_counted = True
    hint = "the archive is written in parts: wait for one, or stop the run"

    def __init__(self, store: Path, definition: Definition, hold: Hold) -> None:
        opened = EmbeddedStore(store)
        if not (parts := parts_of(store)):
            hint = "keep one: archive: {keep: 30d}, or watch a warehouse: sinks: [{warehouse: {folder: warehouse}}]"
            raise no_parts(store, hint)
        self.about = f"the archive of {store}"
        self.names = Names("raw_events", "counted_events", "accounts")
        counted, missing = _counted(store, hold)
        self.hold = hold
        self._connection = _connect()
        self._connection.register("counted_events", counted)
        self._connection.register("accounts", opened.ledger())
        self._raw = RawParts(store, parts, definition, hold)
        self.notes: tuple[str, ...] = (
            "the raw side is the archive of what was counted: it does not show what was never taken in",
        )
        if missing:
            self.notes += (f"{missing:,} counted events are not measured: the store has forgotten their ids",)

    def extent(self) -> Extent:
        return self._raw.extent()

    def narrow(self, from_us: int | None, until_us: int | None) -> None:
        """Only the parts that have something of these days are prepared."""
        self._connection.register("raw_events", self._raw.table(from_us, until_us))

    def query(self, sql: str) -> pa.Table:
        with self.hold.of(self._connection):
            return self._connection.sql(sql).to_arrow_table()

    def close(self) -> None:
        self._connection.close()


def _connect() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise CallError("the package duckdb is not installed", "pip install 'crossfoot[warehouse]'") from error
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _counted(store: Path, hold: Hold) -> tuple[pa.Table, int]:
    """All counted events whose ids the store has, and how many it has no more."""
    import pyarrow as pa

    tables, mark, has_more = [], json.dumps(_START), True
    while has_more:
        hold.check()
        with core_errors():
            stream, mark, has_more = _core.counted_since(str(in_force(store)), mark, _ROWS_MAX)
        tables.append(read_stream(stream))
    return pa.concat_tables(tables), int(json.loads(mark)["missing"])
