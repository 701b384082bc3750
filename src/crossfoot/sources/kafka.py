"""A Kafka topic as a live source: which partitions there are, where each goes on, how far it is behind.

Positions are the store's. The group's offsets are written after the epoch, for people to look at, and never read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from crossfoot import _core
from crossfoot.clock import Clock
from crossfoot.definition.model import Definition, KafkaSource
from crossfoot.definition.secrets import resolve
from crossfoot.errors import DataError, DefinitionError
from crossfoot.native import core_errors
from crossfoot.seen.state import Lag
from crossfoot.sources.kafka_admin import LASTING, Admin, ClusterAdmin, Look, TopicState, need_package
from crossfoot.sources.kafka_gate import Gate
from crossfoot.sources.kafka_lost import Lost, check_place
from crossfoot.sources.kafka_shown import ShownOffsets
from crossfoot.sources.live import Acknowledge, Failing, Feed, Known, Moved, Named, Room, Seen

_OURS = {
    "auto.offset.reset": "error",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "true",
}
"""Settings that decide about positions."""
_CHOSEN = {"fetch.queue.backoff.ms": "10"}
"""Unless the definition says otherwise. librdkafka asks no more once enough waits, and looks again after this time: a
second, unless it is told, while what waits is counted in a tenth of one."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What is read. `settings` are librdkafka's, by their own names; `name` is what the store calls the source."""

    topic: str
    settings: Mapping[str, str]
    name: str = ""
    append_time: bool = False
    """Whether the definition takes the broker's append time for a stamp."""
    cloudevents: bool = False
    """Whether headers may hold attributes of an event."""

    def partition_name(self, partition: int) -> str:
        """What the store calls a partition."""
        return f"{self.source_name}/{partition}"

    @property
    def source_name(self) -> str:
        """The source's name."""
        return self.name or f"kafka:{self.topic}"

    def open(self, room: Room) -> KafkaInput:
        """The topic, once its cluster has answered."""
        admin = admin_of(self, room.group, room.settings.connect_seconds)
        return KafkaInput(self, admin, room.group, room.settings.queue_bytes, room.clock)


@dataclass(slots=True)
class _Place:
    """Where a partition is."""

    next: int
    end: int
    stamp_us: int | None = None


def topic_of(source: KafkaSource, definition: Definition, environment: Mapping[str, str]) -> Topic:
    """A source of the definition as it is read; secrets of its settings are read from the environment."""
    append_time = definition.event.received in ("broker", "carried")
    cloudevents = source.format.name == "cloudevents"
    return Topic(source.topic, resolve(source.settings, environment), source.name, append_time, cloudevents)


def topics_of(definition: Definition, environment: Mapping[str, str]) -> tuple[Topic, ...]:
    """The topics that a definition names."""
    return tuple(
        topic_of(each, definition, environment) for each in definition.sources if isinstance(each, KafkaSource)
    )


def client_settings(topic: Topic, group: str) -> dict[str, str]:
    """The settings of the client; DefinitionError for one that decides about positions."""
    for name in _OURS:
        if name in topic.settings:
            raise DefinitionError(
                f"the Kafka setting {name} decides about positions, which are the store's", "leave it out"
            )
    if not topic.settings.get("bootstrap.servers"):
        raise DefinitionError("the Kafka source names no bootstrap.servers", 'add bootstrap.servers: "host:9092"')
    return {"group.id": group, **topic.settings}


def admin_of(topic: Topic, group: str, timeout_s: float) -> ClusterAdmin:
    """The topic's cluster, once it has answered."""
    need_package()
    admin = ClusterAdmin(topic.topic, client_settings(topic, group), timeout_s)
    admin.connect()
    return admin


def library() -> Path:
    """The librdkafka that confluent-kafka brings."""
    import confluent_kafka

    folder = Path(confluent_kafka.__file__).parent
    found = sorted((folder.parent / "confluent_kafka.libs").glob("librdkafka*.so*"))
    return found[0] if found else Path("librdkafka.so.1")


def demand_append_time(topic: Topic, admin: Admin) -> None:
    """DataError for a topic whose records the broker does not stamp, where the definition takes its stamps."""
    if topic.append_time and not admin.has_append_time():
        raise DataError(
            f"the Kafka topic {topic.topic} has the producers' time, not the broker's append time",
            "set message.timestamp.type=LogAppendTime on the topic, or name a field: received: {field: NAME}",
        )


def open_reader(topic: Topic, group: str, queue_bytes: int) -> _core.KafkaReader:
    """A reader that reads nothing yet."""
    options = {
        "library": str(library()),
        "topic": topic.topic,
        "settings": list({**_CHOSEN, **client_settings(topic, group), **_OURS}.items()),
        "queue_bytes_max": queue_bytes,
        "cloudevents": topic.cloudevents,
    }
    with core_errors():
        return _core.KafkaReader(json.dumps(options))


class KafkaInput:
    """One topic while it is read."""

    def __init__(self, topic: Topic, admin: Admin, group: str, queue_bytes: int, clock: Clock) -> None:
        self.topic = topic
        self.admin = admin
        self._places: dict[int, _Place] = {}
        self._until: dict[int, int] = {}
        self.reader = open_reader(topic, group, queue_bytes // 2)
        self._gate = Gate(admin, self._check_topic, clock, queue_bytes // 2)
        self._lost = Lost(topic.topic, admin, self._check_topic, self._reached)
        self._id = ""
        self._known: Known = {}
        self._committed: dict[int, int] = {}
        self._shown = ShownOffsets(topic.topic, {**client_settings(topic, group), **_OURS})

    @property
    def name(self) -> str:
        """The source's name."""
        return self.topic.source_name

    # Where it begins.

    def open(self, known: Known) -> list[Named]:
        """Be sure that the store may go on with the topic; its partitions, named, with their identities."""
        demand_append_time(self.topic, self.admin)
        state = self.admin.describe()
        self._id, self._known = state.id, known
        return self._checked(state, state.partitions)

    def _checked(self, state: TopicState, partitions: Iterable[int]) -> list[Named]:
        """Places of partitions: the store's next offset, or where the log begins."""
        wanted = tuple(partitions)
        begins, ends = self.admin.begins(wanted), self.admin.ends(wanted)
        named = []
        for partition in wanted:
            name, identity = self.topic.partition_name(partition), f"kafka:{state.id}:{partition}"
            kept = self._known.get(name)
            if kept is not None:
                self._check_identity(name, identity, str(kept["identity"]))
            following = None if kept is None else kept.get("next_offset")
            place = _Place(begins[partition] if following is None else following, ends[partition])
            check_place(name, place.next, (begins[partition], place.end))
            self._places[partition] = place
            self._until[partition] = place.end
            named.append((name, identity))
        return named

    def _check_identity(self, name: str, identity: str, counted: str) -> None:
        if identity == counted:
            return
        raise DataError(
            f"the Kafka topic {self.topic.topic} was deleted and made again since it was counted as {name}",
            "count the new topic into a new store (--store DIR); or give the source another name (name: NAME), to "
            "count it beside the old one: this store's watermark waits for the old topic from then on",
        )

    def _check_topic(self, found: str) -> None:
        self._check_identity(self.topic.partition_name(0), found, self._id)

    def begin(self, names: Iterable[str]) -> dict[str, int]:
        """Read these partitions from where they are; the positions."""
        chosen = {part: place for part, place in self._places.items() if self.topic.partition_name(part) in set(names)}
        with core_errors():
            self.reader.assign(
                json.dumps([[part, place.next, self.topic.partition_name(part)] for part, place in chosen.items()])
            )
        return {self.topic.partition_name(part): place.next for part, place in chosen.items()}

    # While it is read.

    def feed(self, into: Feed, bytes_max: int, wait_s: float, now_us: int) -> Moved:
        """Hand over what the reader has, as far as it is sure that it is of the topic that was opened."""
        passed = self._gate.take(self.reader, bytes_max, wait_s)
        notes = [*map(self._judge, passed.failures), *map(self._failing, passed.notes)]
        if (taken := passed.taken) is None:
            return Moved(0, passed.queued_bytes, tuple(notes))
        for number, data, (ends, offsets, stamps) in taken.blocks:
            into.feed_block(self.topic.partition_name(number), data, (ends, offsets, stamps, b""), now_us)
        for name, offset in self.took(taken.partitions).items():
            into.skip_to(name, offset)
        return Moved(taken.bytes, passed.queued_bytes, tuple(notes))

    def took(self, partitions: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
        """Take note of what was handed over; positions that were passed over at the end of a log."""
        skipped = {}
        for number, part in partitions.items():
            place = self._places[int(number)]
            if part["records"]:
                place.next = part["next"]
                place.stamp_us = part["stamp_us"] or place.stamp_us
            if part["end"] is not None and part["end"] > place.next:
                place.next = part["end"]
                skipped[self.topic.partition_name(int(number))] = place.next
            place.end = max(place.end, place.next)
        return skipped

    def _judge(self, failure: Mapping[str, Any]) -> str:
        """A note of what is tried again; what cannot be recovered from is raised."""
        if failure["name"] in LASTING:
            self._lost.stop(failure)
        return self._failing(f"{failure['text']}; it is tried again")

    def _failing(self, note: str) -> str:
        return Failing(f"{self.topic.topic}: {note}")

    def _reached(self, partition: int) -> tuple[str, int]:
        """A partition's name, and what was to be read next of it."""
        following = max(self._places[partition].next, self._gate.reached.get(partition, 0))
        return self.topic.partition_name(partition), following

    def is_done(self) -> bool:
        """Whether everything was taken that was there when the source was opened."""
        return all(place.next >= self._until[part] for part, place in self._places.items())

    def look(self, now_us: int) -> Seen:
        """Ask the cluster, without waiting; the newest answer, if one has come. A topic made again stops everything."""
        self._shown.show(self._committed)
        look = self.admin.looked()
        self.admin.start_look(tuple(self._places), now_us)
        if look is None:
            return Seen()
        self._check_topic(look.state.id)
        for part, place in self._places.items():
            place.end = max(look.ends.get(part, 0), place.next)
        idle = self._idle(look)
        new = [part for part in look.state.partitions if part not in self._places]
        return Seen(idle, look.asked_us, tuple(self._checked(look.state, new)) if new else ())

    def _idle(self, look: Look) -> tuple[str, ...]:
        """Partitions whose position was the end of their log when that was asked for."""
        at_end = [part for part, place in self._places.items() if look.ends.get(part) == place.next]
        return tuple(map(self.topic.partition_name, at_end))

    def lags(self, now_us: int) -> list[Lag]:
        """How far each partition is behind, as far as is known."""
        return [self._lag(part, place, now_us) for part, place in sorted(self._places.items())]

    def _lag(self, part: int, place: _Place, now_us: int) -> Lag:
        waiting = place.end - place.next
        age = None if place.stamp_us is None else max(0, now_us - place.stamp_us) / 1e6
        return Lag(self.topic.partition_name(part), waiting, age if waiting else 0.0)

    def mark(self) -> Acknowledge:
        """The positions; once they are committed, they are what the group shows."""
        return partial(self._acknowledge, {part: place.next for part, place in self._places.items()})

    def _acknowledge(self, offsets: dict[int, int]) -> None:
        self._committed = offsets

    def close(self) -> None:
        """Stop reading."""
        self._shown.show(self._committed)
        self._shown.close()
        self.reader.close()
