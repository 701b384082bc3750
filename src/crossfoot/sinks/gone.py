"""The cells that a superseded generation has and the one in force lacks: a sink that was given them has to lose them.

Windows that retention no longer keeps are in no generation, and stay in a sink as they were last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from crossfoot.calendar import window_of
from crossfoot.definition.model import Grain
from crossfoot.query.model import StoredMetric, stored_of
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.stores.partials import GROUP, WINDOW

if TYPE_CHECKING:
    import pyarrow as pa

_ALL_TIME = -(2**63)


class ChangedStore(Protocol):
    """A store that says what has changed since a mark of its own."""

    @property
    def meta(self) -> dict[str, Any]:
        """Epoch, plan, clocks and partitions."""
        ...

    def changed(self, metric: int, by: int, grain: int) -> Iterator[pa.Table]:
        """The changed cells of a stored table, in parts."""
        ...


class StoredTable(NamedTuple):
    """A table of a store: its metric, dimension set and grain, and their places in the store's plan."""

    metric: StoredMetric
    by: tuple[str, ...]
    grain: Grain
    place: tuple[int, int, int]

    @property
    def name(self) -> tuple[str, tuple[str, ...], str]:
        """What it is called in every generation."""
        return self.metric.name, self.by, self.grain.text


class Gone(NamedTuple):
    """Cells that are gone, of a table of the superseded generation, in both forms that stores give."""

    table: StoredTable
    cells: pa.Table
    partials: pa.Table


def tables_of(store: ChangedStore) -> Iterator[StoredTable]:
    """Every set with every grain."""
    for metric in stored_of(store.meta["plan"]).metrics:
        for place, by in enumerate(metric.sets):
            for number, grain in enumerate(metric.grains):
                yield StoredTable(metric, by, grain, (metric.index, place, number))


def gone(old: EmbeddedStore, new: EmbeddedStore) -> Iterator[Gone]:
    """What the old generation has and the new one lacks, part by part. Both are opened as changed since (0, 0)."""
    there = {table.name: table for table in tables_of(new)}
    for table in tables_of(old):
        same = there.get(table.name)
        kept, kept_from = _keys(new, same), _kept_from(new, same)
        least = next(kept, None)
        for cells, partials in zip(old.changed(*table.place), old.changed_partials(*table.place), strict=True):
            lacks = list[bool]()
            for key, start in _keys_of(partials):
                while least is not None and least[0] < key:
                    least = next(kept, None)
                lacks.append(start >= kept_from and (least is None or least[0] != key))
            if any(lacks):
                yield Gone(table, cells.filter(lacks), partials.filter(lacks))


def _keys(store: EmbeddedStore, table: StoredTable | None) -> Iterator[tuple[bytes, int]]:
    for part in store.changed_partials(*table.place) if table else ():
        yield from _keys_of(part)


def _keys_of(partials: pa.Table) -> Iterator[tuple[bytes, int]]:
    """As the store orders them, and where the window begins."""
    for group, window in zip(partials[GROUP].to_pylist(), partials[WINDOW].to_pylist(), strict=True):
        start = _ALL_TIME if window is None else window
        yield group + (start - _ALL_TIME).to_bytes(8, "big"), start


def _kept_from(store: EmbeddedStore, table: StoredTable | None) -> int:
    """From where on a store keeps the windows of a table."""
    watermark = store.meta["watermark_us"]
    if table is None or table.grain.retain_us is None or watermark is None:
        return _ALL_TIME
    start = window_of(table.grain, watermark - table.grain.retain_us).start_us
    return _ALL_TIME if start is None else start
