"""The live loop: sources without an end in, epochs by time or size out.

One turn feeds what each source has, commits when it is time, and looks around: ends of logs, idle partitions, new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossfoot.clock import Clock, SystemClock
from crossfoot.definition.engines import refuse, run_lacks
from crossfoot.definition.model import Definition
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.errors import CallError
from crossfoot.services.store import keep_definition, options_of
from crossfoot.services.summary import Outcome, Summary, summarise
from crossfoot.settings import Settings
from crossfoot.sources.live import Lag, LiveSource, Named, Opener, Room

# Taken from a source in one turn; a part of a second at full speed, so that epochs come in time.
_TURN_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class LiveJob:
    """What is counted into which store. `once`: up to the ends that the sources have at the start."""

    definition: Definition
    store: Path
    sources: tuple[Opener, ...]
    once: bool = False


@dataclass(frozen=True, slots=True)
class LiveState:
    """How a live run stands after an epoch."""

    epoch: int
    accounts: dict[str, int]
    clock_us: int | None
    watermark_us: int | None
    lags: tuple[Lag, ...]
    queued_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LiveWatch:
    """Who looks on: the clock, whom to tell of epochs and of changes, and who may ask to stop."""

    clock: Clock = field(default_factory=SystemClock)
    state: Callable[[LiveState], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False


def run_live(job: LiveJob, settings: Settings, watch: LiveWatch) -> Summary:
    """Count until asked to stop; everything that was counted is committed then. A later run goes on from there."""
    refuse("`crossfoot run`", run_lacks(job.definition))
    engine = EmbeddedEngine(job.store, job.definition, **options_of(settings))
    sources: list[LiveSource] = []
    try:
        keep_definition(job.store, job.definition)
        room = Room(job.definition, job.store, settings, watch.clock)
        for opener in job.sources:
            sources.append(opener.open(room))
        loop = LiveLoop(engine, sources, settings, watch)
        loop.run(job.once)
        outcome = loop.outcome()
        engine.close()
    except BaseException:
        engine.abandon()
        raise
    finally:
        for source in sources:
            source.close()
    return summarise(job.definition, job.store, outcome)


class LiveLoop:
    """Turns over sources that are open."""

    def __init__(
        self, engine: EmbeddedEngine, sources: Sequence[LiveSource], settings: Settings, watch: LiveWatch
    ) -> None:
        self._engine = engine
        self._sources = sources
        self._settings = settings
        self._watch = watch
        self._known = engine.partitions()
        self._readers: dict[str, LiveSource] = {}
        self._joining: list[Named] = []
        self._queued: dict[str, int] = {}
        self._bytes = self._bytes_of_epoch = 0
        self._began = self._committed = self._looked = watch.clock.elapsed_s()
        self._has_moved = True
        self._stopped = False

    def run(self, once: bool) -> None:
        """Join, then turn until the end."""
        for source in self._sources:
            self._joining += self._named(source, source.open(self._known))
        self._join()
        while not self._is_over(once):
            self._turn()
        self._commit()

    def outcome(self) -> Outcome:
        """What this run did."""
        return Outcome(
            accounts=self._engine.progress()["accounts"],
            bytes=self._bytes,
            seconds=self._watch.clock.elapsed_s() - self._began,
            partitions=len(self._readers),
            unchanged=0,
            joined=tuple(sorted(set(self._readers) - set(self._known))) if self._known else (),
            absent=tuple(name for name, kept in self._known.items() if kept["live"] and name not in self._readers),
            stopped=self._stopped,
        )

    def _is_over(self, once: bool) -> bool:
        self._stopped = self._watch.stop()
        return self._stopped or (once and all(source.is_done() for source in self._sources))

    def _named(self, source: LiveSource, partitions: Sequence[Named]) -> Sequence[Named]:
        """Each partition is read by one source."""
        for name, _ in partitions:
            if self._readers.setdefault(name, source) is not source:
                both = f"{self._readers[name].name} and {source.name} both read {name}"
                raise CallError(both, "leave it out of one of them, or give the sources other names")
        return partitions

    def _join(self) -> None:
        """Register partitions in an epoch of their own, before their first record, then read them."""
        names = [name for name, _ in self._joining]
        self._engine.register_as(self._joining)
        self._joining = []
        for source in self._sources:
            for name, offset in source.begin(names).items():
                self._engine.skip_to(name, offset)

    def _turn(self) -> None:
        """Only when nobody had anything is anybody waited for."""
        idle_s = self._settings.epoch_seconds / (2 * len(self._sources))
        wait_s = 0.0 if self._has_moved else idle_s
        self._has_moved = sum(self._feed(source, wait_s) for source in self._sources) > 0
        now = self._watch.clock.elapsed_s()
        if now - self._looked >= self._settings.idle_seconds:
            self._looked = now
            for source in self._sources:
                self._look(source)
        is_time = now - self._committed >= self._settings.epoch_seconds
        if is_time or self._bytes_of_epoch >= self._settings.commit_bytes:
            self._commit()

    def _feed(self, source: LiveSource, wait_s: float) -> int:
        moved = source.feed(self._engine, _TURN_BYTES, wait_s, self._watch.clock.now_us())
        for line in moved.notes:
            self._watch.note(line)
        self._queued[source.name] = moved.queued_bytes
        self._bytes += moved.bytes
        self._bytes_of_epoch += moved.bytes
        return moved.bytes

    def _look(self, source: LiveSource) -> None:
        """Idle partitions move their time to when it was seen that they are idle; new ones join."""
        seen = source.look(self._watch.clock.now_us())
        for line in seen.notes:
            self._watch.note(line)
        for name in seen.idle:
            self._engine.heartbeat(name, seen.at_us)
        if seen.added:
            self._watch.note(f"{source.name}: new partitions: {', '.join(name for name, _ in seen.added)}")
            self._joining += self._named(source, seen.added)
            self._join()

    def _commit(self) -> None:
        epoch = self._engine.commit()
        for source in self._sources:
            source.acknowledge()
        now = self._watch.clock.elapsed_s()
        self._committed, self._bytes_of_epoch = now, 0
        self._watch.state(self._state(epoch, now))

    def _state(self, epoch: int, now: float) -> LiveState:
        progress: dict[str, Any] = self._engine.progress()
        now_us = self._watch.clock.now_us()
        return LiveState(
            epoch=epoch,
            accounts=progress["accounts"],
            clock_us=progress["clock_us"],
            watermark_us=progress["watermark_us"],
            lags=tuple(lag for source in self._sources for lag in source.lags(now_us)),
            queued_bytes=sum(self._queued.values()),
            seconds=now - self._began,
        )
