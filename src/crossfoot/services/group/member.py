"""This process as a member of the consumer group that shares a topic: which partitions are its own.

No record comes by here: the partitions are paused at once, and read by the native reader. Everything is called back
from inside of `poll`, on the thread that calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crossfoot.errors import CrossfootError, DataError
from crossfoot.sources.kafka import Topic, admin_of, client_settings
from crossfoot.sources.kafka_admin import LASTING, OUT_OF_RANGE, NotNowError, asked_again, failure_of, refused_setting

_OURS = {
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "auto.offset.reset": "error",
    "partition.assignment.strategy": "cooperative-sticky",
}
_CHOSEN = {"topic.metadata.refresh.interval.ms": "5000", "session.timeout.ms": "45000"}
"""Unless the definition says otherwise: how soon added partitions are found, and how long a process may be silent."""
_POLL_MS = 60_000
"""So long a group that is shared out anew waits for a member that is there and does not join again; librdkafka's five
minutes are for work between two polls, of which there is none here."""
_COMMITTED = 0
_COORDINATOR = frozenset({"NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS"})


class CoordinatorError(NotNowError):
    """The group's coordinator is not ready yet, as after a broker has started, or is another one by now."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What a member tells: partitions that it may take, and that it gives up (`lost`: they are another's already)."""

    take: Callable[[list[int]], None]
    give_up: Callable[[list[int], bool], None]
    committed: Callable[[Mapping[int, int]], None]
    note: Callable[[str], None]
    check: Callable[[], None]
    """Raises where the topic is another one by now: what makes a failure plain."""


Offsets = Mapping[int, tuple[int, str]]
"""Partition -> its next offset and the text that stands beside it."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What a group has committed of a topic, and where the topic's logs end."""

    group: str
    offsets: Offsets
    ends: Mapping[int, int]


class Member:
    """A consumer that never consumes."""

    def __init__(self, topic: Topic, group: str, calls: Calls, timeout_s: float) -> None:
        from confluent_kafka import Consumer

        self._topic = topic.topic
        self._calls = calls
        self._timeout_s = timeout_s
        self._failure: CrossfootError | None = None
        self._waits_for_commit = False
        settings = member_settings(topic, group)
        self.group = settings["group.id"]
        try:
            self._consumer = Consumer({**settings, "error_cb": self._heard, "on_commit": self._on_commit})
        except Exception as error:  # KafkaException has no public base of its own
            raise refused_setting(error) from error

    def join(self) -> None:
        """Ask for a share of the topic."""
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def poll(self, timeout_s: float = 0.0) -> None:
        """Let the group speak; what cannot be recovered from is raised."""
        message = self._consumer.poll(timeout_s)
        if message is not None and message.error() is not None:
            self._heard(message.error())
        if self._failure is not None:
            if isinstance(self._failure, DataError):
                self._calls.check()
            raise self._failure

    def _heard(self, error: Any) -> None:
        if error.name() in OUT_OF_RANGE:
            return  # of the place that it was given, which says nothing: it reads none
        if error.fatal() or error.name() in LASTING:
            self._failure = self._failure or failure_of(error.name(), error.str(), self._topic)
        else:
            self._calls.note(f"{self._topic}: {error.str()}; it is tried again")

    # Called back.

    def _on_assign(self, consumer: Any, places: list[Any]) -> None:
        from confluent_kafka import OFFSET_END

        consumer.incremental_assign([self._place(place.partition, OFFSET_END) for place in places])
        consumer.pause(places)
        self._calls.take([place.partition for place in places])

    def _on_revoke(self, consumer: Any, places: list[Any]) -> None:
        self._guarded(lambda: self._calls.give_up([place.partition for place in places], False))
        consumer.incremental_unassign(places)

    def _on_lost(self, consumer: Any, places: list[Any]) -> None:
        self._guarded(lambda: self._calls.give_up([place.partition for place in places], True))
        consumer.incremental_unassign(places)

    def _guarded(self, call: Callable[[], None]) -> None:
        """An error ends the service after the call back, not inside of it."""
        try:
            call()
        except CrossfootError as error:
            self._failure = self._failure or error

    def _on_commit(self, error: Any, places: list[Any]) -> None:
        self._waits_for_commit = False
        refused = [error] if error is not None else [place.error for place in places if place.error is not None]
        if refused:
            self._calls.note(f"{self._topic}: offsets were not committed: {refused[0].str()}")
        self._calls.committed({} if refused else {place.partition: place.offset for place in places})

    # Offsets.

    @property
    def waits_for_commit(self) -> bool:
        """Whether a commit has not been answered yet."""
        return self._waits_for_commit

    def commit(self, offsets: Offsets) -> None:
        """Ask for it; `committed` is called with what has become of it."""
        self._waits_for_commit = True
        self._consumer.commit(offsets=self._places(offsets), asynchronous=True)

    def commit_now(self, offsets: Offsets) -> bool:
        """The same, at once. False: it was refused, and nothing of it holds."""
        from confluent_kafka import KafkaException

        try:
            found = self._consumer.commit(offsets=self._places(offsets), asynchronous=False)
        except KafkaException as error:
            self._calls.note(f"{self._topic}: offsets were not committed: {error.args[0].str()}")
            return False
        return all(place.error is None for place in found or ())

    def committed(self, partitions: Iterable[int]) -> dict[int, tuple[int, str]]:
        """What the group has committed, where it has."""
        from confluent_kafka import KafkaException

        wanted = [self._place(partition) for partition in partitions]
        try:
            found = self._consumer.committed(wanted, timeout=self._timeout_s) if wanted else []
        except KafkaException as error:
            name, text = error.args[0].name(), error.args[0].str()
            if name in LASTING:
                raise failure_of(name, text, self._topic) from error
            hint = "check that the brokers run, then run again: nothing is lost"
            kind = CoordinatorError if name in _COORDINATOR else NotNowError
            raise kind(f"the offsets of the group {self.group} cannot be read: {text}", hint) from error
        return {place.partition: (place.offset, place.metadata or "") for place in found if place.offset >= _COMMITTED}

    def _places(self, offsets: Offsets) -> list[Any]:
        return [self._place(partition, *offset) for partition, offset in offsets.items()]

    def _place(self, partition: int, *offset: int | str) -> Any:
        from confluent_kafka import TopicPartition

        return TopicPartition(self._topic, partition, *offset)

    def close(self) -> None:
        """Leave the group; partitions that are still held are given up first."""
        self._consumer.close()


def member_settings(topic: Topic, group: str) -> dict[str, str]:
    """Those of the client. It takes none whose poll interval is shorter than its session."""
    settings = {"log_level": "0", **_CHOSEN, **client_settings(topic, group), **_OURS}
    session = settings["session.timeout.ms"]
    return {"max.poll.interval.ms": str(max(_POLL_MS, int(session) if session.isdigit() else 0)), **settings}


def committed_by(topic: Topic, group: str, timeout_s: float) -> Committed:
    """Read without joining the group."""
    admin = admin_of(topic, group, timeout_s)
    ends = admin.ends(admin.describe().partitions)
    calls = Calls(lambda _: None, lambda *_: None, lambda _: None, lambda _: None, lambda: None)
    member = Member(topic, group, calls, timeout_s)
    try:
        committed = asked_again(lambda: member.committed(ends), CoordinatorError, member.poll, timeout_s)
        return Committed(member.group, committed, ends)
    finally:
        member.close()
