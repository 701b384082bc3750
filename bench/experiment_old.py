"""The old pipeline of the experiment: an hourly batch that drops late events, and a stream half that loses some.

The batch half is the batch engine with the rule of `crossfoot batch --drop-late`. The stream half is a simulation:
plain Python with a seed, which shares nothing with what it is compared with.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crossfoot.definition.model import Definition
from crossfoot.engines.batch import BatchEngine
from crossfoot.engines.batch.variation import Variation

CUT_OFF = timedelta(hours=1)
SECONDS = {"1h": 3_600, "1d": 86_400}


@dataclass(frozen=True)
class Table:
    """A table that both pipelines give."""

    metric: str
    by: tuple[str, ...]
    grain: str

    @property
    def file(self) -> str:
        return f"{'-'.join(self.by) or 'whole'}-{self.grain}.parquet"


@dataclass(frozen=True)
class Losses:
    """What the stream half loses. It has no memory of ids, so copies count; late events count in their windows.

    Records come in blocks. Some blocks meet backpressure and lose a part of their records; at some a worker is
    restarted, and the block, which is in its memory, is lost.
    """

    block: int = 1_000
    backpressure: float = 0.04
    dropped: float = 0.25
    restarts: float = 0.02
    seed: int = 2021


def batch(definition: Definition, store: Path, folder: Path, tables: Iterable[Table], late: bool) -> dict[str, int]:
    """Write the tables of the store's archive, recounted; `late` counts late events too. The accounts."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = BatchEngine(definition)
    engine.add_raw(f"read_parquet('{store}/archive/day=*/*.parquet')")
    found = engine.run(Variation() if late else Variation(drop_late=CUT_OFF))
    for table in tables:
        pq.write_table(found.cells(table.metric, list(table.by), table.grain), folder / table.file)
    accounts: dict[str, int] = found.accounts()
    return accounts


def surviving(events: Iterable[dict[str, Any]], losses: Losses, lost: Counter[str]) -> Iterator[dict[str, Any]]:
    """What is left of the events, in their order."""
    random = Random(losses.seed)
    restarted = pressed = False
    for place, event in enumerate(events):
        if place % losses.block == 0:
            restarted = random.random() < losses.restarts
            pressed = random.random() < losses.backpressure
            lost["restarts"] += restarted
        if restarted:
            lost["by a restart"] += 1
        elif pressed and random.random() < losses.dropped:
            lost["under backpressure"] += 1
        else:
            yield event


def stream(
    events: Iterable[dict[str, Any]], folder: Path, tables: Iterable[Table], losses: Losses, spent: str | None
) -> dict[str, int]:
    """Write the tables of the stream half, by the event's `at` in seconds; what was lost, and how."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen, lost = list(tables), Counter[str]()
    cells: list[dict[tuple[Any, ...], list[int]]] = [defaultdict(lambda: [0, 0]) for _ in chosen]
    for event in surviving(events, losses, lost):
        for table, found in zip(chosen, cells, strict=True):
            seconds = SECONDS[table.grain]
            cell = found[(event["at"] // seconds * seconds, *(event[name] for name in table.by))]
            cell[0] += 1
            cell[1] += event[spent] if spent else 0
    for table, found in zip(chosen, cells, strict=True):
        _write(folder / table.file, table, found, spent)
    return dict(sorted(lost.items()))


def _write(path: Path, table: Table, cells: dict[tuple[Any, ...], list[int]], spent: str | None) -> None:
    columns: dict[str, list[Any]] = {"window": [datetime.fromtimestamp(key[0], UTC) for key in cells]}
    columns |= {name: [key[place + 1] for key in cells] for place, name in enumerate(table.by)}
    columns["events"] = [cell[0] for cell in cells.values()]
    if spent:
        columns["time_spent"] = [cell[1] for cell in cells.values()]
    pq.write_table(pa.table(columns), path)
