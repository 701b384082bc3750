"""The changed cells of a store, fed to a target: always the newest values, from the target's durable mark on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from crossfoot.errors import StoreError
from crossfoot.generations import number_in_force
from crossfoot.sinks import marks
from crossfoot.sinks.marks import Mark
from crossfoot.sinks.target import Target
from crossfoot.stores.embedded import EmbeddedStore

Cells = TypeVar("Cells")


class CellFeed(Generic[Cells]):
    """From one store to one target. `read` gives the changed cells of a store in the form that the target takes, and
    those that superseded generations had and it has not.
    """

    def __init__(
        self, store: Path, target: Target[Cells], read: Callable[[EmbeddedStore, Sequence[EmbeddedStore]], Cells]
    ) -> None:
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
        if self._mark.identity != identity:
            is_new = not self._mark.identity
            self._keep(Mark(identity, generation=number_in_force(self._store) if is_new else self._mark.generation))
        store = self._newest()
        epoch, file = store.mark
        cells = self._target.write(self._read(store, self._superseded(store)), epoch, given_up)
        self._keep(Mark(identity, epoch, file, store.generation))
        store.taken()
        self._reader = (store, self._mark)
        return cells

    def _keep(self, mark: Mark) -> None:
        """Durable before anything that it does not cover is written."""
        marks.write(self._store, self._target.name, mark)
        self._mark = mark

    def _newest(self) -> EmbeddedStore:
        """The store at its newest epoch, as changed since the mark: that of the last catch-up, if it knows the mark."""
        mark = self._mark
        if self._reader is not None and self._reader[1] == mark:
            self._reader[0].refresh()
            return self._reader[0]
        number = number_in_force(self._store)
        store = EmbeddedStore(self._store, mark.place if number == mark.generation else (0, 0))
        if store.generation != number:
            return self._newest()
        self._reader = (store, mark)
        return store

    def _superseded(self, store: EmbeddedStore) -> list[EmbeddedStore]:
        """The generations whose cells the target may have, and the store's not."""
        try:
            return [
                EmbeddedStore(self._store, (0, 0), number) for number in range(self._mark.generation, store.generation)
            ]
        except StoreError as error:
            mark = marks.path_of(self._store, self._target.name)
            what = f"a generation that {self.name} was given is not there any more: {error.message}"
            hint = f"which of its cells are gone cannot be told: empty it, then remove {mark}"
            raise StoreError(what, hint) from error

    def close(self) -> None:
        """Let go of the target."""
        self._target.close()
