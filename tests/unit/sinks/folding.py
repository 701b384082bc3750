"""What a reader of a sink does: the highest epoch of each cell counts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crossfoot.definition.model import OTHER
from crossfoot.query.client import Store
from crossfoot.sinks.cells import Changed, key_of, messages


def fold(sent: Iterable[tuple[bytes, bytes | None]]) -> dict[bytes, dict[str, Any]]:
    """Cells by key: the measures of the highest epoch; none where there is no value."""
    newest: dict[bytes, dict[str, Any]] = {}
    for key, value in sent:
        if value is None:
            newest.pop(key, None)
            continue
        found = json.loads(value)
        if key not in newest or found["epoch"] >= newest[key]["epoch"]:
            newest[key] = found
    return {key: found["measures"] for key, found in newest.items()}


def queried(store: Path | Store) -> dict[bytes, dict[str, Any]]:
    """The same cells as `crossfoot query` gives them."""
    opened = store if isinstance(store, Store) else Store.open(store)
    cells = {}
    for metric in opened.metrics:
        for by in metric.sets:
            for grain in metric.grains:
                place = Changed(metric.name, by, grain.text, None)
                for row in opened.query(metric.name, by=by, grain=grain.text).rows():
                    key = key_of(place, row.pop("window"), [row.pop(name) for name in by], other=row.pop(OTHER, False))
                    cells[key] = row
    return cells


class Collected:
    """A target that keeps what it gets, and fails as a test asks."""

    def __init__(self) -> None:
        self.name, self.every_s = "collected", 0.001
        self.who = "first"
        self.sent: list[list[tuple[bytes, bytes | None]]] = []
        self.down: Exception | None = None
        self.missing = 0

    def identity(self) -> str:
        return self.who

    def write(self, cells: Iterable[Changed], epoch: int, _given_up: Any) -> int:
        if self.down is not None:
            raise self.down
        self.sent.append([message for each in cells for message in messages(each, epoch)])
        return len(self.sent[-1])

    def close(self) -> None:
        """Nothing is open."""
