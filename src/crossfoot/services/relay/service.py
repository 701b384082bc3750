"""The loop of relay: messages of the intermediate topic in, requests out, offsets behind the answers.

One turn lets the group speak, takes what the reader has, makes requests in fair turns over the partitions, and takes
note of answers. State is kept in one place only: beside the group's committed offsets. What was not committed is
published again, with the same ids.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from crossfoot.event import ABSENT_US
from crossfoot.services.group.ends import check_place
from crossfoot.services.group.member import Calls, Member
from crossfoot.services.group.output import Output
from crossfoot.services.group.output import Refused as DeadLetter
from crossfoot.services.group.share import Block, Share, Shared
from crossfoot.services.relay.encode import OVERHEAD_BYTES, Encoder
from crossfoot.services.relay.heads import REFUSED, SIZE, Unfit, Wanted, head_of
from crossfoot.services.relay.lane import Lane, Ledger, Part, Span, ledger_of, size_of
from crossfoot.services.relay.publisher import MESSAGE_BYTES_MAX, MESSAGES_MAX, REQUEST_BYTES_MAX, Publisher
from crossfoot.services.relay.state import LaneState, RelayState, RelayWatch
from crossfoot.settings import Settings
from crossfoot.sources.kafka import Topic
from crossfoot.sources.kafka_admin import Admin, TopicState

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
        self._encoders: dict[int, Encoder] = {}
        self._buried: list[Span] = []
        self._done = {"published": 0, "dead": 0}
        self._queued_bytes = 0
        self._ends: dict[int, int] = {}
        self._turns: deque[int] = deque()
        self._began_s = self._committed_s = self._looked_s = watch.clock.elapsed_s()
        shared = Shared(parts.topic, parts.admin, "published", settings.queue_bytes // 4, parts.member)
        self.share = Share(shared, self._lanes, self, settings, watch)
        self._publisher = parts.publisher
        self._output = parts.output(self.share.member.poll)

    def run(self, once: bool) -> None:
        """Join the group; until asked to stop, or until what the logs had at the start is done."""
        self.share.join(once)
        while not self._watch.stop() and not (once and self.share.is_done()):
            self._turn()
        self._finish()

    def close(self) -> None:
        """Leave the group; what is not committed is forgotten."""
        self._lanes.clear()
        try:
            self.share.close()
        finally:
            self._output.close()

    # The turn.

    def _turn(self) -> None:
        self.share.poll()
        self._output.poll()
        self.share.take_up()
        if self._has_room():
            self._feed()
        else:
            self.share.member.poll(_WAIT_S)
        self._settle()
        self._fill()
        now = self._watch.clock.elapsed_s()
        if now - self._looked_s >= self._settings.idle_seconds:
            self._looked_s = now
            self._look()
        if now - self._committed_s >= self._settings.epoch_seconds:
            self._committed_s = now
            self.share.commit()
            self._watch.state(self._state(now))

    def _has_room(self) -> bool:
        """Whether more may be taken: bytes that wait or are on their way, and runs that are not done in order."""
        waiting = sum(lane.pending_bytes for lane in self._lanes.values()) + self._publisher.bytes
        spans = sum(lane.spans for lane in self._lanes.values())
        return bool(self._lanes) and waiting < self._settings.queue_bytes and spans < _SPANS_MAX

    def _feed(self) -> None:
        wait_s = _WAIT_S if self._publisher.requests else self._settings.epoch_seconds / 2
        handed = self.share.read(_TURN_BYTES, wait_s)
        for block in handed.blocks:
            self._add(self._lanes[block.partition], block)
        self._queued_bytes = handed.queued_bytes
        for note in handed.notes:
            self._watch.note(note)
        for number, end in handed.ends:
            self._lanes[number].add(Span(number, end, 0, self._watch.clock.now_us()))

    def _add(self, lane: Lane, block: Block) -> None:
        data, ends = block.data, array("I", block.ends)
        offsets, stamps = array("Q", block.offsets), array("q", block.stamps)
        start = 0
        for first in range(0, len(ends), _SPAN_RECORDS):
            rows = range(first, min(first + _SPAN_RECORDS, len(ends)))
            stamp_us = stamps[first] if stamps[first] != ABSENT_US else self._watch.clock.now_us()
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

    # Looking around.

    def _look(self) -> None:
        if (look := self.share.look()) is not None:
            self._ends = dict(look.ends)

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

    # The end, and the group.

    def _wait_for_answers(self, speaks: bool) -> None:
        """What is on its way is waited for, for a while; nothing new is sent. `speaks`: the group, meanwhile."""
        until = self._watch.clock.elapsed_s() + _END_S
        while self._publisher.is_flying() or self._buried:
            self._settle()
            if self._publisher.is_holding or self._watch.clock.elapsed_s() >= until:
                break
            if speaks:
                self.share.member.poll(_WAIT_S)
            else:
                self._output.poll(_WAIT_S)
        self._settle()

    def _finish(self) -> None:
        """At the end: what Pub/Sub answers for within a while is committed, the rest is published again."""
        self._wait_for_answers(speaks=True)
        until = self._watch.clock.elapsed_s() + _END_S / 2
        while self._watch.clock.elapsed_s() < until and (self.share.changed() or self.share.member.waits_for_commit):
            self.share.commit()
            self.share.member.poll(_WAIT_S)
        if self.share.changed() or any(lane.spans for lane in self._lanes.values()):
            self._watch.note("stopped before everything was answered for: the next run publishes it")
        self._watch.state(self._state(self._watch.clock.elapsed_s()))

    def take(self, partitions: list[int], topic: TopicState) -> None:
        """Each partition goes on where it was committed, with its ledger."""
        known = self.share.member.committed(partitions)
        begins, ends = self._parts.admin.begins(partitions), self._parts.admin.ends(partitions)
        self._ends.update(ends)
        for number in partitions:
            name, kept = self._parts.topic.partition_name(number), known.get(number)
            ledger = None if kept is None else ledger_of(*kept)
            if ledger is not None:
                self.share.check_id(ledger.topic_id)
            elif kept is not None:
                self._watch.note(f"{name}: its offset {kept[0]} was set by another tool; a new ledger begins")
            first = begins[number] if kept is None else kept[0]
            check_place(name, first, (begins[number], ends[number]))
            begun = ledger or Ledger(topic.id, first, first)
            self._lanes[number] = Lane(number, name, begun, ledger)
            self._encoders[number] = Encoder(self._parts.wanted, self._parts.topic.topic, number)
        self._turns = deque(sorted(self._lanes))

    def leave(self, partitions: list[int], lost: bool) -> None:
        """What was sent is committed, or forgotten, before another process takes a partition up."""
        if not lost and not self._lanes.keys().isdisjoint(partitions):
            self._wait_for_answers(speaks=False)
            self.share.commit_now(partitions)
        for number in partitions:
            self._lanes.pop(number, None)
        self._turns = deque(sorted(self._lanes))
