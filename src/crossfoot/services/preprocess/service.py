"""The loop of preprocess: blocks of records in, messages out, offsets committed once the brokers have all of it.

One turn lets the group speak, takes what the reader has, converts it and hands it to the producer. State is kept in one
place only: beside the group's committed offsets. What was not committed is done again, and gives the same messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from crossfoot.seen.meter import Meter
from crossfoot.seen.state import Lag, Queue
from crossfoot.services.group.begin import Begun
from crossfoot.services.group.convert import Conversion
from crossfoot.services.group.output import Output, Target
from crossfoot.services.group.share import Block, Share, Shared
from crossfoot.services.group.state import PartitionState, Totals
from crossfoot.services.live import LiveWatch
from crossfoot.settings import Settings
from crossfoot.sources.live import Failing

_TURN_BYTES = 1 << 20
"""Taken from the reader in one turn: what is sent before the group can speak again."""
_FLUSH_S = 0.05
_GIVE_UP_S = 4.0
"""How long what was sent is waited for when a partition is given up, or at the end; then it is done again elsewhere."""


@dataclass(slots=True)
class _Held:
    """A partition that is ours: how far it was sent, and how far that is committed."""

    ledger: PartitionState
    committed: PartitionState | None

    @property
    def read_to(self) -> int:
        """What lies before it was taken from the reader: the same as was sent."""
        return self.ledger.next


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with."""

    namespace: str
    shared: Shared
    conversion: Conversion
    target: Target


class _Stopped(Exception):  # noqa: N818 - a request, not an error; it never leaves this module
    """The end was asked for while a block was being sent."""


class Service:
    """Turns until the end."""

    def __init__(self, parts: Parts, settings: Settings, watch: LiveWatch) -> None:
        self._parts = parts
        self._settings = settings
        self._watch = watch
        self._held: dict[int, _Held] = {}
        self._ends: dict[int, int] = {}
        self._meter = Meter("preprocess", parts.namespace, watch.clock, epochs=False)
        self._totals = Totals()
        """Of this process."""
        self._queue = Queue(parts.shared.topic.source_name, 0, settings.queue_bytes)
        self._committed_s = self._looked_s = watch.clock.elapsed_s()
        self.share = Share(parts.shared, self._held, self, settings, watch)
        self._output = Output(parts.target, self._while_full, watch.note)

    def run(self, once: bool) -> None:
        """Join the group; until asked to stop, or until what the logs had at the start is done."""
        self.share.join(once)
        self._tell()
        with suppress(_Stopped):
            while not self._watch.stop() and not (once and self.share.is_done()):
                self._turn()
        self._finish()

    def close(self) -> None:
        """Leave the group; what is not committed is forgotten."""
        self._held.clear()
        try:
            self.share.close()
        finally:
            self._output.close()

    # The turn.

    def _turn(self) -> None:
        self.share.poll()
        self._output.poll()
        if self._held:
            self._feed()
        now = self._watch.clock.elapsed_s()
        if now - self._committed_s >= self._settings.epoch_seconds:
            self._commit()
            self._committed_s = self._watch.clock.elapsed_s()
            self._tell()
        if now - self._looked_s >= self._settings.idle_seconds:
            self._looked_s = now
            self._look()

    def _while_full(self) -> None:
        """The producer's queue is full: nothing is read, but the group is not left."""
        self.share.member.poll()
        if self._watch.stop():
            raise _Stopped

    def _feed(self) -> None:
        handed = self.share.read(_TURN_BYTES, self._settings.epoch_seconds / 2)
        for block in handed.blocks:
            self._meter.recovered(self._queue.source)
            self._do(block)
        self._queue = replace(self._queue, bytes=handed.queued_bytes)
        for note in handed.notes:
            self._meter.failed(self._queue.source, [note])
            self._watch.note(Failing(note))
        for number, end in handed.ends:
            held = self._held[number]
            held.ledger = held.ledger.moved(end, Totals(), held.ledger.last_t_us)

    def _do(self, block: Block) -> None:
        """One block, as a whole: its partition moves once all of it was handed to the producer, if it is still ours."""
        held, began = self._held[block.partition], self._watch.clock.elapsed_s()
        name = self._parts.shared.topic.partition_name(block.partition)
        made = self._parts.conversion(name, block, held.ledger, self._watch.clock.now_us())
        self._output.send(made.messages)
        self._output.bury(made.refused, self.share.lineage(block.partition))
        if self._held.get(block.partition) is held:
            held.ledger = held.ledger.moved(made.next, made.totals, made.last_t_us)
            self._totals += made.totals
        self._meter.batch(self._watch.clock.elapsed_s() - began)

    def _look(self) -> None:
        if (look := self.share.look()) is not None:
            self._ends = dict(look.ends)
            self._meter.recovered(self._queue.source)

    def _tell(self) -> None:
        """Publish how it stands."""
        now_us = self._watch.clock.now_us()
        state = self._meter.state(
            self._totals.accounts,
            lags=tuple(self._lag(part, held.ledger, now_us) for part, held in sorted(self._held.items())),
            queues=(self._queue,),
        )
        self._watch.state(state)

    def _lag(self, part: int, state: PartitionState, now_us: int) -> Lag:
        waiting = max(0, self._ends.get(part, state.next) - state.next)
        age = None if state.last_t_us is None else max(0, now_us - state.last_t_us) / 1e6
        return Lag(self._parts.shared.topic.partition_name(part), waiting, age if waiting else 0.0)

    # Committing.

    def _commit(self) -> None:
        """Everything that was sent is waited for; the group speaks meanwhile, and may take partitions away."""
        if self.share.member.waits_for_commit or not self.share.changed():
            return
        while not self._output.flush(_FLUSH_S):
            self.share.member.poll()
            if self._watch.stop():
                return
        self.share.commit()

    def _finish(self) -> None:
        """At the end: what the brokers take within a while is committed, the rest is done again by whoever goes on."""
        until = self._watch.clock.elapsed_s() + _GIVE_UP_S
        while not (self._output.flush(0) and self._is_committed()) and self._watch.clock.elapsed_s() < until:
            self.share.member.poll(_FLUSH_S)
        self._tell()
        if self.share.changed():
            self._watch.note("stopped before everything was acknowledged: it is done again by the next run")

    def _is_committed(self) -> bool:
        """A commit that meets a rebalance is refused: it is asked for again."""
        self.share.commit()
        return not self.share.changed()

    # The group.

    def take(self, begun: Mapping[int, Begun]) -> None:
        """Each partition goes on where it was committed, with what stands beside that."""
        self._held.update({part: _Held(each.state, each.committed) for part, each in begun.items()})

    def leave(self, partitions: list[int], lost: bool) -> None:
        """What was sent is committed, or forgotten, before another process takes a partition up."""
        if not lost and not self.share.changed().keys().isdisjoint(partitions) and self._output.flush(_GIVE_UP_S):
            self.share.commit_now(partitions)
        for part in partitions:
            self._held.pop(part, None)
