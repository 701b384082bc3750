"""The loop of preprocess: blocks of records in, messages out, offsets committed once the brokers have all of it.

One turn lets the group speak, takes what the reader has, converts it and hands it to the producer. State is kept in one
place only: beside the group's committed offsets. What was not committed is done again, and gives the same messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from crossfoot import _core
from crossfoot.errors import DataError
from crossfoot.native import core_errors
from crossfoot.seen.meter import Meter
from crossfoot.seen.state import Lag, Queue
from crossfoot.services.group.ends import Ends, check_place, note_of
from crossfoot.services.group.member import Calls, Member
from crossfoot.services.group.output import Output
from crossfoot.services.live import LiveWatch
from crossfoot.services.preprocess.convert import Block, Conversion
from crossfoot.services.preprocess.state import PartitionState, Totals, state_of
from crossfoot.settings import Settings
from crossfoot.sources.kafka import Topic, open_reader
from crossfoot.sources.kafka_admin import Admin, NotNowError

_TURN_BYTES = 1 << 20
"""Taken from the reader in one turn: what is sent before the group can speak again."""
_FLUSH_S = 0.05
_GIVE_UP_S = 4.0
"""How long what was sent is waited for when a partition is given up, or at the end; then it is done again elsewhere."""


@dataclass(slots=True)
class _Held:
    """A partition that is ours: how far it was sent, and how far that is committed."""

    state: PartitionState
    committed: PartitionState | None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with; `member` is made from its calls."""

    namespace: str
    topic: Topic
    admin: Admin
    conversion: Conversion
    member: Callable[[Calls], Member]
    output: Callable[[Callable[[], None]], Output]
    definition_hash: str


class _Stopped(Exception):  # noqa: N818 - a request, not an error; it never leaves this module
    """The end was asked for while a block was being sent."""


class Service:
    """Turns until the end."""

    def __init__(self, parts: Parts, settings: Settings, watch: LiveWatch) -> None:
        self._parts = parts
        self._settings = settings
        self._watch = watch
        self._held: dict[int, _Held] = {}
        self._waiting: set[int] = set()
        """Partitions that are ours, whose state was not read yet."""
        self._asked: dict[int, PartitionState] = {}
        self._reader: _core.KafkaReader | None = None
        self.known: dict[int, PartitionState] = {}
        """What this process knows to be committed, also of partitions that it gave up."""
        self._topic_id = ""
        self._ends: dict[int, int] = {}
        self._meter = Meter("preprocess", parts.namespace, watch.clock)
        self._totals = Totals()
        """Of this process."""
        self._queue = Queue(parts.topic.source_name, 0, settings.queue_bytes)
        self._committed_s = self._looked_s = watch.clock.elapsed_s()
        calls = Calls(self._waiting.update, self._give_up, self._was_committed, watch.note)
        self.member = parts.member(calls)
        self._until = Ends(parts.admin, self.member, watch.clock, settings.idle_seconds)
        self._output = parts.output(self._while_full)

    def run(self, once: bool) -> None:
        """Join the group; until asked to stop, or until what the logs had at the start is done."""
        found = self._parts.admin.describe()
        self._topic_id = found.id
        if once:
            self._until.begin(found.partitions)
        self.member.join()
        self._tell()
        with suppress(_Stopped):
            while not self._watch.stop() and not (once and self._is_done()):
                self._turn()
        self._finish()

    def close(self) -> None:
        """Leave the group; what is not committed is forgotten."""
        self._held.clear()
        try:
            self._close_reader()
            self.member.close()
        finally:
            self._output.close()

    # The turn.

    def _turn(self) -> None:
        self.member.poll(0.0 if self._held else self._settings.epoch_seconds / 2)
        self._output.poll()
        if self._waiting:
            self._take_up()
        if self._held:
            self._feed()
        now = self._watch.clock.elapsed_s()
        if now - self._committed_s >= self._settings.epoch_seconds:
            self._commit()
            self._committed_s = self._watch.clock.elapsed_s()
            self._meter.epoch(self._committed_s - now)
            self._tell()
        if now - self._looked_s >= self._settings.idle_seconds:
            self._looked_s = now
            self._look()

    def _while_full(self) -> None:
        """The producer's queue is full: nothing is read, but the group is not left."""
        self.member.poll()
        if self._watch.stop():
            raise _Stopped

    def _feed(self) -> None:
        reader = self._reader or self._open_reader()
        with core_errors():
            said, blocks = reader.take(_TURN_BYTES, int(1000 * self._settings.epoch_seconds / 2))
        for number, data, columns in blocks:
            if number in self._held and reader is self._reader:
                self._do(Block(number, data, *columns))
        handed = json.loads(said)
        self._queue = replace(self._queue, bytes=handed["queued_bytes"])
        if blocks:
            self._meter.recovered(self._queue.source)
        for failure in handed["failures"]:
            self._judge(failure)
        for number, part in handed["partitions"].items():
            held = self._held.get(int(number))
            if held is not None and reader is self._reader and (part["end"] or 0) > held.state.next:
                held.state = held.state.moved(part["end"], Totals(), held.state.last_t_us)

    def _do(self, block: Block) -> None:
        """One block, as a whole: its partition moves once all of it was handed to the producer, if it is still ours."""
        held, began = self._held[block.partition], self._watch.clock.elapsed_s()
        name = self._parts.topic.partition_name(block.partition)
        made = self._parts.conversion(name, block, held.state, self._watch.clock.now_us())
        self._output.send(made.messages)
        lineage = {
            "topic": self._parts.topic.topic,
            "partition": str(block.partition),
            "definition": self._parts.definition_hash,
        }
        self._output.bury(made.refused, lineage)
        if self._held.get(block.partition) is held:
            held.state = held.state.moved(made.next, made.totals, made.last_t_us)
            self._totals += made.totals
        self._meter.batch(self._watch.clock.elapsed_s() - began)

    def _judge(self, failure: Mapping[str, Any]) -> None:
        note = note_of(failure, self._parts.topic.topic)
        self._meter.failed(self._queue.source, [note])
        self._watch.note(note)

    def _look(self) -> None:
        """A topic that was made again is another one."""
        look = self._parts.admin.looked()
        self._parts.admin.start_look(tuple(self._held), self._watch.clock.now_us())
        if look is not None:
            self._check_id(look.state.id)
            self._ends = dict(look.ends)
            self._meter.recovered(self._queue.source)

    def _tell(self) -> None:
        """Publish how it stands."""
        now_us, totals = self._watch.clock.now_us(), self._totals
        names = ("out", "filtered", "malformed", "invalid")
        state = self._meter.state(
            {name: getattr(totals, name) for name in names},
            lags=tuple(self._lag(part, held.state, now_us) for part, held in sorted(self._held.items())),
            queues=(self._queue,),
            interval_s=self._settings.epoch_seconds,
        )
        self._watch.state(state)

    def _lag(self, part: int, state: PartitionState, now_us: int) -> Lag:
        waiting = max(0, self._ends.get(part, state.next) - state.next)
        age = None if state.last_t_us is None else max(0, now_us - state.last_t_us) / 1e6
        return Lag(self._parts.topic.partition_name(part), waiting, age if waiting else 0.0)

    def _check_id(self, found: str) -> None:
        if found != self._topic_id:
            topic, group = self._parts.topic.topic, self.member.group
            raise DataError(
                f"the Kafka topic {topic} was deleted and made again since the group {group} prepared it",
                "name another group (group.id) for the new topic, or delete the group's offsets of the old one",
            )

    # Committing.

    def _commit(self) -> None:
        """Everything that was sent is waited for; the group speaks meanwhile, and may take partitions away."""
        if self.member.waits_for_commit or not self._changed():
            return
        while not self._output.flush(_FLUSH_S):
            self.member.poll()
            if self._watch.stop():
                return
        self._ask(self._changed())

    def _changed(self) -> dict[int, PartitionState]:
        return {part: held.state for part, held in self._held.items() if held.state != held.committed}

    def _ask(self, states: dict[int, PartitionState]) -> None:
        self._asked = states
        if states:
            self.member.commit(self._offsets(states))

    def _offsets(self, states: Mapping[int, PartitionState]) -> dict[int, tuple[int, str]]:
        for part, state in states.items():
            state.check(self._parts.topic.partition_name(part))
        return {part: (state.next, state.text()) for part, state in states.items()}

    def _was_committed(self, offsets: Mapping[int, int]) -> None:
        for part, offset in offsets.items():
            asked, held = self._asked.get(part), self._held.get(part)
            if asked is not None and held is not None and asked.next == offset:
                held.committed = self.known[part] = asked

    def _finish(self) -> None:
        """At the end: what the brokers take within a while is committed, the rest is done again by whoever goes on."""
        until = self._watch.clock.elapsed_s() + _GIVE_UP_S
        self._poll_until(lambda: self._output.flush(0), until)
        if self._poll_until(lambda: not self.member.waits_for_commit, until) and self._output.flush(0):
            self._ask(self._changed())
            self._poll_until(lambda: not self.member.waits_for_commit, until)
        self._tell()
        if self._changed():
            self._watch.note("stopped before everything was acknowledged: it is done again by the next run")

    def _poll_until(self, is_so: Callable[[], bool], until: float) -> bool:
        while not is_so() and self._watch.clock.elapsed_s() < until:
            self.member.poll(_FLUSH_S)
        return is_so()

    # The group.

    def _take_up(self) -> None:
        """Ask again and again, while the cluster does not answer."""
        try:
            self._take(sorted(self._waiting))
        except NotNowError as error:
            self._watch.note(f"{error.message}; it is tried again")
            self.member.poll(self._settings.idle_seconds)

    def _take(self, partitions: list[int]) -> None:
        """Partitions become ours: each goes on where it was committed, with what stands beside that."""
        everything = self._parts.admin.describe()
        self._check_id(everything.id)
        known = self.member.committed(everything.partitions)
        states = {part: state_of(*found) for part, found in known.items()}
        begins, ends = self._parts.admin.begins(partitions), self._parts.admin.ends(partitions)
        for part in partitions:
            name, state = self._parts.topic.partition_name(part), states.get(part)
            if state is None:
                state = self._begin(part, known.get(part), begins[part], states)
            else:
                self._check_id(state.topic_id)
            check_place(name, state.next, (begins[part], ends[part]))
            if state.definition != self._parts.definition_hash:
                self._watch.note(f"{name}: the definition has changed; what follows carries its new hash")
            self._held[part] = _Held(replace(state, definition=self._parts.definition_hash), states.get(part))
        self._waiting.difference_update(partitions)
        self._close_reader()

    def _begin(
        self, part: int, set_by_hand: tuple[int, str] | None, begin: int, states: Mapping[int, PartitionState | None]
    ) -> PartitionState:
        """A partition without state joins: J is the least last t of those that have one."""
        times = [state.last_t_us for other, state in states.items() if state is not None and other != part]
        joined_us = min((time_us for time_us in times if time_us is not None), default=None)
        first = begin
        if set_by_hand is not None:
            first = set_by_hand[0]
            self._watch.note(f"{self._parts.topic.partition_name(part)}: its offset {first} was set by another tool")
        return PartitionState(
            self._topic_id,
            self._parts.definition_hash,
            first,
            first,
            joined_us=None if None in times else joined_us,
        )

    def _give_up(self, partitions: list[int], lost: bool) -> None:
        """What was sent is committed, or forgotten, before another process takes a partition up."""
        states = {part: state for part, state in self._changed().items() if part in partitions}
        if lost:
            self._watch.note(
                f"{self._parts.topic.topic}: the group has gone on without this process, which joins again"
            )
        elif states and self._output.flush(_GIVE_UP_S):
            self.member.commit_now(self._offsets(states))
        for part in partitions:
            self._held.pop(part, None)
            self._waiting.discard(part)
        self._close_reader()

    # The reader.

    def _open_reader(self) -> _core.KafkaReader:
        """A reader of what is ours now; what an earlier one has read ahead is read again."""
        topic = self._parts.topic
        reader = open_reader(topic, self.member.group, self._settings.queue_bytes)
        places = [[part, held.state.next, topic.partition_name(part)] for part, held in self._held.items()]
        with core_errors():
            reader.assign(json.dumps(places))
        self._reader = reader
        return reader

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # The end of what was there.

    def _is_done(self) -> bool:
        """Ours are at the ends and committed, those of other processes too."""
        reached = {part: held.state.next for part, held in self._held.items()}
        return not self._changed() and self._until.are_reached(reached)
