"""Preprocess against a broker, for tests: a definition, topics with names of their own, and what comes out."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from crossfoot.definition.load import load_text
from crossfoot.services.live import LiveWatch
from crossfoot.services.preprocess.job import PreprocessJob, job_of, preprocess
from crossfoot.services.preprocess.status import Status
from crossfoot.settings import Settings
from tests.services.broker import Broker

QUICK = Settings(epoch_seconds=0.05, idle_seconds=0.1)
_DEFINITION = """
crossfoot: 1
namespace: {name}
source:
  kafka: {{topic: "{name}", bootstrap.servers: "{bootstrap}", log_level: 0, session.timeout.ms: 6000}}
  format: json
event:
  time: {{field: at, unit: iso}}
  received: broker
  id: seq
  where: kind <> 'other'
  fields:
    page: {{path: page, type: text}}
    paid: {{path: paid, type: decimal(2)}}
    kind: {{path: kind, default: click}}
metrics: {{clicks: {{by: [[page]], measures: {{clicks: count, paid: sum(paid)}}, grains: [1m]}}}}
accept: {{lateness: 1h}}
preprocess: {{to: {{kafka: {{topic: "{name}.prepared"}}}}, dead_letter: "{name}.dead"{more}}}
"""


class Stage:
    """A source topic, an intermediate topic and the dead letters, which nothing else uses."""

    def __init__(self, broker: Broker, partitions: int = 2, more: str = "", **limits: str) -> None:
        self.broker = broker
        self.name = f"clicks-{uuid.uuid4().hex[:8]}"
        self.text = _DEFINITION.format(name=self.name, bootstrap=broker.bootstrap, more=more)
        broker.create(self.name, partitions, message_timestamp_type="LogAppendTime")
        broker.create(f"{self.name}.prepared", 2, **limits)
        broker.create(f"{self.name}.dead", 1, **limits)
        self.producer = broker.producer()

    def put(self, *records: Any, partition: int = 0) -> None:
        for record in records:
            value = record if isinstance(record, bytes) else json.dumps(record).encode()
            self.producer.produce(self.name, value, partition=partition)
            self.producer.poll(0)
        assert self.producer.flush(60) == 0

    def job(self, once: bool = True) -> PreprocessJob:
        return job_of(load_text(self.text), {}, once)

    def prepare(self, once: bool = True, **watch: Any) -> Status:
        return preprocess(self.job(once), QUICK, LiveWatch(**watch))

    def prepared(self) -> list[dict[str, Any]]:
        """Every message of the intermediate topic."""
        return [json.loads(message.value()) for message in self.read(f"{self.name}.prepared")]

    def dead(self) -> list[tuple[bytes, dict[str, str]]]:
        """The dead letters, with their headers."""
        letters = self.read(f"{self.name}.dead")
        return [(letter.value(), {name: text.decode() for name, text in letter.headers()}) for letter in letters]

    def read(self, topic: str) -> Iterator[Any]:
        with consumer(self.broker) as reader:
            partitions = reader.list_topics(topic).topics[topic].partitions
            ends = {part: reader.get_watermark_offsets(TopicPartition(topic, part))[1] for part in partitions}
            reader.assign([TopicPartition(topic, part, 0) for part in partitions])
            while any(end > 0 for end in ends.values()):
                message = reader.poll(30)
                assert message is not None
                assert message.error() is None
                if message.offset() + 1 >= ends[message.partition()]:
                    ends[message.partition()] = 0
                yield message


@contextmanager
def consumer(broker: Broker) -> Iterator[Consumer]:
    reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "tests", "enable.auto.commit": False})
    try:
        yield reader
    finally:
        reader.close()
