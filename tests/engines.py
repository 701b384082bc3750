"""Both engines behind one driver: logs as steps, played whole or with an epoch per step, crashed and gone on with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from crossfoot.definition.model import Definition
from crossfoot.engines.embedded import Crashed, EmbeddedEngine
from crossfoot.engines.protocol import Engine
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.event import PositionedRecord

FAR_FUTURE_US = 4_102_444_800_000_000
"""The reading clock of tests that say none: 2100-01-01, so no stamp is beyond it."""


@dataclass(frozen=True, slots=True)
class Register:
    partitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rejoin:
    """Partitions join as it was recorded, with their J."""

    partitions: tuple[str, ...]
    joined_us: int | None


@dataclass(frozen=True, slots=True)
class Feed:
    """Whole lines of a partition; `records` says how many of them are records."""

    partition: str
    data: bytes
    records: int = 1
    now_us: int = FAR_FUTURE_US


@dataclass(frozen=True, slots=True)
class FeedRecords:
    """Messages of a partition, at their positions."""

    partition: str
    messages: tuple[PositionedRecord, ...]
    now_us: int = FAR_FUTURE_US

    @property
    def records(self) -> int:
        return len(self.messages)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    partition: str
    t_us: int


@dataclass(frozen=True, slots=True)
class Finish:
    partition: str


@dataclass(frozen=True, slots=True)
class Commit:
    pass


@dataclass(frozen=True, slots=True)
class Redefine:
    """Close, and go on under another definition."""

    definition: Definition


Step: TypeAlias = Register | Rejoin | Feed | FeedRecords | Heartbeat | Finish | Commit | Redefine


class Driver(Protocol):
    """An engine that can be opened again."""

    engine: Engine

    def reopen(self, definition: Definition) -> None:
        """Close, and go on from the newest epoch."""


class ReferenceDriver:
    """Nothing is on disk, the folder stays empty; what is reopened is taken over."""

    def __init__(self, definition: Definition, _folder: Path) -> None:
        self.engine = ReferenceEngine(definition)

    def reopen(self, definition: Definition) -> None:
        self.engine = ReferenceEngine(definition, previous=self.engine)


class EmbeddedDriver:
    """A store in a folder."""

    def __init__(self, definition: Definition, folder: Path, **options: Any) -> None:
        self.store, self.options = folder / "store", options
        self.crash: Crash | None = None
        self._open(definition)

    def reopen(self, definition: Definition) -> None:
        self.engine.close()
        self._open(definition)

    def crash_at(self, crash: Crash) -> None:
        """Open again, to crash there: in this engine, or in one that goes on under another definition."""
        self.crash = crash
        self.reopen(self.definition)

    def recover(self) -> None:
        """Leave the store as a killed process would, and open it again."""
        self.engine.abandon()
        self.crash = None
        self._open(self.definition)

    def _open(self, definition: Definition) -> None:
        self.definition = definition
        crash_at = None if self.crash is None else (self.crash.step, self.crash.nth)
        self.engine = EmbeddedEngine(self.store, definition, crash_at=crash_at, **self.options)


DRIVERS = {"reference": ReferenceDriver, "embedded": EmbeddedDriver}


def play(driver: Driver, steps: Iterable[Step], always_commit: bool = False) -> None:
    """Do the steps and commit at the end; `always_commit` makes an epoch of each."""
    for step in steps:
        do(driver, step)
        if always_commit:
            driver.engine.commit()
    driver.engine.commit()


def do(driver: Driver, step: Step) -> None:
    """One step."""
    engine = driver.engine
    if isinstance(step, Register):
        engine.register(step.partitions)
    elif isinstance(step, Rejoin):
        engine.rejoin([(name, name, step.joined_us) for name in step.partitions])
    elif isinstance(step, Feed):
        engine.feed(step.partition, step.data, step.now_us)
    elif isinstance(step, FeedRecords):
        engine.feed_records(step.partition, step.messages, step.now_us)
    elif isinstance(step, Heartbeat):
        engine.heartbeat(step.partition, step.t_us)
    elif isinstance(step, Finish):
        engine.finish(step.partition)
    elif isinstance(step, Commit):
        engine.commit()
    else:
        engine.commit()
        driver.reopen(step.definition)


@dataclass(frozen=True, slots=True)
class Crash:
    """At which durable step, and at which time that it comes by."""

    step: str
    nth: int


def play_with_crash(driver: EmbeddedDriver, steps: Sequence[Step], crash: Crash, done: int = 0) -> bool:
    """An epoch per step, behind the first ones that are done.

    At the crash the store is left as it is, opened again, and the log is gone on with.
    Every step can be done again: what of it was durable is told by the store itself. True if the crash came.
    """
    crashed = False
    driver.crash_at(crash)
    for step, following in list(_with_positions(steps))[done:]:
        try:
            do(driver, step)
            driver.engine.commit()
        except Crashed:
            crashed = True
            driver.recover()
            _redo(driver, step, following)
    return crashed


def _with_positions(steps: Sequence[Step]) -> Iterator[tuple[Step, int]]:
    """Each step with the number of records that its partition has after it."""
    consumed: dict[str, int] = {}
    for step in steps:
        if isinstance(step, Feed | FeedRecords):
            consumed[step.partition] = consumed.get(step.partition, 0) + step.records
        yield step, consumed.get(getattr(step, "partition", ""), 0)


def _redo(driver: EmbeddedDriver, step: Step, following: int) -> None:
    if isinstance(step, Feed | FeedRecords):
        partition = driver.engine.status().partitions.get(step.partition)
        if partition is not None and partition.records == following:
            return
    do(driver, step)
    driver.engine.commit()
