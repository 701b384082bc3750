"""The changed cells of a store, fed to a target: always the newest values, from the target's durable mark on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from crossfoot.generations import number_in_force
from crossfoot.sinks import marks
from crossfoot.sinks.marks import Mark
from crossfoot.sinks.target import Target
from crossfoot.stores.embedded import EmbeddedStore

Cells = TypeVar("Cells")


class CellFeed(Generic[Cells]):
    """From one store to one target. `read` gives the changed cells of a store in the form that the target takes."""

    def __init__(self, store: Path, target: Target[Cells], read: Callable[[EmbeddedStore], Cells]) -> None:
        self._read = read
        self.name, self.every_s = target.name, target.every_s
        self._store, self._target = store, target
        self._mark = marks.read(store, target.name)
        self._reader: tuple[EmbeddedStore, Mark] | None = None

    @property
    def missing(self) -> int:
        """Cells that the target can never take."""
        return self._target.missing

    @property
    def epoch(self) -> int:
        """The target has every cell as of it."""
        return self._mark.epoch

    def catch_up(self, given_up: Callable[[], bool]) -> int:
        """Write what has changed since the mark, then move the mark."""
        identity = self._target.identity()
        identity += f" generation {number}" if (number := number_in_force(self._store)) else ""
        store = self._newest_of(self._mark if self._mark.identity == identity else Mark(identity))
        epoch, file = store.mark
        cells = self._target.write(self._read(store), epoch, given_up)
        self._mark = Mark(identity, epoch, file)
        marks.write(self._store, self._target.name, self._mark)
        store.taken()
        self._reader = (store, self._mark)
        return cells

    def _newest_of(self, since: Mark) -> EmbeddedStore:
        """The store at its newest epoch, as changed since a mark: that of the last catch-up, if it knows the mark."""
        if self._reader is not None and self._reader[1] == since:
            self._reader[0].refresh()
        else:
            self._reader = (EmbeddedStore(self._store, since.place), since)
        return self._reader[0]

    def close(self) -> None:
        """Let go of the target."""
        self._target.close()
