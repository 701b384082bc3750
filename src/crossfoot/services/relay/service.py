"""The loop of relay: messages of the intermediate topic in, requests out, offsets behind the answers.

One turn lets the group speak, takes what the reader has, makes requests in fair turns over the partitions, and takes
note of answers. State is kept in one place only: beside the group's committed offsets. What was not committed is
published again, with the same ids.
"""

from __future__ import annotations

import json
from array import array
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crossfoot import _core
from crossfoot.errors import DataError
from crossfoot.native import core_errors
from crossfoot.services.group.ends import Ends, check_place, note_of
from crossfoot.services.group.member import Calls, Member
from crossfoot.services.group.output import Output
from crossfoot.services.group.output import Refused as DeadLetter
from crossfoot.services.relay.encode import OVERHEAD_BYTES, Encoder
from crossfoot.services.relay.heads import REFUSED, SIZE, Unfit, Wanted, head_of
from crossfoot.services.relay.lane import Lane, Ledger, Part, Span, ledger_of, size_of
from crossfoot.services.relay.publisher import MESSAGE_BYTES_MAX, MESSAGES_MAX, REQUEST_BYTES_MAX, Publisher
from crossfoot.services.relay.state import LaneState, RelayState, RelayWatch
from crossfoot.settings import Settings
from crossfoot.sources.kafka import Topic, open_reader
from crossfoot.sources.kafka_admin import Admin, NotNowError

_TURN_BYTES = 1 << 20
_SHARE_MESSAGES, _SHARE_BYTES = 250, 1 << 20
"""What a partition may put into a request before the next one has its turn."""
_SMALL_BYTES = 1 << 18
"""Less than this waits for more while other requests are on their way."""
_SPAN_RECORDS = 1_000
_SPANS_MAX = 50_000
_WAIT_S = 0.005
_END_S = 5.0
"""How long answers are waited for when a partition is given up, or at the end; then it is published again elsewhere."""
_ABSENT = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with; `member` is made from its calls, `publisher` and `output` are made once."""

    topic: Topic
    admin: Admin
    wanted: Wanted
    member: Callable[[Calls], Member]
    publisher: Publisher
    output: Callable[[Callable[[], None]], Output]


class Service:
    """Turns until the end."""

    def __init__(self, parts: Parts, settings: Settings, watch: RelayWatch) -> None:
        self._parts = parts
        self._settings = settings
        self._watch = watch
        self._lanes: dict[int, Lane] = {}
        self._waiting: set[int] = set()
        """Partitions that are ours, whose ledger was not read yet."""
        self._encoders: dict[int, Encoder] = {}
        self._asked: dict[int, Ledger] = {}
        self._buried: list[Span] = []
        self._done = {"published": 0, "dead": 0}
        self._reader: _core.KafkaReader | None = None
        self._queued_bytes = 0
        self._topic_id = ""
        self._ends: dict[int, int] = {}
        self._turns: deque[int] = deque()
        self._began_s = self._committed_s = self._looked_s = watch.clock.elapsed_s()
        self.member = parts.member(Calls(self._waiting.update, self._give_up, self._was_committed, watch.note))
        self._until = Ends(parts.admin, self.member, watch.clock, settings.idle_seconds)
        self._publisher = parts.publisher
        self._output = parts.output(self.member.poll)

    def run(self, once: bool) -> None:
        """Join the group; until asked to stop, or until what the logs had at the start is done."""
        found = self._parts.admin.describe()
        self._topic_id = found.id
        if once:
            self._until.begin(found.partitions)
        self.member.join()
        while not self._watch.stop() and not (once and self._is_done()):
            self._turn()
        self._finish()

    def close(self) -> None:
        """Leave the group; what is not committed is forgotten."""
        self._lanes.clear()
        try:
            self._close_reader()
            self.member.close()
        finally:
            self._output.close()

    # The turn.

    def _turn(self) -> None:
        self.member.poll(0.0 if self._lanes else self._settings.epoch_seconds / 2)
        self._output.poll()
        if self._waiting:
            self._take_up()
        if self._has_room():
            self._feed()
        else:
            self.member.poll(_WAIT_S)
        self._settle()
        self._fill()
        now = self._watch.clock.elapsed_s()
        if now - self._looked_s >= self._settings.idle_seconds:
            self._looked_s = now
            self._look()
        if now - self._committed_s >= self._settings.epoch_seconds:
            self._committed_s = now
            self._commit()
            self._watch.state(self._state(now))

    def _has_room(self) -> bool:
        """Whether more may be taken: bytes that wait or are on their way, and runs that are not done in order."""
        waiting = sum(lane.pending_bytes for lane in self._lanes.values()) + self._publisher.bytes
        spans = sum(lane.spans for lane in self._lanes.values())
        return bool(self._lanes) and waiting < self._settings.queue_bytes and spans < _SPANS_MAX

    def _feed(self) -> None:
        reader = self._reader or self._open_reader()
        wait_s = _WAIT_S if self._publisher.requests else self._settings.epoch_seconds / 2
        with core_errors():
            said, blocks = reader.take(_TURN_BYTES, int(1000 * wait_s))
        for number, data, columns in blocks:
            if number in self._lanes and reader is self._reader:
                self._add(self._lanes[number], data, columns)
        handed = json.loads(said)
        self._queued_bytes = handed.get("queued_bytes", 0)
        for failure in handed["failures"]:
            self._judge(failure)
        for number, part in handed["partitions"].items():
            lane = self._lanes.get(int(number))
            if lane is not None and reader is self._reader and (part["end"] or 0) > lane.read_to:
                lane.add(Span(lane.number, part["end"], 0, self._watch.clock.now_us()))

    def _add(self, lane: Lane, data: bytes, columns: list[bytes]) -> None:
        ends, offsets, stamps = array("I", columns[0]), array("Q", columns[1]), array("q", columns[2])
        start = 0
        for first in range(0, len(ends), _SPAN_RECORDS):
            rows = range(first, min(first + _SPAN_RECORDS, len(ends)))
            stamp_us = stamps[first] if stamps[first] != _ABSENT else self._watch.clock.now_us()
            span = Span(lane.number, offsets[rows[-1]] + 1, len(rows), stamp_us)
            for row in rows:
                value, start = data[start : ends[row]], ends[row]
                self._put(span, offsets[row], value)
            lane.add(span)

    def _put(self, span: Span, offset: int, value: bytes) -> None:
        head = head_of(value, self._parts.wanted)
        if isinstance(head, Unfit):
            self._bury(span, (offset, value), head)
            return
        message = self._encoders[span.partition].message(head, offset, value)
        if len(message) + OVERHEAD_BYTES > MESSAGE_BYTES_MAX:
            self._bury(span, (offset, value), SIZE)
        else:
            span.messages.append((offset, message))

    def _bury(self, span: Span, message: tuple[int, bytes], why: Unfit, text: str = "") -> None:
        """Write a dead letter; it is done once the broker has it."""
        offset, value = message
        lineage = {
            "topic": self._parts.topic.topic,
            "partition": str(span.partition),
            **({"text": text} if text else {}),
        }
        part = "definition" if why.reason == "definition" else "message"
        self._output.bury([DeadLetter(why.account, why.reason, part, offset, None, value)], lineage)
        self._buried.append(span)

    def _settle(self) -> None:
        for refused in self._publisher.poll():
            if refused.span.partition in self._lanes:
                self._bury(refused.span, (refused.offset, refused.value), REFUSED, refused.text)
        if self._buried and self._output.flush(0):
            for span in self._buried:
                span.dead += 1
            self._buried.clear()
        for lane in self._lanes.values():
            before = lane.ledger
            lane.settle()
            self._done["published"] += lane.ledger.published - before.published
            self._done["dead"] += lane.ledger.dead - before.dead

    def _fill(self) -> None:
        """Make requests, in turns; a small one only where few are on their way."""
        while self._publisher.has_room() and (parts := self._gather()):
            self._publisher.publish(parts)

    def _gather(self) -> list[Part]:
        ready = sum(lane.pending_bytes for lane in self._lanes.values())
        if not ready or (self._publisher.requests > 1 and ready < _SMALL_BYTES):
            return []
        parts: list[Part] = []
        messages, left, idle = MESSAGES_MAX, REQUEST_BYTES_MAX, 0
        while messages and idle < len(self._turns):
            self._turns.rotate(-1)
            share = (min(messages, _SHARE_MESSAGES), min(left, _SHARE_BYTES))
            part = self._lanes[self._turns[0]].cut(*share, at_least_one=not parts)
            idle = 0 if part else idle + 1
            if part:
                parts.append(part)
                messages -= len(part[1])
                left -= size_of(part[1])
        return parts

    def _judge(self, failure: Mapping[str, Any]) -> None:
        self._watch.note(note_of(failure, self._parts.topic.topic))

    # Looking around.

    def _look(self) -> None:
        """Ends of the logs; a topic that was made again is another one."""
        look = self._parts.admin.looked()
        self._parts.admin.start_look(tuple(self._lanes), self._watch.clock.now_us())
        if look is not None:
            self._check_id(look.state.id)
            self._ends = dict(look.ends)

    def _check_id(self, found: str) -> None:
        if found != self._topic_id:
            topic, group = self._parts.topic.topic, self.member.group
            raise DataError(
                f"the Kafka topic {topic} was deleted and made again since the group {group} published it",
                "name another group (group.id) for the new topic, or delete the group's offsets of the old one",
            )

    def _state(self, now: float) -> RelayState:
        now_us = self._watch.clock.now_us()
        return RelayState(
            lanes=tuple(self._lane_state(lane, now_us) for _, lane in sorted(self._lanes.items())),
            in_flight_bytes=self._publisher.bytes,
            queued_bytes=self._queued_bytes + sum(lane.pending_bytes for lane in self._lanes.values()),
            retries=self._publisher.retries,
            done=dict(self._done),
            holding=self._publisher.holding,
            seconds=now - self._began_s,
        )

    def _lane_state(self, lane: Lane, now_us: int) -> LaneState:
        oldest_us, end = lane.oldest_us(), self._ends.get(lane.number)
        backlog = None if end is None else max(end, lane.read_to) - lane.ledger.next
        age = None if oldest_us is None else max(0, now_us - oldest_us) / 1e6
        return LaneState(lane.name, lane.ledger, backlog, 0.0 if backlog == 0 else age)

    # Committing.

    def _commit(self) -> None:
        if not self.member.waits_for_commit and (changed := self._changed()):
            self._asked = changed
            self.member.commit(self._offsets(changed))

    def _changed(self) -> dict[int, Ledger]:
        return {number: lane.ledger for number, lane in self._lanes.items() if lane.ledger != lane.committed}

    def _offsets(self, ledgers: Mapping[int, Ledger]) -> dict[int, tuple[int, str]]:
        for number, ledger in ledgers.items():
            ledger.check(self._lanes[number].name)
        return {number: (ledger.next, ledger.text()) for number, ledger in ledgers.items()}

    def _was_committed(self, offsets: Mapping[int, int]) -> None:
        for number, offset in offsets.items():
            asked, lane = self._asked.get(number), self._lanes.get(number)
            if asked is not None and lane is not None and asked.next == offset:
                lane.committed = asked

    def _wait_for_answers(self, speaks: bool) -> None:
        """What is on its way is waited for, for a while; nothing new is sent. `speaks`: the group, meanwhile."""
        until = self._watch.clock.elapsed_s() + _END_S
        while self._publisher.is_flying() or self._buried:
            self._settle()
            if self._publisher.is_holding or self._watch.clock.elapsed_s() >= until:
                break
            if speaks:
                self.member.poll(_WAIT_S)
            else:
                self._output.poll(_WAIT_S)
        self._settle()

    def _finish(self) -> None:
        """At the end: what Pub/Sub answers for within a while is committed, the rest is published again."""
        self._wait_for_answers(speaks=True)
        until = self._watch.clock.elapsed_s() + _END_S / 2
        while self._watch.clock.elapsed_s() < until and (self._changed() or self.member.waits_for_commit):
            self._commit()
            self.member.poll(_WAIT_S)
        if self._changed() or any(lane.spans for lane in self._lanes.values()):
            self._watch.note("stopped before everything was answered for: the next run publishes it")
        self._watch.state(self._state(self._watch.clock.elapsed_s()))

    # The group.

    def _take_up(self) -> None:
        """Ask again and again, while the cluster does not answer."""
        try:
            self._take(sorted(self._waiting))
        except NotNowError as error:
            self._watch.note(f"{error.message}; it is tried again")
            self.member.poll(self._settings.idle_seconds)

    def _take(self, partitions: list[int]) -> None:
        """Partitions become ours: each goes on where it was committed, with its ledger."""
        self._check_id(self._parts.admin.describe().id)
        known = self.member.committed(partitions)
        begins, ends = self._parts.admin.begins(partitions), self._parts.admin.ends(partitions)
        self._ends.update(ends)
        for number in partitions:
            name, kept = self._parts.topic.partition_name(number), known.get(number)
            ledger = None if kept is None else ledger_of(*kept)
            if ledger is not None:
                self._check_id(ledger.topic_id)
            elif kept is not None:
                self._watch.note(f"{name}: its offset {kept[0]} was set by another tool; a new ledger begins")
            first = begins[number] if kept is None else kept[0]
            check_place(name, first, (begins[number], ends[number]))
            begun = ledger or Ledger(self._topic_id, first, first)
            self._lanes[number] = Lane(number, name, begun, ledger)
            self._encoders[number] = Encoder(self._parts.wanted, self._parts.topic.topic, number)
        self._waiting.difference_update(partitions)
        self._changed_share()

    def _give_up(self, partitions: list[int], lost: bool) -> None:
        """What was sent is committed, or forgotten, before another process takes a partition up."""
        if lost:
            topic = self._parts.topic.topic
            self._watch.note(f"{topic}: the group has gone on without this process, which joins again")
        elif any(number in self._lanes for number in partitions):
            self._wait_for_answers(speaks=False)
            changed = {number: ledger for number, ledger in self._changed().items() if number in partitions}
            if changed:
                self.member.commit_now(self._offsets(changed))
        for number in partitions:
            self._lanes.pop(number, None)
            self._waiting.discard(number)
        self._changed_share()

    def _changed_share(self) -> None:
        """A new reader reads what is ours now; what an earlier one has read ahead is read again."""
        self._turns = deque(sorted(self._lanes))
        self._close_reader()

    def _open_reader(self) -> _core.KafkaReader:
        topic = self._parts.topic
        reader = open_reader(topic, self.member.group, self._settings.queue_bytes // 4)
        places = [[number, lane.read_to, topic.partition_name(number)] for number, lane in self._lanes.items()]
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
        reached = {number: lane.ledger.next for number, lane in self._lanes.items()}
        return not self._changed() and self._until.are_reached(reached)
