"""A Pub/Sub subscription as a source: streaming pull, into our own log, and only then acknowledged.

Each stream has a thread that reads it. One thread appends what they have read, as a block; once it is synced another
acknowledges it; meanwhile a third extends the deadlines of what waits. Nothing is ever refused (nack): what could not
be appended is delivered again, and what was delivered twice is a duplicate where it is counted.
"""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple, Protocol

from crossfoot import _core
from crossfoot.clock import Clock
from crossfoot.errors import CrossfootError
from crossfoot.log.frames import FRAME_BYTES_MAX
from crossfoot.log.log import Log
from crossfoot.native import core_errors
from crossfoot.sources.live import Failing, LiveSource, Room, Shown
from crossfoot.sources.own_log import open_log
from crossfoot.sources.pubsub_client import (
    LASTING,
    check_there,
    code_of,
    describe,
    failure_of,
    message_class,
    open_channel,
    routing,
    stream,
    unary,
)

HEARTBEAT_S = 20.0
DEADLINE_S = 20
"""How long a message may wait for its acknowledgement: what a process that was killed had is delivered again after it.
What waits is extended three times within it."""
DELAY_S, DELAY_MAX_S = 0.1, 30.0
HOLD_AFTER = 2
LASTED_S = 60.0
"""A stream that lasted so long was a good one: the service ends each now and then."""
MESSAGES_MAX = 10_000
ACKS_MAX, ACK_BYTES_MAX = 1_000, 400 << 10
"""Ids in one request: Pub/Sub takes 512 KiB. Where an answer holds more, they are in parts already."""
UNACKNOWLEDGED_MAX = 20 * ACKS_MAX
"""While more was appended and is not acknowledged, nothing more is appended."""
_CALL_S = 30.0
_END_S = 2.0
_NOTES_MAX = 16


class Acks(NamedTuple):
    """Ids by which so many deliveries are acknowledged, as fields of a request that does."""

    number: int
    fields: bytes


class Deliveries(NamedTuple):
    """Messages: their data one behind the other, and where each ends (u32)."""

    acks: Acks
    data: bytes
    ends: bytes


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the definition says of a subscription; `path` is its whole name. The environment says where Pub/Sub is.

    `with_attempt`: a record is the attempt at which a message was published, then its data. It is four bytes; 0:
    the message does not say.
    """

    path: str
    name: str
    environment: Mapping[str, str]
    with_attempt: bool = False

    def open(self, room: Room) -> LiveSource:
        """The log, once the subscription is there."""
        settings = room.settings
        channel = open_channel(self.environment)
        pull = GooglePull(channel, self.path, settings.queue_bytes // settings.pubsub_streams, self.with_attempt)
        door = PullDoor(pull, self.name, Flow(settings.pubsub_streams, settings.queue_bytes), room.clock)
        try:
            check_there(channel, "subscription", self.path, settings.connect_seconds)
            return open_log(self.name, room, door)
        except BaseException:
            door.close()
            raise


class Broken(Exception):  # noqa: N818 - a stream or a call that ended, which is no error of the caller
    """Why it has ended, and what that means where no client recovers from it."""

    def __init__(self, text: str, lasting: CrossfootError | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.lasting = lasting


class Pull(Protocol):
    """What the door asks of a subscription. Each call may come from any thread."""

    def receive(self) -> Iterator[Deliveries]:
        """A stream of deliveries; `Broken` when it ends by itself."""
        ...

    def acknowledge(self, ids: bytes) -> None:
        """These are durable. One that fails is delivered again."""

    def extend(self, ids: bytes) -> None:
        """These still wait."""

    def close(self) -> None:
        """End every stream."""


class GooglePull:
    """A subscription at Pub/Sub, or at an emulator."""

    def __init__(self, channel: Any, path: str, bytes_max: int, with_attempt: bool = False) -> None:
        self._with_attempt = with_attempt
        self._channel = channel
        self._path = path
        self._metadata = routing("subscription", path)
        self._stream = stream(channel, "Subscriber/StreamingPull", "StreamingPullRequest")
        self._acknowledge = unary(channel, "Subscriber/Acknowledge")
        self._extend = unary(channel, "Subscriber/ModifyAckDeadline")
        self._closing = threading.Event()
        self._asked = message_class("StreamingPullRequest")(
            subscription=path,
            stream_ack_deadline_seconds=DEADLINE_S,
            max_outstanding_messages=MESSAGES_MAX,
            max_outstanding_bytes=bytes_max,
        )

    def receive(self) -> Iterator[Deliveries]:
        import grpc

        try:
            for answer in self._stream(self._requests(), metadata=self._metadata):
                with core_errors():
                    found = _core.deliveries(answer, self._with_attempt)
                for count, ids, data, ends in found:
                    yield Deliveries(Acks(count, ids), data, ends)
        except grpc.RpcError as error:
            lasting = failure_of(error, "subscription", self._path) if code_of(error) in LASTING else None
            raise Broken(describe(error), lasting) from error
        except ValueError as error:  # the channel was closed
            raise Broken(str(error)) from error
        except CrossfootError as error:
            raise Broken(error.message, error) from error
        raise Broken("the stream was ended by the service")

    def _requests(self) -> Iterator[Any]:
        """The first request says what is wanted; the stream stays open until this ends.

        What follows is empty, as Google's own clients send it: only while something is sent is a dead connection found.
        """
        yield self._asked
        while not self._closing.wait(HEARTBEAT_S):
            yield message_class("StreamingPullRequest")()

    def acknowledge(self, ids: bytes) -> None:
        asked = message_class("AcknowledgeRequest")(subscription=self._path)
        self._call(self._acknowledge, asked.SerializeToString() + ids)

    def extend(self, ids: bytes) -> None:
        asked = message_class("ModifyAckDeadlineRequest")(
            subscription=self._path,
            ack_ids=message_class("AcknowledgeRequest").FromString(ids).ack_ids,
            ack_deadline_seconds=DEADLINE_S,
        )
        self._call(self._extend, asked.SerializeToString())

    def _call(self, call: Any, asked: bytes) -> None:
        import grpc

        try:
            call(asked, timeout=_CALL_S, metadata=self._metadata)
        except grpc.RpcError as error:
            raise Broken(describe(error)) from error
        except ValueError as error:  # the channel was closed
            raise Broken(str(error)) from error

    def close(self) -> None:
        self._closing.set()
        self._channel.close()


@dataclass(frozen=True, slots=True)
class Flow:
    """How much at once: streams, and bytes that may wait to be appended. Behind that the streams are not read."""

    streams: int
    bytes_max: int


class PullDoor:
    """Deliveries on their way into a log."""

    def __init__(self, pull: Pull, name: str, flow: Flow, clock: Clock) -> None:
        self._pull = pull
        self._name = name
        self._flow = flow
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: list[Deliveries] = []
        self._held: list[Deliveries] = []
        self._appended: list[Acks] = []
        self._bytes = 0
        self._closing = False
        self._broken = 0
        self._failure: CrossfootError | None = None
        self._notes: deque[str] = deque(maxlen=_NOTES_MAX)
        self._threads: dict[str, threading.Thread] = {}

    def start(self, log: Log) -> None:
        """Pull, and append to this log."""
        self._begin("append", self._append, log)
        self._begin("acknowledge", self._acknowledge)
        self._begin("extend", self._extend)
        for number in range(self._flow.streams):
            self._begin(f"stream-{number}", self._read, number)

    def _begin(self, what: str, run: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments, name=f"{self._name} {what}", daemon=True)
        self._threads[what] = thread
        thread.start()

    def notes(self) -> list[str]:
        """What a person should know; what cannot be recovered from is raised."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            return [self._notes.popleft() for _ in range(len(self._notes))]

    def close(self) -> None:
        """Acknowledge what was appended, unless that takes long; what was not is delivered again."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if acknowledging := self._threads.get("acknowledge"):
            acknowledging.join(_END_S)
        self._pull.close()
        for thread in self._threads.values():
            thread.join()

    # Reading.

    def _read(self, number: int) -> None:
        """One stream after the other; between them a delay that doubles."""
        failures, random = 0, Random(number)
        while not self._closing:
            began_s = self._clock.elapsed_s()
            try:
                for received in self._pull.receive():
                    if failures:
                        self._is_back()
                    failures = 0
                    if not self._put(received):
                        return
            except Broken as broken:
                failures = 1 if self._clock.elapsed_s() - began_s >= LASTED_S else failures + 1
                if self._has_broken(broken, failures):
                    return
                delay_s = min(DELAY_MAX_S, DELAY_S * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1.0)
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, delay_s)

    def _has_broken(self, broken: Broken, failures: int) -> bool:
        """Take note of it, once for all streams. Whether that is the end."""
        with self._changed:
            if broken.lasting is not None and not self._closing:
                self._failure = self._failure or broken.lasting
            if failures == HOLD_AFTER and not self._closing:
                self._broken += 1
                if self._broken == 1:
                    self._notes.append(Failing(f"{self._name}: {broken.text}; it is tried again without end"))
            return self._closing or self._failure is not None

    def _is_back(self) -> None:
        with self._changed:
            if self._broken:
                self._broken = 0
                self._notes.append(Shown(f"{self._name}: messages come again"))

    def _put(self, received: Deliveries) -> bool:
        """Hand over what was delivered; waits, not reading, while too much does. False: the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < self._flow.bytes_max or self._closing)
            self._waiting.append(received)
            self._bytes += len(received.data)
            self._changed.notify_all()
            return not self._closing

    # Appending.

    def _append(self, log: Log) -> None:
        while taken := self._take():
            try:
                log.append_block(*_one_block(taken))
            except CrossfootError as error:
                with self._changed:
                    self._failure = self._failure or (None if self._closing else error)
                return
            with self._changed:
                self._appended += [each.acks for each in taken]
                self._changed.notify_all()

    def _acknowledge(self) -> None:
        """What was appended, until the end."""
        while acks := self._take_appended():
            for ids in _requests(acks):
                with suppress(Broken):  # they are delivered again, and are duplicates then
                    self._pull.acknowledge(ids)

    def _take_appended(self) -> list[Acks]:
        with self._changed:
            self._changed.wait_for(lambda: self._appended or self._closing)
            acks, self._appended = self._appended, []
            self._changed.notify_all()
            return acks

    def _take(self) -> list[Deliveries]:
        """What waits, as much as one append takes; nothing at the end."""
        with self._changed:
            self._bytes -= sum(len(each.data) for each in self._held)
            self._held = []
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._may_append() or self._closing)
            if not self._closing:
                sums = accumulate(len(each.data) for each in self._waiting)
                many = sum(size <= FRAME_BYTES_MAX for size in sums) or 1
                self._held, self._waiting = self._waiting[:many], self._waiting[many:]
            return self._held

    def _may_append(self) -> bool:
        return bool(self._waiting) and sum(acks.number for acks in self._appended) < UNACKNOWLEDGED_MAX

    def _extend(self) -> None:
        """Whatever waits, for the disk or for the count, keeps its deadline."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, DEADLINE_S / 3):
                    return
                waiting = [*self._appended, *(each.acks for each in (*self._held, *self._waiting))]
            for ids in _requests(waiting):
                with suppress(Broken):  # they may be delivered again
                    self._pull.extend(ids)


def _one_block(taken: Iterable[Deliveries]) -> tuple[bytes, array[int]]:
    """All of their data, and where each message ends in it."""
    ends, before = array("I"), 0
    for each in taken:
        ends.extend(map(before.__add__, array("I", each.ends)))
        before += len(each.data)
    return b"".join(each.data for each in taken), ends


def _requests(acks: Iterable[Acks]) -> Iterator[bytes]:
    """The ids, as many at once as a request may hold."""
    together: list[bytes] = []
    number = size = 0
    for one in acks:
        number, size = number + one.number, size + len(one.fields)
        if together and (number > ACKS_MAX or size > ACK_BYTES_MAX):
            yield b"".join(together)
            together, number, size = [], one.number, len(one.fields)
        together.append(one.fields)
    if together:
        yield b"".join(together)
