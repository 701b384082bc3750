"""Where the figures come from: the tables of a warehouse, or the archive and the ids of a store."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping
from itertools import accumulate, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from crossfoot import _core
from crossfoot.archive.reading import parts_of, rows
from crossfoot.definition.compile import compile_plan
from crossfoot.definition.model import Definition
from crossfoot.definition.model import Warehouse as Declared
from crossfoot.errors import CallError, CrossfootError, DataError
from crossfoot.generations import in_force
from crossfoot.monitor.sql import Names
from crossfoot.native import core_errors, read_stream
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.warehouse.store import Warehouse
from crossfoot.warehouse.tables import LATEST, accounts, counted_events, raw_events

if TYPE_CHECKING:
    import pyarrow as pa

_ABSENT = -(1 << 63)
_ROWS_MAX = 1_000_000
_START = {"epoch": 0, "file": 0, "taken": {}, "bucket_us": 0, "total": 0, "missing": 0}


class Side(Protocol):
    """Tables of raw events, counted events and the ledger. `about` says whose they are, `notes` what they lack."""

    about: str
    names: Names
    notes: tuple[str, ...]
    has_counted: bool
    hint: str
    """What to do where there are no raw events."""

    def query(self, sql: str) -> pa.Table:
        """The answer to a question in DuckDB's SQL."""
        ...

    def close(self) -> None:
        """Let go of what is open."""


class WarehouseSide:
    """What the feeds have written: the raw side was read by a subscription or group of its own."""

    def __init__(self, warehouse: Warehouse, declared: Declared) -> None:
        prefix = declared.prefix
        self._warehouse = warehouse
        self.about = f"the warehouse {declared.name}"
        self.names = Names(raw_events(prefix).name, counted_events(prefix).name, accounts(prefix).name + LATEST)
        self.has_counted = "counted" in declared.feeds
        self.notes: tuple[str, ...] = (
            () if self.has_counted else (f"{declared.name} is not fed with counted events: add it to its feeds",)
        )
        self.hint = "feed it: crossfoot feed DEFINITION"
        if "raw" not in declared.feeds:
            raise CallError(f"{declared.name} is not fed with raw events", "add raw to its feeds, or use --from store")

    def query(self, sql: str) -> pa.Table:
        try:
            return self._warehouse.query(sql)
        except CrossfootError:
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

    def __init__(self, store: Path, definition: Definition) -> None:
        opened = EmbeddedStore(store)
        if not parts_of(store):
            hint = "keep one: archive: {keep: 30d}, or watch a warehouse: sinks: [{warehouse: {folder: warehouse}}]"
            raise DataError(f"the store has no archive: {store}", hint)
        self.about = f"the archive of {store}"
        self.names = Names("raw_events", "counted_events", "accounts")
        counted, missing = _counted(store)
        self._connection = _connect()
        self._connection.register("counted_events", counted)
        self._connection.register("accounts", opened.ledger())
        self._load(store, definition)
        self.notes: tuple[str, ...] = (
            "the raw side is the archive of what was counted: it does not show what was never taken in",
        )
        if missing:
            self.notes += (f"{missing:,} counted events are not measured: the store has forgotten their ids",)

    def _load(self, store: Path, definition: Definition) -> None:
        import pyarrow as pa

        waiting: list[pa.Table] = [raw_events().schema.empty_table()]
        for made in _raw(store, definition):
            waiting.append(raw_events().conform(made))
        self._connection.register("raw_events", pa.concat_tables(waiting))

    def query(self, sql: str) -> pa.Table:
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


def _counted(store: Path) -> tuple[pa.Table, int]:
    """All counted events whose ids the store has, and how many it has no more."""
    import pyarrow as pa

    tables, mark, has_more = [], json.dumps(_START), True
    while has_more:
        with core_errors():
            stream, mark, has_more = _core.counted_since(str(in_force(store)), mark, _ROWS_MAX)
        tables.append(read_stream(stream))
    return pa.concat_tables(tables), int(json.loads(mark)["missing"])


def _raw(store: Path, definition: Definition) -> Iterator[pa.Table]:
    """Rows of raw events, of the archived records; a run of records that were read at one time is prepared at once."""
    with core_errors():
        core = _core.RawRows(compile_plan(definition))
    archived = (row for row in rows(parts_of(store)) if row["kind"] == "record")
    for (source, partition, clock_us), group in groupby(archived, key=_alike):
        yield _prepared(core, (source, partition, clock_us), list(group), definition)


def _alike(row: Mapping[str, Any]) -> tuple[str | None, str, int]:
    return row["source"], row["partition"], row["clock"]


def _prepared(
    core: _core.RawRows, of: tuple[str | None, str, int], group: list[dict[str, Any]], definition: Definition
) -> pa.Table:
    import pyarrow as pa

    (source, partition, clock_us), most = of, definition.limits.record_bytes_max + 1
    records = [
        row["record"] if row["length"] is None else row["record"].ljust(min(row["length"], most)) for row in group
    ]
    columns = (
        array("I", accumulate(map(len, records))).tobytes(),
        array("Q", [row["position"] for row in group]).tobytes(),
        _times(row["stamp"] for row in group),
        _times(row["received"] for row in group),
    )
    with core_errors():
        stream, _ = core.records(partition, b"".join(records), columns, False, clock_us)
    table = read_stream(stream)
    beside = {
        "source": (source, pa.string()),
        "partition": (partition, pa.string()),
        "read_at": (clock_us, pa.timestamp("us", "UTC")),
    }
    for name, (value, kind) in beside.items():
        table = table.append_column(name, pa.repeat(pa.scalar(value, kind), len(table)))
    return table


def _times(times: Iterator[int | None]) -> bytes:
    return array("q", [_ABSENT if time is None else time for time in times]).tobytes()
