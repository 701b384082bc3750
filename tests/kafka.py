"""Kafka for tests: an admin that says what a test wants, and librdkafka's own mock cluster, in this process."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from crossfoot.archive.engine import open_engine
from crossfoot.clock import SystemClock
from crossfoot.definition.load import load_text
from crossfoot.services.live import LiveLoop, LiveWatch
from crossfoot.services.store import keep_definition
from crossfoot.settings import Settings
from crossfoot.sources.kafka import KafkaInput, Topic
from crossfoot.sources.kafka_admin import Asked, ClusterAdmin, Look, TopicState
from tests.counting import CLICKS

SILENT = {"log_level": "0"}
QUICK = Settings(epoch_seconds=0.02, idle_seconds=0.02)


@dataclass
class SaidAdmin:
    """An admin whose answers are set by the test."""

    state: TopicState = field(default_factory=lambda: TopicState("id-1", (0, 1)))
    append_time: bool = True
    first: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    last: dict[int, int] = field(default_factory=lambda: {0: 10, 1: 20})
    asked_us: int = 0

    def describe(self) -> TopicState:
        return self.state

    def has_append_time(self) -> bool:
        return self.append_time

    def begins(self, partitions: Iterable[int]) -> dict[int, int]:
        return {part: self.first[part] for part in partitions}

    def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        return {part: self.last[part] for part in partitions}

    def start_look(self, _partitions: Iterable[int], now_us: int) -> None:
        self.asked_us = now_us

    def looked(self) -> Look | None:
        return Look(self.state, self.last, self.asked_us)

    def ask(self) -> Asked:
        said = self.state
        return lambda _: said

    def wait(self, seconds: float) -> None:
        pass


Partitions = Mapping[int, tuple[int, int]]
"""Of each partition the first offset and how many records; none: where its log ends."""


class SaidReader:
    """A reader that gives what a test says, one batch a call."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[tuple[int, bytes, list[bytes]]]]] = []

    def say(self, partitions: Partitions | None = None, *failures: Mapping[str, Any], data: bytes = b"{}") -> None:
        """A batch of equal records."""
        parts, blocks = {}, []
        for number, (first, count) in (partitions or {}).items():
            following = first + count
            stamp_us, end = (5_000_000, None) if count else (None, first)
            parts[str(number)] = {"records": count, "next": following, "stamp_us": stamp_us, "end": end}
            if count:
                ends = array("I", range(len(data), len(data) * (count + 1), len(data)))
                columns = (ends, array("Q", range(first, following)), array("q", [5_000_000] * count))
                blocks.append((number, data * count, [column.tobytes() for column in columns]))
        said = {"bytes": sum(len(block[1]) for block in blocks), "queued_bytes": 0}
        self.batches.append((json.dumps({**said, "partitions": parts, "failures": list(failures)}), blocks))

    def take(self, _bytes_max: int, _wait_ms: int) -> tuple[str, list[tuple[int, bytes, list[bytes]]]]:
        if not self.batches:
            self.say()
        return self.batches.pop(0)

    def close(self) -> None:
        pass


class MockAdmin(ClusterAdmin):
    """The mock cluster answers for offsets, but not for what a controller knows."""

    def describe(self) -> TopicState:
        found = self._client.list_topics(self._topic, timeout=5).topics[self._topic]
        return TopicState("mock", tuple(sorted(found.partitions)))

    def looked(self) -> Look | None:
        state = self.describe()
        return Look(state, self.ends(state.partitions), self._asked_us)

    def start_look(self, _partitions: Iterable[int], now_us: int) -> None:
        self._asked_us = now_us

    def ask(self) -> Asked:
        return lambda _: self.describe()


class MockCluster:
    """A cluster inside of a producer; topics have four partitions."""

    def __init__(self) -> None:
        self.producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, **SILENT})
        brokers = self.producer.list_topics(timeout=5).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def put(
        self, topic: str, *records: Any, partition: int = 0, headers: Mapping[str, str | bytes] | None = None
    ) -> None:
        """Append records: values as JSON, bytes and None as they are."""
        for record in records:
            value = record if record is None or isinstance(record, bytes) else json.dumps(record).encode()
            self.producer.produce(topic, value, partition=partition, headers=dict(headers or {}))
        assert self.producer.flush(10) == 0


def _member(bootstrap: str, group: str) -> Consumer:
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": "false", **SILENT})


def write_offsets(bootstrap: str, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Write the offsets of a group, as somebody else would."""
    places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
    _member(bootstrap, group).commit(offsets=places, asynchronous=False)


def written_offsets(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """The offsets of a group in a topic's first two partitions, where it has any."""
    places = [TopicPartition(topic, partition) for partition in (0, 1)]
    try:
        found = _member(bootstrap, group).committed(places, timeout=20)
    except KafkaException:
        return {}  # its coordinator is not ready yet
    return {place.partition: place.offset for place in found if place.offset >= 0}


def offsets_come_to(offsets: dict[int, int], bootstrap: str, group: str, topic: str) -> None:
    """They are written beside all else, and by a client that may have to wait until it connects again."""
    until = time.monotonic() + 60
    while (found := written_offsets(bootstrap, group, topic)) != offsets and time.monotonic() < until:
        time.sleep(0.05)
    assert found == offsets


class Run:
    """A live run over a topic of the mock cluster, into a folder's store."""

    def __init__(self, cluster: MockCluster, folder: Path, topic: str = "clicks", text: str = CLICKS) -> None:
        settings = {"bootstrap.servers": cluster.bootstrap, **SILENT}
        self.cluster = cluster  # it lives as long as somebody holds it
        self.engine = open_engine(folder / "store", load_text(text), SystemClock(), QUICK)
        keep_definition(folder / "store", self.engine.definition, folder)
        read = Topic(topic, settings, cloudevents=self.engine.definition.format.name == "cloudevents")
        self.source = KafkaInput(read, MockAdmin(topic, settings, 5), "test", 1 << 20, SystemClock())
        self.states: list[Any] = []

    def run(self, once: bool = True, **watch: Any) -> dict[str, int]:
        """The accounts of this run that are not empty."""
        loop = LiveLoop(self.engine, [self.source], QUICK, LiveWatch(state=self.states.append, **watch))
        loop.run(once)
        accounts = loop.outcome().accounts
        self.close()
        return {name: records for name, records in accounts.items() if records}

    def close(self) -> None:
        self.source.close()
        self.engine.close()
