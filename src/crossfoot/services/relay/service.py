"""The loop of relay: records of a topic in, requests out, offsets behind the answers.

One turn lets the group speak, takes what the reader has, makes requests in fair turns over the partitions, and takes
note of answers. State is kept in one place only: beside the group's committed offsets. What was not committed is
published again, with the same ids.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from crossfoot.event import ABSENT_US
from crossfoot.services.group.begin import Begun
from crossfoot.services.group.output import Output, Target
from crossfoot.services.group.output import Refused as DeadLetter
from crossfoot.services.group.share import Block, Share, Shared
from crossfoot.services.group.state import Totals
from crossfoot.services.relay.heads import REFUSED
from crossfoot.services.relay.lane import Lane, Part, Span
from crossfoot.services.relay.publisher import MESSAGES_MAX, REQUEST_BYTES_MAX, Publisher, Refused
from crossfoot.services.relay.state import LaneState, RelayState, RelayWatch
from crossfoot.services.relay.step import Step
from crossfoot.settings import Settings
from crossfoot.sources.live import Failing

_TURN_BYTES = 1 << 20
_SHARE_MESSAGES, _SHARE_BYTES = 250, 1 << 20
"""What a partition may put into a request before the next one has its turn."""
_SMALL_BYTES = 1 << 18
"""Less than this waits for more while other requests are on their way."""
_SPANS_MAX = 50_000
_WAIT_S = 0.005
_END_S = 5.0
"""How long answers are waited for when a partition is given up, or at the end; then it is published again elsewhere."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with; `target` takes the dead letters."""

    shared: Shared
    step: Step
    publisher: Publisher
    target: Target


class Service:
    """Turns until the end."""

    def __init__(self, parts: Parts, settings: Settings, watch: RelayWatch) -> None:
        self._parts = parts
        self._settings = settings
        self._watch = watch
        self._lanes: dict[int, Lane] = {}
        self._buried: list[Span] = []
        self._totals = Totals()
        """Of this process."""
        self._queued_bytes = 0
        self._failures: list[str] = []
        self._is_read = False
        """Of the topic, since the last state."""
        self._ends: dict[int, int] = {}
        self._turns: deque[int] = deque()
        self._began_s = self._committed_s = self._looked_s = watch.clock.elapsed_s()
        self.share = Share(parts.shared, self._lanes, self, settings, watch)
        self._publisher = parts.publisher
        self._output = Output(parts.target, self.share.member.poll, watch.note)

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
            self._is_read = True
        self._queued_bytes = handed.queued_bytes
        for note in handed.notes:
            self._watch.note(Failing(note))
            self._failures.append(note)
            self._is_read = False
        for number, end in handed.ends:
            lane = self._lanes[number]
            lane.add(Span(number, end, self._watch.clock.now_us(), lane.ahead.last_t_us))

    def _add(self, lane: Lane, block: Block) -> None:
        """One block is one span: its partition moves once all of it is done."""
        now_us = self._watch.clock.now_us()
        made = self._parts.step(lane.name, block, lane.ahead, now_us)
        stamp_us = array("q", block.stamps[:8])[0]
        taken_us = now_us if stamp_us == ABSENT_US else stamp_us
        span = Span(lane.number, made.next, taken_us, made.last_t_us, made.totals)
        for run in made.runs:
            span.add(run)
        if made.refused:
            self._bury(span, made.refused)
        lane.add(span)

    def _give_up(self, refused: Refused) -> None:
        """What Pub/Sub does not take is a dead letter instead."""
        span, events = refused.span, self._parts.step.events(refused.value)
        span.totals += Totals(**{"out": -events, REFUSED.account: events})
        self._bury(span, [REFUSED.letter(refused.offset, refused.value)], refused.text)
        span.open -= 1

    def _bury(self, span: Span, refused: list[DeadLetter], text: str = "") -> None:
        """Write dead letters; they are done once the broker has them."""
        lineage = self.share.lineage(span.partition)
        self._output.bury(refused, {**lineage, "text": text} if text else lineage)
        self._buried.append(span)
        span.open += 1

    def _settle(self) -> None:
        for refused in self._publisher.poll():
            if refused.span.partition in self._lanes:
                self._give_up(refused)
        if self._buried and self._output.flush(0):
            for span in self._buried:
                span.open -= 1
            self._buried.clear()
        for lane in self._lanes.values():
            self._totals += lane.settle()

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
                left -= part[1].size
        return parts

    # Looking around.

    def _look(self) -> None:
        if (look := self.share.look()) is not None:
            self._ends = dict(look.ends)
            self._is_read = True

    def _state(self, now: float) -> RelayState:
        now_us, failures, is_read = self._watch.clock.now_us(), tuple(self._failures), self._is_read
        self._failures, self._is_read = [], False
        return RelayState(
            lanes=tuple(self._lane_state(lane, now_us) for _, lane in sorted(self._lanes.items())),
            in_flight_bytes=self._publisher.bytes,
            queued_bytes=self._queued_bytes + sum(lane.pending_bytes for lane in self._lanes.values()),
            retries=self._publisher.retries,
            totals=self._totals,
            holding=self._publisher.holding,
            seconds=now - self._began_s,
            failures=failures,
            is_read=is_read,
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

    def take(self, begun: Mapping[int, Begun]) -> None:
        """Each partition goes on where it was committed, with its ledger."""
        topic = self._parts.shared.topic
        for number, each in begun.items():
            self._ends[number] = each.end
            self._lanes[number] = Lane(number, topic.partition_name(number), each.state, each.committed)
        self._turns = deque(sorted(self._lanes))

    def leave(self, partitions: list[int], lost: bool) -> None:
        """What was sent is committed, or forgotten, before another process takes a partition up."""
        if not lost and not self._lanes.keys().isdisjoint(partitions):
            self._wait_for_answers(speaks=False)
            self.share.commit_now(partitions)
        for number in partitions:
            self._lanes.pop(number, None)
        self._turns = deque(sorted(self._lanes))
