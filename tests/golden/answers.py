"""What an engine answers, in the form of ``expected.json``: instants as ISO text, decimals as text."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any

from crossfoot.engines.protocol import Engine
from crossfoot.event import CellTable, LedgerRow, SideEntry
from tests.times import iso


def answers(engine: Engine) -> dict[str, Any]:
    """Everything that a golden folder may expect."""
    status, ledger = engine.status(), engine.ledger()
    return {
        "cells": [table_answer(table) for table in engine.cells()],
        "ledger": totals(ledger),
        "minutes": sorted((_minute(row) for row in ledger), key=repr),
        "side": [side_answer(entry) for entry in side_log(engine)],
        "clock": iso(status.clock_us),
        "forgotten": iso(status.forgotten_us),
        "watermark": iso(status.watermark_us),
        "final": status.final,
        "partitions": {
            name: {"records": each.records, "gaps": each.gaps, "exploded": each.exploded}
            for name, each in sorted(status.partitions.items())
        },
    }


def side_log(engine: Engine) -> list[SideEntry]:
    """The side log by the names of partitions; an engine may have another order of them."""
    return sorted(engine.side_log(), key=lambda entry: (entry.partition, entry.record, entry.element or 0))


def totals(ledger: list[LedgerRow]) -> dict[str, int]:
    """Records by account, reason and part, over all partitions."""
    sums: Counter[str] = Counter()
    for row in ledger:
        sums[" ".join(filter(None, (row.account, row.reason, row.part)))] += row.records
    return dict(sums)


def shown(value: Any) -> Any:
    """A value as JSON shows it."""
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() + "Z" if isinstance(value, datetime) else value


def table_answer(table: CellTable) -> dict[str, Any]:
    """A table of cells."""
    rows = [{name: shown(value) for name, value in row.items()} | {"window": iso(_time(row))} for row in table.rows]
    found = {"metric": table.metric, "by": list(table.by), "grain": table.grain, "rows": rows}
    return found | ({"expired": table.expired} if table.expired else {})


def _time(row: dict[str, Any]) -> int | None:
    window: int | None = row["window"]
    return window


def _minute(row: LedgerRow) -> list[Any]:
    account = " ".join(filter(None, (row.account, row.reason, row.part)))
    return [row.partition, iso(row.minute_us), account, row.records]


def side_answer(entry: SideEntry) -> dict[str, Any]:
    """An entry of the side log."""
    return {
        "partition": entry.partition,
        "record": entry.record,
        "element": entry.element,
        "account": " ".join(filter(None, (entry.account, entry.reason, entry.part))),
        "event": iso(entry.event_us),
        "received": iso(entry.received_us),
        "t": iso(entry.t_us),
        "uuid": None if entry.uuid is None else f"{entry.uuid:032x}",
    }
