"""A definition with a warehouse, its feeds, and what is in its tables."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition
from crossfoot.query.client import Store
from crossfoot.services.feed import Fed, feed, job_of
from crossfoot.services.live import LiveWatch
from crossfoot.settings import Settings
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from crossfoot.warehouse.open import chosen, open_warehouse
from crossfoot.warehouse.store import Warehouse, quoted
from tests.counting import CLICKS

SINK = "sinks: [{warehouse: {folder: warehouse}}]\n"
FED = CLICKS + SINK
NOW_US = 1_800_000_000_000_000
CLOCK = ManualClock(NOW_US)


def fed(folder: Path, text: str = FED, settings: Settings | None = None, **environment: str) -> Fed:
    """Run the raw feed of a definition over what its sources have now."""
    definition = load_text(text)
    job = job_of(definition, (folder / "store", folder), chosen(definition), environment, once=True)
    return feed(job, settings or Settings(sink_wait_seconds=60), LiveWatch(clock=CLOCK))


def opened(folder: Path, text: str | Definition = FED, **environment: str) -> Warehouse:
    """The warehouse of a definition."""
    definition = load_text(text) if isinstance(text, str) else text
    return open_warehouse(chosen(definition), definition, folder, environment, CLOCK)


def asked(warehouse: Warehouse, sql: str) -> list[dict[str, Any]]:
    """The rows of an answer."""
    rows: list[dict[str, Any]] = warehouse.query(sql).to_pylist()
    return rows


def positions(warehouse: Warehouse) -> Counter[tuple[str, int]]:
    """How often each position is among the raw events."""
    found = asked(warehouse, "SELECT partition, position, count(*) AS n FROM raw_events GROUP BY ALL")
    return Counter({(row["partition"], row["position"]): row["n"] for row in found})


def check_all_cells(warehouse: Warehouse, store: Store) -> None:
    """The newest cells of all tables are those that queries give."""
    for metric in store.metrics:
        measures = [measure.name for measure in metric.measures]
        for by in metric.sets:
            for grain in metric.grains:
                names = ", ".join(quoted(name) for name in (*by, "window", *measures))
                place = f"WHERE \"by\" = '{','.join(by)}' AND grain = '{grain.text}'"
                found = asked(warehouse, f"SELECT {names} FROM cells_{metric.name}_latest {place}")
                answer = store.query(metric.name, by=by, grain=grain.text).to_arrow()
                wanted = answer.select([*by, "window", *measures]).to_pylist()
                assert sorted(found, key=str) == sorted(wanted, key=str), (metric.name, by, grain.text)


def check_counted(warehouse: Warehouse, store: Path) -> None:
    """Every counted event is there once, and the newest rows of the ledger are the ledger."""
    ledger = EmbeddedStore(store).accounts()
    counted = sum(row[-1] for row in ledger if row[1] == "counted")
    (found,) = asked(
        warehouse, "SELECT count(*) AS n, count(DISTINCT uuid || CAST(event_time AS TEXT)) AS ids FROM counted_events"
    )
    assert found == {"n": counted, "ids": counted}, (found, counted)
    sql = "SELECT partition, account, reason, part, sum(records) AS n FROM accounts_latest GROUP BY ALL"
    accounts = sorted(
        (r["partition"], r["account"], r["reason"], r["part"], int(r["n"])) for r in asked(warehouse, sql)
    )
    assert accounts == sorted(ledger), (accounts, sorted(ledger))
