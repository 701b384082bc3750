"""A generation while it is built: everything that the archive has, given to an engine in epochs of the same numbers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossfoot.archive.blocks import Columns
from crossfoot.archive.reading import Recount, recount
from crossfoot.definition.dump import dump
from crossfoot.definition.model import Definition
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.errors import InternalError, StoreError
from crossfoot.generations import folder_of, make_folder, number_in_force
from crossfoot.native import core_errors
from crossfoot.services.store import DEFINITION, write_definition
from crossfoot.stores.adopting import take_back
from crossfoot.stores.embedded import EmbeddedStore


class Rebuilding(EmbeddedEngine):
    """Counts what was archived. Lines stay lines, so that the run that goes on knows its place in its files."""

    are_lines: Callable[[str], bool]

    def recount_block(self, partition: str, data: bytes, columns: Columns, recorded: bytes, now_us: int) -> None:
        with core_errors():
            self.core.recount(partition, data, columns, (recorded, self.are_lines(partition)), now_us)

    def heartbeat(self, partition: str, t_us: int) -> None:
        """Without stamps it says nothing, but the epoch that it was in is one."""
        super().heartbeat(partition, t_us)
        if self.definition.event.received is None:
            self.pass_epoch()

    def commit(self) -> int:
        """The epoch exists when the next one begins, or at the end."""
        self.commit_beside()
        return int(self.settled()["epoch"])

    def settle(self) -> int:
        """Every epoch exists."""
        return super().commit()

    def pass_epoch(self) -> None:
        """An epoch in which nothing was counted."""
        with core_errors():
            self.core.pass_epoch()


class Build:
    """The generation after the one in force, of a definition. What an earlier process has built of it stays."""

    def __init__(
        self, store: Path, definition: Definition, told: Callable[[int], bool] = lambda _: False, **options: Any
    ) -> None:
        self.store, self.definition, self._told = store, definition, told
        self.number = number_in_force(store) + 1
        self.folder = folder_of(store, self.number)
        self._begin_anew_unless_same()
        make_folder(store, self.number)
        take_back(self.folder)
        self._engine = Rebuilding(self.folder, definition, **options)
        try:
            write_definition(self.folder, definition)
        except BaseException:
            self._engine.abandon()
            raise
        self.epoch = int(self._engine.progress()["epoch"])
        self.resumed = self.epoch

    def _begin_anew_unless_same(self) -> None:
        file = self.folder / DEFINITION
        if not file.exists() or file.read_text(encoding="utf-8") != dump(self.definition):
            shutil.rmtree(self.folder, ignore_errors=True)

    def catch_up(self) -> int:
        """Count what the archive has gained; the epoch that it is at."""
        engine, positions = self._engine, _Positions(self.store)
        engine.are_lines = positions.are_lines
        how = Recount(self.epoch, engine.pass_epoch, self._told)
        last = recount(self.store, engine, self.definition, how)
        self.epoch = engine.settle()
        if self.epoch != last:
            what = f"the generation is at epoch {self.epoch}, its archive at {last}"
            raise InternalError(what, "report this")
        return self.epoch

    def close(self) -> None:
        """Everything is in the store's files."""
        self._engine.close()

    def abandon(self) -> None:
        """Let go; the next process goes on from the last epoch."""
        self._engine.abandon()


class _Positions:
    """Whether the records of a partition have positions of their own, as the generation in force knows it."""

    def __init__(self, store: Path) -> None:
        self._known = {known["name"]: known for known in EmbeddedStore(store).meta["partitions"]}

    def are_lines(self, partition: str) -> bool:
        if partition not in self._known:
            hint = "the store was brought back from an older copy: count again into a new store"
            raise StoreError(f"the archive is ahead of its store: it has records of {partition}", hint)
        return self._known[partition]["next_offset"] is None
