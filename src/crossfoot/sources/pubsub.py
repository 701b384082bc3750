"""A Pub/Sub subscription as a source: streaming pull, into our own log, and only then acknowledged.

Each stream has a thread that reads it. One thread appends what they have read, as a block, and acknowledges it once it
is synced; meanwhile another one extends the deadlines of what waits. Nothing is ever refused (nack): what could not be
appended is delivered again, and what was delivered twice is a duplicate where it is counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from crossfoot.clock import Clock
from crossfoot.errors import CrossfootError
from crossfoot.log.log import Log
from crossfoot.sources.live import Failing, LiveSource, Room
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
ACKS_MAX = 1_000
"""Ids in one request: Pub/Sub takes 512 KiB."""
_CALL_S = 30.0
_NOTES_MAX = 16

Received = tuple[str, bytes]
"""The id by which a delivery is acknowledged, and the message's data."""


def _payload(message: Any) -> bytes:
    data: bytes = message.data
    return data


def with_attempt(message: Any) -> bytes:
    """The data behind the attempt at which it was published (four bytes; 0: it does not say)."""
    said = message.attributes.get("attempt", "")
    attempt = int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0
    return attempt.to_bytes(4, "little") + _payload(message)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the definition says of a subscription; `path` is its whole name. The environment says where Pub/Sub is.

    `record` makes a record of a message.
    """

    path: str
    name: str
    environment: Mapping[str, str]
    record: Callable[[Any], bytes] = _payload

    def open(self, room: Room) -> LiveSource:
        """The log, once the subscription is there."""
        settings = room.settings
        channel = open_channel(self.environment)
        pull = GooglePull(channel, self.path, settings.queue_bytes // settings.pubsub_streams, self.record)
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

    def receive(self) -> Iterator[Sequence[Received]]:
        """A stream of deliveries; `Broken` when it ends by itself."""
        ...

    def acknowledge(self, ids: Sequence[str]) -> None:
        """These are durable. One that fails is delivered again."""

    def extend(self, ids: Sequence[str]) -> None:
        """These still wait."""

    def close(self) -> None:
        """End every stream."""


class GooglePull:
    """A subscription at Pub/Sub, or at an emulator."""

    def __init__(self, channel: Any, path: str, bytes_max: int, record: Callable[[Any], bytes] = _payload) -> None:
        self._record = record
        self._channel = channel
        self._path = path
        self._metadata = routing("subscription", path)
        self._stream = stream(channel, "Subscriber/StreamingPull", "StreamingPullRequest", "StreamingPullResponse")
        self._acknowledge = unary(channel, "Subscriber/Acknowledge")
        self._extend = unary(channel, "Subscriber/ModifyAckDeadline")
        self._closing = threading.Event()
        self._asked = message_class("StreamingPullRequest")(
            subscription=path,
            stream_ack_deadline_seconds=DEADLINE_S,
            max_outstanding_messages=MESSAGES_MAX,
            max_outstanding_bytes=bytes_max,
        )

    def receive(self) -> Iterator[Sequence[Received]]:
        import grpc

        try:
            for answer in self._stream(self._requests(), metadata=self._metadata):
                yield [(each.ack_id, self._record(each.message)) for each in answer.received_messages]
        except grpc.RpcError as error:
            lasting = failure_of(error, "subscription", self._path) if code_of(error) in LASTING else None
            raise Broken(describe(error), lasting) from error
        except ValueError as error:  # the channel was closed
            raise Broken(str(error)) from error
        raise Broken("the stream was ended by the service")

    def _requests(self) -> Iterator[Any]:
        """The first request says what is wanted; the stream stays open until this ends.

        What follows is empty, as Google's own clients send it: only while something is sent is a dead connection found.
        """
        yield self._asked
        while not self._closing.wait(HEARTBEAT_S):
            yield message_class("StreamingPullRequest")()

    def acknowledge(self, ids: Sequence[str]) -> None:
        asked = message_class("AcknowledgeRequest")(subscription=self._path, ack_ids=ids)
        self._call(self._acknowledge, asked)

    def extend(self, ids: Sequence[str]) -> None:
        asked = message_class("ModifyAckDeadlineRequest")(
            subscription=self._path, ack_ids=ids, ack_deadline_seconds=DEADLINE_S
        )
        self._call(self._extend, asked)

    def _call(self, call: Any, asked: Any) -> None:
        import grpc

        try:
            call(asked.SerializeToString(), timeout=_CALL_S, metadata=self._metadata)
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
        self._waiting: list[Received] = []
        self._held: list[Received] = []
        self._bytes = 0
        self._closing = False
        self._broken = 0
        self._failure: CrossfootError | None = None
        self._notes: deque[str] = deque(maxlen=_NOTES_MAX)
        self._threads: list[threading.Thread] = []

    def start(self, log: Log) -> None:
        """Pull, and append to this log."""
        self._begin("append", self._append, log)
        self._begin("extend", self._extend)
        for number in range(self._flow.streams):
            self._begin(f"stream-{number}", self._read, number)

    def _begin(self, what: str, run: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments, name=f"{self._name} {what}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def notes(self) -> list[str]:
        """What a person should know; what cannot be recovered from is raised."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            return [self._notes.popleft() for _ in range(len(self._notes))]

    def close(self) -> None:
        """Acknowledge nothing more; what was not is delivered again."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._pull.close()
        for thread in self._threads:
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
                self._notes.append(f"{self._name}: messages come again")

    def _put(self, received: Sequence[Received]) -> bool:
        """Hand over what was delivered; waits, not reading, while too much does. False: the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < self._flow.bytes_max or self._closing)
            self._waiting += received
            self._bytes += _size(received)
            self._changed.notify_all()
            return not self._closing

    # Appending.

    def _append(self, log: Log) -> None:
        while taken := self._take():
            try:
                log.append([data for _, data in taken])
            except CrossfootError:
                return  # the log says so to its reader
            for ids in _chunks(taken):
                with suppress(Broken):  # they are delivered again, and are duplicates then
                    self._pull.acknowledge(ids)

    def _take(self) -> list[Received]:
        """All that waits; nothing at the end."""
        with self._changed:
            self._bytes -= _size(self._held)
            self._held = []
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._closing:
                self._held, self._waiting = self._waiting, []
            return self._held

    def _extend(self) -> None:
        """Whatever waits, for the disk or for the count, keeps its deadline."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, DEADLINE_S / 3):
                    return
                waiting = [*self._held, *self._waiting]
            for ids in _chunks(waiting):
                with suppress(Broken):  # they may be delivered again
                    self._pull.extend(ids)


def _size(received: Iterable[Received]) -> int:
    return sum(len(data) for _, data in received)


def _chunks(received: Sequence[Received]) -> Iterator[list[str]]:
    for first in range(0, len(received), ACKS_MAX):
        yield [ack_id for ack_id, _ in received[first : first + ACKS_MAX]]
