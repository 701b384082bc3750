"""A warehouse whose tables hold rows that a test writes by hand, and what the monitor finds in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition, Monitor
from crossfoot.monitor.measure import Asked, measure
from crossfoot.monitor.report import Report
from crossfoot.monitor.sides import WarehouseSide
from crossfoot.testing.clocks import ManualClock
from crossfoot.warehouse.open import chosen, open_warehouse
from crossfoot.warehouse.store import FileNote
from crossfoot.warehouse.tables import Table, accounts, counted_events, raw_events
from tests.counting import STAMPED

SINK = "sinks: [{warehouse: {folder: warehouse}}]\n"
WATCHED = STAMPED.replace("accept: {lateness: 1h}", "accept: {lateness: 2d}") + SINK
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def after(**length: float) -> datetime:
    """Some time after noon."""
    return NOON + timedelta(**length)


def arrived(uuid: str, at: datetime = NOON, position: int = 0, **values: Any) -> dict[str, Any]:
    """A raw event that happened at noon; when it came in, and its position in partition `p` of the source `clicks`."""
    plain = {"source": "clicks", "partition": "p", "event_time": NOON, "content": "c", "account": "event"}
    return {**plain, "uuid": uuid, "received": at, "read_at": at, "position": position, **values}


def counted(uuid: str, event_time: datetime = NOON) -> dict[str, Any]:
    """A counted event."""
    return {"uuid": uuid, "event_time": event_time, "content": "c", "epoch": 1}


def account(name: str, records: int, minute: datetime = NOON) -> dict[str, Any]:
    """A row of the ledger."""
    return {
        "partition": "p",
        "minute": minute,
        "account": name,
        "reason": "",
        "part": "",
        "records": records,
        "epoch": 1,
    }


def written(
    folder: Path,
    raw: Iterable[dict[str, Any]] = (),
    counted: Iterable[Any] = (),
    ledger: Iterable[Any] = (),
    text: str = WATCHED,
) -> Definition:
    """Write a warehouse's tables; its definition."""
    definition = load_text(text)
    opened = open_warehouse(chosen(definition), definition, folder, os.environ, ManualClock(0))
    for table, rows in ((raw_events(), raw), (counted_events(), counted), (accounts(), ledger)):
        opened.ensure(table, "feed")
        if made := list(rows):
            note = FileNote(folder / f"note-{chosen(definition).kind}-{table.name}")
            opened.put(table, "one", table.conform(_table(table, made)), note)
    return definition


def _table(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    fields = [field for field in table.schema if field.name != "day"]
    return pa.table({field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in fields})


def side_of(folder: Path, definition: Definition) -> WarehouseSide:
    """The side of a folder's warehouse."""
    declared = chosen(definition)
    return WarehouseSide(open_warehouse(declared, definition, folder, os.environ, ManualClock(0)), declared)


def found(folder: Path, definition: Definition, monitor: Monitor | None = None, **asked: int) -> Report:
    """The monitor's report."""
    return measure(side_of(folder, definition), definition, Asked(monitor or Monitor(), **asked))
