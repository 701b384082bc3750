"""Two results, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from crossfoot.query.client import Store

Value = int | str | bool | Decimal | None
# metric, grain, window in microseconds, and each dimension with its value.
Key = tuple[Value | tuple[str, Value], ...]
Cells = Mapping[Key, tuple[Value, ...]]

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many cells either side has, how many are equal, and the first that are not."""

    cells: int
    equal: int
    different: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether there is something to compare and all of it is equal."""
        return self.cells == self.equal > 0


def compare(ours: Cells, theirs: Cells) -> Comparison:
    """Every cell that either side has. A cell that one side does not have is different from any value."""
    different = sorted(_different(ours, theirs))
    cells = len(ours.keys() | theirs.keys())
    return Comparison(cells, cells - len(different), tuple(different[:_SHOWN]))


def _different(ours: Cells, theirs: Cells) -> Iterator[str]:
    for key in ours.keys() | theirs.keys():
        if ours.get(key) != theirs.get(key):
            yield f"{key}: {ours.get(key, 'absent')} and {theirs.get(key, 'absent')}"


def cells_of(store: Store) -> Cells:
    """Every cell of every table of a store, as its queries answer."""
    return {
        key: values
        for metric in store.metrics
        for by in metric.sets
        for grain in metric.grains
        for key, values in _table(store, metric.name, by, grain.text)
    }


def _table(store: Store, metric: str, by: tuple[str, ...], grain: str) -> Iterator[tuple[Key, tuple[Value, ...]]]:
    table = store.query(metric, by=by, grain=grain).to_arrow()
    windows = table.column("window").cast("int64").to_pylist()
    dimensions = [table.column(name).to_pylist() for name in by]
    measures = [table.column(name).to_pylist() for name in table.column_names if name not in ("window", *by)]
    for row, window in enumerate(windows):
        named = [(name, column[row]) for name, column in zip(by, dimensions, strict=True)]
        yield (metric, grain, window, *named), tuple(column[row] for column in measures)
