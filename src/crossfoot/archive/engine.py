"""The embedded engine with an archive: every input is durable there before the epoch that counts it is committed.

Whatever it is that reads the sources, the archive has what the engine was given, in that order, and each under the
number of its epoch. After a crash the store's epoch decides: what the archive has beyond it was never counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossfoot.archive.entries import BLOCK, FINISH, HEARTBEAT, JOIN, LINE, LINES, SKIP, SWITCH, TIMES, Entry
from crossfoot.archive.journal import Journal
from crossfoot.clock import Clock
from crossfoot.definition.model import Archive, Definition
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.errors import InternalError
from crossfoot.generations import in_force
from crossfoot.log.disk import Disk
from crossfoot.settings import Settings


class SupersededError(Exception):
    """Another generation came into force while this one was opened."""


class ArchivingEngine(EmbeddedEngine):
    """Counts into the generation in force of a store that has an archive, which is that of all generations."""

    def __init__(
        self,
        path: Path,
        definition: Definition,
        clock: Clock,
        settings: Settings,
        *,
        disk: Disk | None = None,
        **options: Any,
    ) -> None:
        folder = in_force(path)
        super().__init__(folder, definition, times=True, **options)
        if in_force(path) != folder:
            super().abandon()
            raise SupersededError
        self._clock = clock
        self._settings = settings
        self._sources: dict[str, str] = {}
        self._has_lines = False
        self._epoch: int = self.progress()["epoch"]
        self._epoch_ns = 0
        try:
            self._journal = Journal(path, clock, definition.archive or Archive(), self._epoch, disk)
        except BaseException:
            super().abandon()
            raise

    def _add(self, kind: str, partition: str, **more: Any) -> None:
        source = self._sources.get(partition, "")
        more.setdefault("clock_us", self._clock.now_us())
        self._journal.add(Entry(kind, self._epoch + 1, partition, source, **more))

    # Inputs.

    def register_as(self, partitions: Sequence[tuple[str, str]], sources: Mapping[str, str] | None = None) -> None:
        self._sources |= sources or {}
        joining = [(name, identity) for name, identity in partitions if name not in self._live]
        if not joining:
            super().register_as(partitions)
            return
        self.commit()
        joined_us = self.progress()["clock_us"]
        for name, identity in joining:
            self._add(JOIN, name, t_us=joined_us, text=identity)
        self._journal.sync()
        super().register_as(partitions)
        self._committed(self.progress()["epoch"])

    def feed_part(self, partition: str, data: bytes, span: tuple[int, int], now_us: int) -> None:
        super().feed_part(partition, data, span, now_us)
        self._has_lines = True
        self._add(LINES, partition, clock_us=now_us, columns=(data[slice(*span)],))

    def feed_block(self, partition: str, data: bytes, columns: tuple[bytes, bytes, bytes, bytes], now_us: int) -> None:
        super().feed_block(partition, data, columns, now_us)
        self._add(BLOCK, partition, clock_us=now_us, columns=(data, *columns))

    def skip_to(self, partition: str, offset: int) -> None:
        super().skip_to(partition, offset)
        self._add(SKIP, partition, position=offset, t_us=self._last_t_us(partition))

    def skip(self, partition: str, length: int, head: bytes) -> None:
        super().skip(partition, length, head)
        if head:
            self._has_lines = True
            self._add(LINE, partition, length=length, columns=(head,))

    def heartbeat(self, partition: str, t_us: int) -> None:
        super().heartbeat(partition, t_us)
        if self.definition.event.received is not None:
            self._add(HEARTBEAT, partition, t_us=t_us)

    def finish(self, partition: str, state: str | None = None) -> None:
        super().finish(partition, state)
        self._add(FINISH, partition, t_us=self._last_t_us(partition), text=state)

    def _last_t_us(self, partition: str) -> int | None:
        last_t_us: int | None = self.partitions()[partition]["last_t_us"]
        return last_t_us

    # Epochs.

    def commit(self) -> int:
        self._add_times()
        self._journal.sync()
        epoch = super().commit()
        self._committed(epoch)
        return epoch

    def commit_beside(self) -> int:
        """What is archived next is of the next epoch, so this one is waited for."""
        self.progress()  # what was fed is counted: the time that follows is the commit's own
        began = self._clock.elapsed_s()
        self.commit()
        self._epoch_ns = int(1e9 * (self._clock.elapsed_s() - began))
        return super().commit_beside()

    def settled(self) -> dict[str, Any]:
        """With the time that the archive has taken."""
        return {**super().settled(), "epoch_ns": self._epoch_ns}

    def _add_times(self) -> None:
        """The t of what was counted; where lines have ordinals, that of the first too."""
        times = self.times()
        kept = self.partitions() if self._has_lines else {}
        for name, column in times:
            position = kept[name]["records"] - len(column) // 8 if kept else None
            self._add(TIMES, name, position=position, columns=(column,))
        self._has_lines = False

    def _committed(self, epoch: int) -> None:
        if epoch not in (self._epoch, self._epoch + 1):
            raise InternalError(f"the archive is at epoch {self._epoch}, the store at {epoch}", "report this")
        self._epoch = epoch
        self._journal.committed(epoch, self._settings.archive_segment_bytes, self._settings.archive_seconds)

    def hand_on(self, generation: int) -> None:
        """The next epoch is that of a switch: durable in the journal, and left out where the switch does not come."""
        self._add(SWITCH, "", text=str(generation))
        self._journal.sync()

    def handed_on(self) -> None:
        """The switch has come: its epoch is one of the archive."""
        self._committed(self._epoch + 1)
        self._journal.finish()

    def close(self) -> None:
        super().close()
        try:
            self._journal.finish()
        finally:
            self._journal.close()

    def abandon(self) -> None:
        super().abandon()
        self._journal.close()


def open_engine(
    store: Path, definition: Definition, clock: Clock, settings: Settings, **options: Any
) -> EmbeddedEngine:
    """The engine that counts into a store's generation in force, with the archive that the definition asks for."""
    while True:
        try:
            if definition.archive is not None:
                return ArchivingEngine(store, definition, clock, settings, **options)
            engine = EmbeddedEngine(in_force(store), definition, **options)
        except SupersededError:
            continue
        if engine.path == in_force(store):
            return engine
        engine.abandon()
