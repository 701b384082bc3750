"""The switch: who counts lets go, the built generation counts the rest, and takes over in one step.

Until the pointer is replaced nothing has happened: the epoch of the switch is in the archive's journal beyond that of
the store, and is left out like any that was never committed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crossfoot.archive.engine import ArchivingEngine, SupersededError
from crossfoot.definition.model import Definition
from crossfoot.errors import HeldError, StoreError
from crossfoot.generations import Began, keep_began, put_in_force
from crossfoot.services.backfill.build import Build
from crossfoot.services.handover import asked, pause
from crossfoot.services.watch import Done, Watch
from crossfoot.settings import Settings
from crossfoot.stores.adopting import adopt, settle
from crossfoot.stores.embedded import EmbeddedStore


class StoppedError(Exception):
    """Asked to stop; what was built is kept."""


@dataclass(frozen=True)
class BackfillWatch(Watch[Done]):
    """Who looks on: the state is how many epochs are counted; `pass_step` is told each step of the switch."""

    pass_step: Callable[[str], None] = lambda _: None


def switch(build: Build, old: Definition, settings: Settings, watch: BackfillWatch) -> int:
    """Put the built generation in force; the epoch at which it is."""
    with asked(build.store):
        engine = _held(build, old, settings, watch)
        try:
            watch.pass_step("held")
            epoch = build.catch_up()
            at = engine.progress()["epoch"]
            if epoch != at:
                hint = "what was counted while the definition had no archive is not in it: count into a new store"
                raise StoreError(f"the archive ends at epoch {epoch}, the store at {at}", hint)
            build.close()
            watch.pass_step("built")
            _take_over(build, engine, epoch, watch)
        finally:
            engine.abandon()
    return epoch + 1


def _take_over(build: Build, engine: ArchivingEngine, epoch: int, watch: BackfillWatch) -> None:
    next_file = adopt(build.folder, epoch, engine.partitions())
    before, after = (_counted(EmbeddedStore(path)) for path in (build.store, build.folder))
    counted = sum(records for *_, records, _ in after)
    keep_began(build.folder, Began(epoch + 1, next_file, counted, before == after))
    watch.pass_step("adopted")
    engine.hand_on(build.number)
    watch.pass_step("archived")
    put_in_force(build.store, build.number)
    watch.pass_step("switched")
    settle(build.folder)
    engine.handed_on()


def _counted(store: EmbeddedStore) -> list[tuple[Any, ...]]:
    """The counted events by partition and minute, with their digests: equal ones are the same events."""
    columns = ("partition", "minute", "records", "digest")
    rows = [row for row in store.ledger().to_pylist() if row["account"] == "counted"]
    return sorted((tuple(row[name] for name in columns) for row in rows), key=repr)


def _held(build: Build, old: Definition, settings: Settings, watch: BackfillWatch) -> ArchivingEngine:
    """The generation in force, which nobody else counts into; its archive is sealed up to its epoch."""
    is_told = False
    while True:
        try:
            return ArchivingEngine(build.store, old, watch.clock, settings)
        except SupersededError:
            continue
        except HeldError as error:
            if not is_told:
                watch.note(f"{error.message}: it is asked to let go at its next epoch")
                is_told = True
        if watch.stop():
            raise StoppedError
        pause()
