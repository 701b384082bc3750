"""A small shop's events with copies and late ones, and another pipeline that counts them with a fault that is planted.

The other pipeline is plain Python over lists: it shares nothing with what it is compared with.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HOUR = 3_600_000
START = int(datetime(2024, 3, 4, tzinfo=UTC).timestamp() * 1000)
DEFINITION = """
crossfoot: 1
namespace: shop
source: {files: events.jsonl, format: json}
event:
  time: {field: at, unit: ms}
  received: {field: got, unit: ms}
  id: id
  fields:
    country: {path: country, type: text}
    kind: {path: kind, type: text}
    price: {path: price, type: integer}
accept: {lateness: 2d}
metrics:
  sales:
    where: "kind <> 'test'"
    by: [[country, kind], []]
    measures: {events: count, spent: sum(price)}
    grains: [1h, 1d]
archive: {bytes: 100000000000}
"""


@dataclass(frozen=True)
class Event:
    """An event; times are milliseconds."""

    id: str
    at: int
    got: int
    country: str
    kind: str
    price: int


@dataclass(frozen=True)
class Other:
    """How the other pipeline counts: each attribute is a fault, none by default."""

    keeps: Callable[[Event], bool] = lambda event: event.kind != "test"
    dedup: bool | str = True
    late_after: int | None = None
    shift: int = 0
    edit: Callable[[list[Event]], list[Event]] = lambda events: events
    grain: int = HOUR

    def cells(self, events: Iterable[Event], by: tuple[str, ...]) -> dict[tuple[Any, ...], list[int]]:
        """Window and dimensions -> events, spent."""
        seen: set[tuple[str, int]] = set()
        counted = []
        for event in events:
            if self.late_after is not None and event.got >= event.at // HOUR * HOUR + HOUR + self.late_after:
                continue
            copy_of = event.id, event.got // HOUR if self.dedup == "per window" else 0
            if self.dedup and copy_of in seen:
                continue
            seen.add(copy_of)
            if self.keeps(event):
                counted.append(event)
        found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
        for event in self.edit(counted):
            window = (event.at + self.shift) // self.grain * self.grain - self.shift
            cell = found[(window, *[getattr(event, name) for name in by])]
            cell[0] += 1
            cell[1] += event.price
        return found


def events(number: int, seed: int = 7, days: int = 3) -> list[Event]:
    """Events in the order of arrival: one in fifty is a copy, one in twenty is late."""
    random = Random(seed)
    made = []
    for n in range(number):
        at = START + random.randrange(days * 24 * HOUR)
        late = random.randrange(20 * HOUR) if random.random() < 0.05 else random.randrange(90_000)
        country = random.choices(["FR", "DE", "US", "JP"], [5, 3, 2, 1])[0]
        kind = random.choices(["view", "buy", "test"], [7, 2, 1])[0]
        event = Event(f"e{n}", at, at + late, country, kind, random.randrange(1, 5000))
        made.append(event)
        if random.random() < 0.02:
            made.append(replace(event, got=event.got + random.randrange(5 * HOUR)))
    return sorted(made, key=lambda event: event.got)


@dataclass
class Shop:
    """A store that counted the events, and the folder for the other side's tables."""

    folder: Path
    events: list[Event] = field(default_factory=list)

    @property
    def store(self) -> Path:
        """The store's folder."""
        return self.folder / ".crossfoot"

    def write(self, other: Other, by: tuple[str, ...] = ("country", "kind"), name: str = "theirs") -> Path:
        """The other pipeline's table as Parquet."""
        rows = [
            {"window": datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=key[0]),
             **dict(zip(by, key[1:], strict=True)), "events": cell[0], "spent": cell[1]}
            for key, cell in other.cells(self.events, by).items()
        ]  # fmt: skip
        path = self.folder / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path


def open_shop(
    folder: Path,
    number: int,
    seed: int = 7,
    definition: str = DEFINITION,
    edit: Callable[[list[Event]], list[Event]] = lambda made: made,
) -> Shop:
    """Count the events into a store."""
    from crossfoot.cli.app import main

    made = edit(events(number, seed))
    lines = [json.dumps(event.__dict__ | {"whole": event.price / 1000}) for event in made]
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "shop.yaml").write_text(definition)
    assert main(["run", str(folder / "shop.yaml"), "--store", str(folder / ".crossfoot")]) == 0
    return Shop(folder, made)
