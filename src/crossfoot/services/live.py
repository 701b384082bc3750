"""The live loop: sources without an end in, epochs by time or size out.

One turn feeds what each source has, commits when it is time, and looks around: ends of logs, idle partitions, new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crossfoot.clock import Clock, SystemClock
from crossfoot.definition.engines import refuse, run_lacks
from crossfoot.definition.model import Definition
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.seen.board import Showing, shown
from crossfoot.seen.meter import Meter
from crossfoot.seen.socket import NAME
from crossfoot.seen.state import Queue, State
from crossfoot.services.pace import Pace
from crossfoot.services.store import keep_definition, options_of
from crossfoot.services.summary import Outcome, Summary, summarise
from crossfoot.settings import Settings, environment
from crossfoot.sinks.group import Sinks, fed
from crossfoot.sources.kafka import KafkaInput, Moved, Topic, open_topics

# Taken from a source in one turn; a part of a second at full speed, so that epochs come in time.
_TURN_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class LiveJob:
    """What is counted into which store. `once`: up to the ends that the logs have at the start.

    Folders of sinks are relative to `home`, the definition's folder.
    """

    definition: Definition
    store: Path
    topics: tuple[Topic, ...]
    once: bool = False
    home: Path = Path()

    @property
    def group(self) -> str:
        """The group whose offsets show how far the store is, unless a setting names one."""
        return f"crossfoot-{self.definition.namespace}"


@dataclass(frozen=True, slots=True)
class LiveWatch:
    """Who looks on: the clock, whom to tell of epochs and of changes, and who may ask to stop."""

    clock: Clock = field(default_factory=SystemClock)
    state: Callable[[State], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False


def run_live(job: LiveJob, settings: Settings, watch: LiveWatch) -> Summary:
    """Count until asked to stop; everything that was counted is committed then. A later run goes on from there."""
    refuse("`crossfoot run`", run_lacks(job.definition))
    engine = EmbeddedEngine(job.store, job.definition, **options_of(settings))
    sources: list[KafkaInput] = []
    try:
        keep_definition(job.store, job.definition)
        with (
            shown("run", Showing.of(settings, job.store / NAME)) as board,
            fed(job.definition, (job.store, job.home), settings, environment(), watch.clock) as sinks,
        ):
            sources = open_topics(job.topics, job.group, settings.queue_bytes, settings.connect_seconds)
            told = replace(watch, state=lambda state: watch.state(board.publish(state)))
            loop = LiveLoop(engine, sources, settings, told, sinks)
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
        self,
        engine: EmbeddedEngine,
        sources: Sequence[KafkaInput],
        settings: Settings,
        watch: LiveWatch,
        sinks: Sinks | None = None,
    ) -> None:
        self._sinks = sinks or Sinks()
        self._engine = engine
        self._sources = sources
        self._settings = settings
        self._watch = watch
        self._known = engine.partitions()
        self._names: list[str] = []
        self._queues: dict[str, Queue] = {}
        self._meter = Meter("run", engine.definition.namespace, watch.clock)
        self._pace = Pace(settings.epoch_seconds, settings.epoch_seconds_max)
        self._bytes = self._bytes_of_epoch = 0
        self._began = self._committed = self._looked = watch.clock.elapsed_s()
        self._stopped = False

    def run(self, once: bool) -> None:
        """Join, then turn until the end."""
        joining = [named for source in self._sources for named in source.open(self._known)]
        self._join(joining)
        self._tell(self._engine.progress()["epoch"])
        while not self._is_over(once):
            self._turn()
        self._commit()
        for source in self._sources:
            source.show_positions()
        self._sinks.finish(self._settings.sink_wait_seconds, self._watch.clock)
        self._tell(self._engine.progress()["epoch"])

    def outcome(self) -> Outcome:
        """What this run did."""
        return Outcome(
            accounts=self._engine.progress()["accounts"],
            bytes=self._bytes,
            seconds=self._watch.clock.elapsed_s() - self._began,
            partitions=len(self._names),
            unchanged=0,
            joined=tuple(sorted(set(self._names) - set(self._known))) if self._known else (),
            absent=tuple(name for name, kept in self._known.items() if kept["live"] and name not in self._names),
            stopped=self._stopped,
            sinks=self._sinks.states,
        )

    def _is_over(self, once: bool) -> bool:
        self._stopped = self._watch.stop()
        return self._stopped or (once and all(source.is_done() for source in self._sources))

    def _join(self, partitions: list[tuple[str, str]]) -> None:
        """Register partitions in an epoch of their own, before their first record, then read them."""
        names = [name for name, _ in partitions]
        self._engine.register_as(partitions)
        for source in self._sources:
            for name, offset in source.begin(names).items():
                self._engine.skip_to(name, offset)
        self._names += names

    def _turn(self) -> None:
        for source in self._sources:
            self._feed(source)
        now = self._watch.clock.elapsed_s()
        if now - self._looked >= self._settings.idle_seconds:
            self._looked = now
            for source in self._sources:
                self._look(source)
        is_time = now - self._committed >= self._pace.interval_s
        if is_time or self._bytes_of_epoch >= self._settings.commit_bytes:
            self._commit()

    def _feed(self, source: KafkaInput) -> None:
        wait_ms = int(1000 * self._settings.epoch_seconds / (2 * len(self._sources)))
        began = self._watch.clock.elapsed_s()
        handed = self._engine.feed_kafka(source.reader, _TURN_BYTES, wait_ms, self._watch.clock.now_us())
        if handed["bytes"]:
            self._meter.batch(self._watch.clock.elapsed_s() - began)
        self._note(source, source.took(handed))

    def _note(self, source: KafkaInput, moved: Moved) -> None:
        for name, offset in moved.skipped.items():
            self._engine.skip_to(name, offset)
        for line in moved.notes:
            self._watch.note(line)
        place = source.topic.source_name
        if moved.bytes:
            self._meter.recovered(place)
        self._meter.failed(place, moved.notes)
        self._queues[place] = Queue(place, moved.queued_bytes, self._settings.queue_bytes)
        self._bytes += moved.bytes
        self._bytes_of_epoch += moved.bytes

    def _look(self, source: KafkaInput) -> None:
        """Idle partitions move their time to when it was seen that they are idle; new ones join."""
        source.show_positions()
        look = source.look(self._watch.clock.now_us())
        if look is None:
            return
        self._meter.recovered(source.topic.source_name)
        for name in source.idle(look):
            self._engine.heartbeat(name, look.asked_us)
        if added := source.added(look, self._known):
            self._watch.note(f"{source.topic.topic}: new partitions: {', '.join(name for name, _ in added)}")
            self._join(added)

    def _commit(self) -> None:
        self._engine.progress()  # what was fed is counted: the time that follows is the commit's own
        began = self._watch.clock.elapsed_s()
        epoch = self._engine.commit()
        self._committed, self._bytes_of_epoch = self._watch.clock.elapsed_s(), 0
        self._meter.epoch(self._committed - began)
        self._pace.committed(self._committed - began)
        self._tell(epoch)

    def _tell(self, epoch: int) -> None:
        self._sinks.tell(epoch)
        progress: dict[str, Any] = self._engine.progress()
        now_us = self._watch.clock.now_us()
        self._meter.journal(progress["journal_bytes"])
        state = self._meter.state(
            progress["accounts"],
            epoch=epoch,
            clock_us=progress["clock_us"],
            watermark_us=progress["watermark_us"],
            interval_s=self._pace.interval_s,
            lags=tuple(lag for source in self._sources for lag in source.lags(now_us)),
            queues=tuple(self._queues.values()),
            sinks=self._sinks.states,
        )
        self._watch.state(state)
