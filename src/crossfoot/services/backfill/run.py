"""A backfill from its beginning to its end: refused in time, built, compared, and switched where that was asked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crossfoot.archive.lost import lost_of
from crossfoot.archive.parts import Part, parts_of
from crossfoot.archive.reading import first_epoch, no_parts
from crossfoot.archive.schema import FORM
from crossfoot.definition.changes import Change, compare
from crossfoot.definition.engines import refuse, run_lacks
from crossfoot.definition.model import Definition
from crossfoot.errors import CallError, StoreError
from crossfoot.generations import FIRST, folder_of, folders, number_in_force
from crossfoot.reconcile.sides import EVERYTHING, Range
from crossfoot.services.backfill.build import Build
from crossfoot.services.backfill.difference import Side, TableDifference, differences
from crossfoot.services.backfill.switch import BackfillWatch, StoppedError, switch
from crossfoot.services.handover import only_one
from crossfoot.services.store import DEFINITION, definition_in_force, options_of
from crossfoot.services.watch import Done
from crossfoot.settings import Settings
from crossfoot.sinks import marks
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.warehouse.open import FOLDER as FEEDS
from crossfoot.warehouse.outbox import mark_of

_ROUNDS = 8
"""So often what a running store has gained meanwhile is counted before it is compared."""


@dataclass(frozen=True, slots=True)
class Job:
    """Which definition is to be counted anew into which store; windows that are compared; whether to switch."""

    definition: Definition
    store: Path
    within: Range = EVERYTHING
    switches: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it. `epoch`: of the generation in force; `built`: of the built one; `resumed`: where that began."""

    generation: int
    epoch: int
    built: int
    resumed: int
    tables: tuple[TableDifference, ...]
    accounts: tuple[tuple[str, int, int], ...]
    seconds: float
    switched: bool = False
    stopped: bool = False

    @property
    def differs(self) -> bool:
        """Whether anything would change."""
        return any(table.differs for table in self.tables) or any(old != new for _, old, new in self.accounts)


def backfill(job: Job, settings: Settings, watch: BackfillWatch) -> Report:
    """Build the next generation, compare it with the one in force, and switch if that is asked for."""
    began = watch.clock.elapsed_s()
    old = definition_in_force(job.store)
    changes = compare(old, job.definition)
    _refuse(job, old, changes)
    with _room(job.store), only_one(job.store):
        total = _epoch(job.store)

        def told(epoch: int) -> bool:
            watch.state(Done(epoch, total, "epochs"))
            return watch.stop()

        build = Build(job.store, job.definition, told, **options_of(settings))
        try:
            return _built(job, build, old, (settings, watch, began))
        finally:
            build.abandon()


@contextmanager
def _room(store: Path) -> Iterator[None]:
    """The system's errors with what to do."""
    try:
        yield
    except OSError as error:
        hint = "nothing was switched: free some space, or see to the disk, then run again"
        raise StoreError(f"cannot write {error.filename or store}: {error.strerror or error}", hint) from error


def _built(job: Job, build: Build, old: Definition, how: tuple[Settings, BackfillWatch, float]) -> Report:
    settings, watch, began = how
    _catch_up(build, watch)
    tables: tuple[TableDifference, ...] = ()
    accounts: tuple[tuple[str, int, int], ...] = ()
    stopped = watch.stop()
    if not stopped:
        sides = Side(EmbeddedStore(job.store), old), Side(EmbeddedStore(build.folder), job.definition)
        tables, accounts = differences(*sides, job.within), _accounts(*(side.store for side in sides))
    epoch, switched = _epoch(job.store), False
    if job.switches and not stopped:
        try:
            epoch, switched = switch(build, old, settings, watch), True
        except StoppedError:
            stopped = True
    seconds = watch.clock.elapsed_s() - began
    return Report(
        build.number, epoch, build.epoch, build.resumed, tables, accounts, seconds, switched=switched, stopped=stopped
    )


def _catch_up(build: Build, watch: BackfillWatch) -> None:
    """A store that is counted into gains epochs meanwhile; the last of them are counted at the switch."""
    for _ in range(_ROUNDS):
        before = build.epoch
        if build.catch_up() == before or watch.stop():
            return


def _epoch(store: Path) -> int:
    return int(EmbeddedStore(store).meta["epoch"])


def _accounts(old: EmbeddedStore, new: EmbeddedStore) -> tuple[tuple[str, int, int], ...]:
    """Each account's records, before and after."""
    totals: dict[str, list[int]] = {}
    for place, store in enumerate((old, new)):
        for _, account, _, _, records in store.accounts():
            totals.setdefault(account, [0, 0])[place] += records
    return tuple((account, before, after) for account, (before, after) in sorted(totals.items()))


def _refuse(job: Job, old: Definition, changes: tuple[Change, ...]) -> None:
    """What cannot be done is said before anything is built."""
    refuse("`crossfoot backfill`", run_lacks(job.definition))
    for change in changes:
        if change.outcome == "impossible":
            raise CallError(f"{change.what} cannot be changed", change.why)
    if job.definition.archive is None or old.archive is None:
        hint = "write `archive: {}` into the definition; what was counted without it is counted again into a new store"
        raise StoreError(f"{job.store} keeps no archive, so there is nothing to count again", hint)
    whole(job.store)


def whole(store: Path) -> list[Part]:
    """The parts of an archive that lacks nothing of what is sealed; StoreError with what is missing."""
    parts = parts_of(store)
    choices = "count again from the sources into a new store (--store), or keep the generation in force"
    if not parts:
        raise no_parts(store, choices)
    if parts[0].form < FORM:
        what = f"the archive holds parts of an older form: {parts[0].path}"
        raise StoreError(what, f"they do not say what joined, beat and finished: {choices}")
    if (first := first_epoch(parts[0])) > 1:
        what = f"the archive of {store} lacks the epochs from 1 to {first - 1}: they have expired, or were never in it"
        raise StoreError(what, choices)
    if lost := lost_of(store).first:
        raise StoreError(f"the archive of {store} lacks {lost}", f"bring its files back from a copy; or {choices}")
    return parts


def prune(store: Path) -> list[int]:
    """Remove every generation but the one in force; which these were.

    StoreError where a sink was given one of them and has not all of the one in force: what is gone is told by both;
    and where a feed has not everything that one of them has counted.
    """
    definition_in_force(store)
    with only_one(store):
        kept = number_in_force(store)
        holder = marks.oldest(store)
        if holder is not None and holder.generation < kept:
            what = f"{holder.sink} has cells of generation {holder.generation}, and was not told yet which are gone"
            raise StoreError(
                what, f"bring it up (crossfoot run, or export), or remove {holder.path} if it is not used any more"
            )
        _all_fed(store, kept)
        others = [number for number in folders(store) if number != kept]
        for number in others:
            shutil.rmtree(folder_of(store, number))
        if kept != FIRST and (files := _files_of_first(store)):
            for path in files:
                path.unlink()
            others.insert(0, FIRST)
    return others


def _all_fed(store: Path, kept: int) -> None:
    """StoreError where the ids of a generation that is not in force are still to be fed."""
    for folder in sorted((store / FEEDS).glob("counted-*")):
        mark = mark_of(folder)
        number = mark.get("generation", FIRST)
        if "ids" in mark and number != kept:
            what = f"a warehouse may lack events that generation {number} has counted: its feed is {folder}"
            raise StoreError(what, f"bring it up (crossfoot run), or remove {folder} if it is not used any more")


def _files_of_first(store: Path) -> list[Path]:
    """The files of the first generation; its manifest first, without which they are no store."""
    patterns = ("MANIFEST", "HEAD", DEFINITION, "journal-*", "cells-*", "ids-*")
    return [path for pattern in patterns for path in sorted(store.glob(pattern))]
