"""The counting loop: inputs in, epochs out. What is committed stays, wherever the loop ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from crossfoot.archive.engine import open_engine
from crossfoot.definition.engines import refuse, run_lacks
from crossfoot.definition.model import Definition, FileSource
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.errors import CallError, DataError, ServiceError
from crossfoot.seen.board import Board, Showing, shown
from crossfoot.seen.meter import Meter
from crossfoot.seen.socket import NAME
from crossfoot.services.failing import SinkNotes
from crossfoot.services.store import going_on, keep_definition, kept_positions, options_of
from crossfoot.services.summary import Outcome, Summary, summarise
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings, environment
from crossfoot.sinks.group import Sinks, fed
from crossfoot.sources.files import Inputs, Place, discover
from crossfoot.sources.lines import Chunk, LongLine
from crossfoot.sources.partition import Identity, Partition, Position, at_end
from crossfoot.sources.reading import look_again, read_group, reading_of
from crossfoot.sources.remote import remote_of
from crossfoot.sources.stream_heads import Patience
from crossfoot.sources.streams import DamageError, Stopped


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be counted into which store.

    `inputs` replaces the definition's source; they are looked for from `start`. They are named relative to `home`,
    the definition's folder.
    """

    definition: Definition
    store: Path
    home: Path
    start: Path
    inputs: tuple[str, ...] | None = None
    leave_out: tuple[Path, ...] = ()
    stdin: IO[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    partition: str
    read_bytes: int
    total_bytes: int
    seconds: float
    epoch: int
    accounts: dict[str, int]


class DamagedInputsError(DataError):
    """Some inputs could not be read to their end; everything else is counted and committed."""

    def __init__(self, errors: Sequence[DamageError], summary: Summary) -> None:
        more = f" (and {len(errors) - 1} more damaged inputs)" if len(errors) > 1 else ""
        super().__init__(errors[0].message + more, errors[0].hint)
        self.errors = tuple(errors)
        self.summary = summary


def run(job: Job, settings: Settings, watch: Watch[Progress]) -> Summary:
    """Count all inputs to their end, or until asked to stop after a block. A second run counts only what was added."""
    refuse("`crossfoot run`", run_lacks(job.definition, sources=job.inputs is None))
    patience = Patience(settings.commit_seconds, watch.stop, job.definition.format.name == "csv")
    inputs = discover(*_inputs_of(job), job.stdin, kept_positions(job.store), patience)
    job = replace(job, definition=going_on(job.store, job.definition))
    engine = open_engine(job.store, job.definition, watch.clock, settings, **options_of(settings))
    try:
        keep_definition(job.store, job.definition, job.home)
        with (
            shown("run", Showing.of(settings, job.store / NAME)) as board,
            fed(job.definition, (job.store, job.home), settings, environment(), watch.clock) as sinks,
        ):
            told = replace(watch, note=board.noting(watch.note))
            loop = _Loop(engine, inputs, settings, told, (board, sinks))
            loop.source = _source_of(job)
            loop.run()
            engine.close()
    except BaseException:
        engine.abandon()
        raise
    if loop.failed:
        raise loop.failed
    summary = summarise(job.definition, job.store, loop.outcome())
    if loop.damaged:
        raise DamagedInputsError(loop.damaged, summary)
    return summary


def _inputs_of(job: Job) -> tuple[Sequence[str], Place]:
    leave_out = (job.store, *job.leave_out)
    remote = remote_of(job.definition, environment())
    if job.inputs is not None:
        return job.inputs, Place(job.start, job.home, leave_out, remote)
    if not job.definition.sources:
        raise CallError("the definition names no source", "name files or folders with --input")
    sources = [source for source in job.definition.sources if isinstance(source, FileSource)]
    if len(sources) < len(job.definition.sources) or any(source.follow for source in sources):
        hint = "name files or folders with --input, or run it live"
        raise CallError("the definition names sources without an end", hint)
    return [path for source in sources for path in source.files], Place(job.home, job.home, leave_out, remote)


def _source_of(job: Job) -> str:
    """The source that all inputs are of, if it is one."""
    sources = job.definition.sources if job.inputs is None else ()
    return sources[0].name if len(sources) == 1 else ""


def _is_settled(known: Position, partition: Partition) -> bool:
    """Whether the store knows that a partition is at its end, and how it is there."""
    is_same = known.state is None if partition.state is None else known.stands_at_end_of(partition.state)
    return known.finished and is_same


class _Loop:
    """One pass over the inputs."""

    def __init__(
        self,
        engine: EmbeddedEngine,
        inputs: Inputs,
        settings: Settings,
        watch: Watch[Progress],
        out: tuple[Board, Sinks],
    ) -> None:
        self._engine = engine
        self._inputs = inputs
        self._reading = reading_of(engine.definition, settings)
        self._board, self._sinks = out
        self._meter = Meter("run", engine.definition.namespace, watch.clock, batches=False)
        self._sink_notes = SinkNotes(watch.note)
        self._settings = settings
        self._watch = watch
        self._known = engine.partitions()
        self._positions = {
            partition.name: Position.of(self._known[partition.name])
            for partition in inputs.partitions
            if partition.name in self._known
        }
        self._unchanged: set[str] = set()
        self._accounts: dict[str, int] = {}
        self._epoch = 0
        self._began = self._committed = watch.clock.elapsed_s()
        self._bytes = self._bytes_of_epoch = 0
        self._stopped = False
        self.source = ""
        self.damaged: list[DamageError] = []
        self.failed: ServiceError | None = None
        """What holds the inputs does not answer any more."""

    def run(self) -> None:
        """Register, count, commit."""
        self._register()
        begun = self._engine.progress()
        self._epoch = begun["epoch"]
        self._show(begun)
        for group in self._inputs.groups:
            try:
                self._count(group)
            except DamageError as error:
                self.damaged.append(error)
            except ServiceError as error:
                self.failed = error
            except Stopped:
                self._stopped = True
            if self._stopped or self.failed:
                break
        self._commit()
        self._sinks.finish(self._settings.sink_wait_seconds, self._watch.clock)
        self._show(self._engine.progress())

    def outcome(self) -> Outcome:
        """What this pass did."""
        names = {partition.name for partition in self._inputs.partitions}
        return Outcome(
            accounts=self._accounts,
            bytes=self._bytes,
            seconds=self._watch.clock.elapsed_s() - self._began,
            partitions=len(names),
            unchanged=len(self._unchanged),
            joined=tuple(sorted(names - set(self._known))) if self._known else (),
            absent=tuple(name for name, known in self._known.items() if known["live"] and name not in names),
            stopped=self._stopped,
            sinks=self._sinks.states,
        )

    def _register(self) -> None:
        """All partitions before the first record. One that was finished joins again only if it has grown."""
        grown = look_again(self._inputs, self._positions, self._reading)
        self._inputs.read_bytes = 0
        self._inputs.stop = self._idle
        self._unchanged = {name for name, more in grown.items() if not more}
        joining = [
            (partition.name, str(self._identity(partition)))
            for partition in self._inputs.partitions
            if partition.name not in self._positions or grown.get(partition.name)
        ]
        sources = {name: self.source for name, _ in joining if self.source}
        self._engine.register_as(joining, sources)
        for partition in self._inputs.partitions:
            known = self._positions.get(partition.name)
            if known and partition.name in self._unchanged and not _is_settled(known, partition):
                self._engine.finish(partition.name, at_end(partition, self._reading.form))

    def _identity(self, partition: Partition) -> Identity:
        known = self._positions.get(partition.name)
        return known.identity if known else partition.identity

    def _count(self, group: tuple[Partition, ...]) -> None:
        if not group:
            raise Stopped
        if self._unchanged.issuperset(partition.name for partition in group):
            return
        for partition, chunks in read_group(self._inputs, group, self._positions, self._reading):
            if partition.name in self._unchanged:
                continue
            for chunk in chunks:
                self._feed(partition.name, chunk)
                if self._watch.stop():
                    self._stopped = True
                    return
            self._engine.finish(partition.name, at_end(partition, self._reading.form))

    def _feed(self, name: str, chunk: Chunk) -> None:
        if isinstance(chunk, LongLine):
            self._engine.skip(name, chunk.length, chunk.head)
            size = chunk.length
        else:
            start, end = chunk.span
            self._engine.feed_part(name, chunk.read, (start, end), self._watch.clock.now_us())
            size = end - start
        self._bytes += size
        self._bytes_of_epoch += size
        now = self._watch.clock.elapsed_s()
        if self._is_time(now) or self._bytes_of_epoch >= self._settings.commit_bytes:
            self._commit_beside()
        self._tell(name, now)

    def _is_time(self, now: float) -> bool:
        return now - self._committed >= self._settings.commit_seconds

    def _idle(self) -> bool:
        """A stream gives nothing: what has come is committed in time all the same. Whether to stop."""
        now = self._watch.clock.elapsed_s()
        if self._is_time(now) and self._bytes_of_epoch:
            self._commit()
        elif self._is_time(now):
            self._committed = now
            self._settle()
        return self._watch.stop()

    def _commit_beside(self) -> None:
        """Nothing waits for the epoch; what is told is what exists by now."""
        self._engine.commit_beside()
        self._committed, self._bytes_of_epoch = self._watch.clock.elapsed_s(), 0
        self._settle()

    def _settle(self) -> None:
        progress = self._engine.settled()
        if progress["epoch"] > self._epoch:
            self._epoch = progress["epoch"]
            self._meter.epoch(progress["epoch_ns"] / 1e9)
            self._sinks.tell(self._epoch)
            self._show(progress)

    def _commit(self) -> None:
        self._engine.progress()  # what was fed is counted: the time that follows is the commit's own
        began = self._watch.clock.elapsed_s()
        before, self._epoch = self._epoch, self._engine.commit()
        self._committed, self._bytes_of_epoch = self._watch.clock.elapsed_s(), 0
        if self._epoch > before:
            self._meter.epoch(self._committed - began)
        self._sinks.tell(self._epoch)
        self._show(self._engine.progress())

    def _show(self, progress: Mapping[str, Any]) -> None:
        self._accounts = progress["accounts"]
        self._meter.journal(progress["journal_bytes"])
        sinks = self._sinks.states
        self._sink_notes.of(sinks)
        state = self._meter.state(
            self._accounts,
            epoch=self._epoch,
            interval_s=self._settings.commit_seconds,
            clock_us=progress["clock_us"],
            watermark_us=progress["watermark_us"],
            sinks=sinks,
            more={"read_bytes": self._inputs.read_bytes, "total_bytes": self._inputs.total_bytes},
        )
        self._board.publish(state)

    def _tell(self, name: str, now: float) -> None:
        inputs = self._inputs
        done = Progress(name, inputs.read_bytes, inputs.total_bytes, now - self._began, self._epoch, self._accounts)
        self._watch.state(done)
