"""The live loop: sources without an end in, epochs by time or size out.

One turn feeds what each source has, commits when it is time, and looks around: ends of logs, idle partitions, new ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from crossfoot.archive.engine import open_engine
from crossfoot.definition.engines import refuse, run_lacks
from crossfoot.definition.model import Definition
from crossfoot.errors import CallError
from crossfoot.monitor.schedule import Scheduled
from crossfoot.reconcile.schedule import Schedule
from crossfoot.seen.board import Showing, shown
from crossfoot.seen.meter import Meter
from crossfoot.seen.socket import NAME
from crossfoot.seen.state import Queue, State
from crossfoot.services.failing import SinkNotes
from crossfoot.services.handover import is_asked, wait_for
from crossfoot.services.monitoring import monitoring
from crossfoot.services.pace import Pace
from crossfoot.services.store import definition_in_force, going_on, keep_definition, options_of
from crossfoot.services.summary import Outcome, Summary, summarise
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings, environment
from crossfoot.sinks.group import Sinks, fed
from crossfoot.sources.live import Acknowledge, Failing, Feed, LiveSource, Named, Opener, Room, Shown

# Taken from a source in one turn; a part of a second at full speed, so that epochs come in time.
_TURN_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class LiveJob:
    """What is counted into which store. `once`: up to the ends that the sources have at the start.

    Folders of sinks are relative to `home`, the definition's folder. `sources_of`: those of the definition that a
    generation was built with which came into force meanwhile.
    """

    definition: Definition
    store: Path
    sources: tuple[Opener, ...]
    once: bool = False
    home: Path = Path()
    sources_of: Callable[[Definition], tuple[Opener, ...]] | None = None


LiveWatch = Watch[State]


def run_live(job: LiveJob, settings: Settings, watch: LiveWatch) -> Summary:
    """Count until asked to stop; everything that was counted is committed then. A later run goes on from there.

    Who wants to put another generation in force gets the store at the end of an epoch; then it is opened again.
    """
    refuse("`crossfoot run`", run_lacks(job.definition))
    job = replace(job, definition=going_on(job.store, job.definition))
    end = _End(job.store, watch.stop)
    outcome = _until(end, job, settings, watch)
    while end.is_handover:
        watch.note("another generation is put in force: counting waits for it")
        wait_for(job.store, watch.stop)
        end.sinks.let_go(watch.stop, watch.note)
        if watch.stop():
            break
        job = _in_force(job)
        outcome = outcome.and_then(_until(end, job, settings, watch))
    return summarise(job.definition, job.store, outcome)


def _in_force(job: LiveJob) -> LiveJob:
    """What is counted from here on: the definition of the generation in force, and its sources."""
    definition = definition_in_force(job.store)
    sources = job.sources if job.sources_of is None else job.sources_of(definition)
    return replace(job, definition=definition, sources=sources)


class _End:
    """Asked to stop, or to let go of the store, which is the end of a part of the run only."""

    def __init__(self, store: Path, stop: Callable[[], bool]) -> None:
        self._store, self._stop = store, stop
        self.is_handover = False
        self.sinks = Sinks()
        """Those of the newest part."""

    def is_over(self) -> bool:
        if self._stop():
            self.is_handover = False
            return True
        self.is_handover = is_asked(self._store)
        return self.is_handover


def _until(end: _End, job: LiveJob, settings: Settings, watch: LiveWatch) -> Outcome:
    """One part of the run, with the store in hand."""
    engine = open_engine(job.store, job.definition, watch.clock, settings, **options_of(settings))
    sources: list[LiveSource] = []
    try:
        keep_definition(job.store, job.definition, job.home)
        with (
            shown("run", Showing.of(settings, job.store / NAME)) as board,
            fed(job.definition, (job.store, job.home), settings, environment(), watch.clock) as sinks,
            monitoring(job.definition, (job.store, job.home), settings, environment(), watch.clock) as monitor,
            Schedule(job.definition, (job.store, job.home), watch.clock, watch.note) as comparisons,
        ):
            room = Room(job.definition, job.store, settings, watch.clock)
            end.sinks = sinks
            for opener in job.sources:
                sources.append(opener.open(room))
            told = replace(
                watch,
                state=lambda state: watch.state(board.publish(state)),
                note=board.noting(watch.note),
                stop=end.is_over,
            )
            loop = LiveLoop(engine, sources, settings, told, sinks)
            loop.monitor, loop.comparisons = monitor, comparisons
            loop.run(job.once)
            outcome = loop.outcome()
            engine.close()
    except BaseException:
        engine.abandon()
        raise
    finally:
        for source in sources:
            source.close()
    return outcome


class LiveEngine(Feed, Protocol):
    """What is done with what the sources give, in epochs."""

    definition: Definition

    def partitions(self) -> dict[str, dict[str, Any]]:
        """What is kept of each partition."""
        ...

    def register_as(self, partitions: Sequence[Named], sources: Mapping[str, str] | None = None) -> None:
        """These are read from now on; `sources` says of which source each is."""

    def heartbeat(self, partition: str, t_us: int) -> None:
        """A partition is idle."""

    def commit(self) -> int:
        """An epoch of everything since the last one; its number."""
        ...

    def commit_beside(self) -> int:
        """Begin such an epoch, and do not wait for it; the number of this call."""
        ...

    def settled(self) -> dict[str, Any]:
        """Progress as of the newest such epoch that exists, with `begun`, the number of its call, and `epoch_ns`."""
        ...

    def progress(self) -> dict[str, Any]:
        """`epoch`, `accounts`, `journal_bytes` (None: it has no journal), `clock_us`, `watermark_us`."""
        ...


class LiveLoop:
    """Turns over sources that are open. `service` is what it is called where it is shown."""

    def __init__(
        self,
        engine: LiveEngine,
        sources: Sequence[LiveSource],
        settings: Settings,
        watch: LiveWatch,
        sinks: Sinks | None = None,
        service: str = "run",
    ) -> None:
        self._sinks = sinks or Sinks()
        self._engine = engine
        self._sources = sources
        self._settings = settings
        self._watch = watch
        self._known = engine.partitions()
        self._readers: dict[str, LiveSource] = {}
        self._joining: list[Named] = []
        self._begun: deque[tuple[int, list[Acknowledge]]] = deque()
        """Epochs that do not exist yet, as far as is known: each with what is called once it does."""
        self._queues: dict[str, Queue] = {}
        self._meter = Meter(service, engine.definition.namespace, watch.clock)
        self._sink_notes = SinkNotes(watch.note)
        self._epoch = 0
        self.has_room: Callable[[float], bool] = lambda _: True
        """Whether anything more may be read; where not, that is waited for, at most so many seconds."""
        self.monitor: Scheduled | None = None
        self.comparisons: Schedule | None = None
        self.pace = Pace(settings.epoch_seconds, settings.epoch_seconds_max)
        self._bytes = self._bytes_of_epoch = 0
        self._began = self._committed = self._looked = watch.clock.elapsed_s()
        self._has_moved, self._is_full = True, False
        self._stopped = False

    def run(self, once: bool) -> None:
        """Join, then turn until the end."""
        for source in self._sources:
            self._joining += self._named(source, source.open(self._known))
        self._join()
        begun = self._engine.progress()
        self._epoch = begun["epoch"]
        self._tell(begun)
        has_turned = False  # where nothing is new, sources may still have something to say
        while not self._is_over(once and has_turned):
            self._turn()
            has_turned = True
        for beside in (self.monitor, self.comparisons):
            if beside is not None:
                beside.let_go()
        self._finish()
        self._sinks.finish(self._settings.sink_wait_seconds, self._watch.clock)
        self._tell(self._engine.progress())

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
            sinks=self._sinks.states,
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
        self._engine.register_as(self._joining, {name: self._readers[name].name for name in names})
        self._joining = []
        for source in self._sources:
            for name, offset in source.begin(names).items():
                self._engine.skip_to(name, offset)

    def _turn(self) -> None:
        """Only when nobody had anything is anybody waited for."""
        idle_s = self._settings.epoch_seconds / (2 * len(self._sources))
        wait_s = 0.0 if self._has_moved else idle_s
        has_room = self._has_room(idle_s)
        self._has_moved = has_room and sum(self._feed(source, wait_s) for source in self._sources) > 0
        now = self._watch.clock.elapsed_s()
        if now - self._looked >= self._settings.idle_seconds:
            self._looked = now
            for source in self._sources:
                self._look(source)
        self._settle()
        interval_s = self.pace.interval_s if self._has_moved else self.pace.least_s  # who has time commits sooner
        if now - self._committed >= interval_s or self._bytes_of_epoch >= self._settings.commit_bytes:
            self._begun.append((self._engine.commit_beside(), self._marks()))
            self._committed, self._bytes_of_epoch = now, 0

    def _has_room(self, wait_s: float) -> bool:
        """Said once while there is none."""
        if self.has_room(wait_s):
            self._is_full = False
            return True
        if not self._is_full:
            self._watch.note("nothing more is read: too much waits behind it")
        self._is_full = True
        return False

    def _feed(self, source: LiveSource, wait_s: float) -> int:
        began = self._watch.clock.elapsed_s()
        moved = source.feed(
            self._engine, min(_TURN_BYTES, self._settings.commit_bytes), wait_s, self._watch.clock.now_us()
        )
        if moved.bytes:
            self._meter.batch(self._watch.clock.elapsed_s() - began)
            self._meter.recovered(source.name)
        self._note(source, moved.notes)
        self._queues[source.name] = Queue(source.name, moved.queued_bytes, self._settings.queue_bytes)
        self._bytes += moved.bytes
        self._bytes_of_epoch += moved.bytes
        return moved.bytes

    def _look(self, source: LiveSource) -> None:
        """Idle partitions move their time to when it was seen that they are idle; new ones join."""
        seen = source.look(self._watch.clock.now_us())
        if seen.at_us:
            self._meter.recovered(source.name)
        self._note(source, seen.notes)
        for name in seen.idle:
            self._engine.heartbeat(name, seen.at_us)
        if seen.added:
            names = ", ".join(name for name, _ in seen.added)
            self._watch.note(Shown(f"{source.name}: new partitions: {names}"))
            self._joining += self._named(source, seen.added)
            self._join()

    def _note(self, source: LiveSource, notes: Sequence[str]) -> None:
        """What a source says of what it tries again."""
        for line in notes:
            self._watch.note(line)
        self._meter.failed(source.name, [str(note) for note in notes if isinstance(note, Failing)])

    def _marks(self) -> list[Acknowledge]:
        return [source.mark() for source in self._sources]

    def _settle(self) -> None:
        """Acknowledge what exists by now of the epochs that were begun."""
        if not self._begun:
            return
        progress = self._engine.settled()
        if self._begun[0][0] > progress["begun"]:
            return
        while self._begun and self._begun[0][0] <= progress["begun"]:
            for acknowledge in self._begun.popleft()[1]:
                acknowledge()
        seconds = progress["epoch_ns"] / 1e9
        if progress["epoch"] > self._epoch:  # where nothing had come there is none
            self._epoch = progress["epoch"]
            self._meter.epoch(seconds)
        self.pace.committed(seconds)
        self._tell(progress)

    def _finish(self) -> None:
        """Everything that was handed over exists when this returns."""
        marks = [*(mark for _, begun in self._begun for mark in begun), *self._marks()]
        self._engine.commit()
        self._begun.clear()
        for acknowledge in marks:
            acknowledge()
        self._tell(self._engine.progress())

    def _tell(self, progress: Mapping[str, Any]) -> None:
        epoch: int = progress["epoch"]
        self._sinks.tell(epoch)
        now_us = self._watch.clock.now_us()
        if progress["journal_bytes"] is not None:
            self._meter.journal(progress["journal_bytes"])
        sinks = self._sinks.states
        self._sink_notes.of(sinks)
        state = self._meter.state(
            progress["accounts"],
            epoch=epoch,
            clock_us=progress["clock_us"],
            watermark_us=progress["watermark_us"],
            interval_s=self.pace.interval_s,
            lags=tuple(lag for source in self._sources for lag in source.lags(now_us)),
            queues=tuple(self._queues.values()),
            sinks=sinks,
            **self._watched(),
        )
        self._watch.state(state)

    def _watched(self) -> dict[str, Any]:
        """What the monitor and comparisons have found; what kept them from it is a failure that is tried again."""
        alerts: dict[str, str] = {}
        more: dict[str, float] = {}
        if self.monitor is not None:
            for problem in self.monitor.problems():
                self._failed("monitor", problem)
            if self.monitor.found.problem is None:
                self._meter.recovered("monitor")
            alerts, more = dict(self.monitor.found.alerts), dict(self.monitor.found.numbers)
        if self.comparisons is not None:
            for name, problem in self.comparisons.problems():
                self._failed(f"reconcile {name}", problem)
            for name in self.comparisons.works():
                self._meter.recovered(f"reconcile {name}")
            for name, newest in self.comparisons.newest.items():
                more[f"reconcile_{name}_exact_percent"] = newest.exact_keys
                alerts |= {f"reconcile {name}": newest.alert} if newest.alert else {}
        return {"alerts": alerts, "more": more}

    def _failed(self, place: str, problem: str) -> None:
        self._watch.note(Failing(f"{place}: {problem}"))
        self._meter.failed(place, [problem])
