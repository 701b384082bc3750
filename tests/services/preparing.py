"""Preprocess against a broker, for tests: a definition, topics with names of their own, and what comes out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from confluent_kafka import Consumer, KafkaException, TopicPartition

from crossfoot.definition.load import load_text
from crossfoot.services.group.status import Status
from crossfoot.services.live import LiveWatch
from crossfoot.services.preprocess.job import PreprocessJob, job_of, preprocess, status
from crossfoot.settings import Settings
from crossfoot.sources.kafka_admin import NotNowError
from tests.counting import click
from tests.services.broker import Broker

Process: TypeAlias = "subprocess.Popen[str]"
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
        broker.create(f"{self.name}.prepared", 2, message_timestamp_type="LogAppendTime", **limits)
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

    def status(self) -> Status:
        return status(self.job(), QUICK)

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
def consumer(broker: Broker, group: str = "tests") -> Iterator[Consumer]:
    reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        yield reader
    finally:
        reader.close()


def shared_by(stage: Stage, members: int) -> None:
    """Wait until the group has so many members; each question waits for the cluster's answer."""
    end = time.monotonic() + 60
    while _members(stage) != members:
        assert time.monotonic() < end


def _members(stage: Stage) -> int:
    group = stage.job().group
    try:
        return len(stage.broker.admin.describe_consumer_groups([group])[group].result(20).members)
    except KafkaException:  # a broker that has just started does not know its groups yet
        return 0


@contextmanager
def running(stage: Stage, project: Path) -> Iterator[Process]:
    """A process that prepares, until it is ended."""
    command = [sys.executable, "-m", "tests.services.preprocess_process"]
    with subprocess.Popen(command, cwd=project, stdin=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(stage.text)
            process.stdin.close()
            yield process
        finally:
            process.kill()


def end(process: Process) -> None:
    """As a supervisor does it."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def reached(stage: Stage, records: int) -> None:
    """Wait until so many records are committed; each question waits for the cluster's answer."""
    end = time.monotonic() + 60
    while (now := _committed(stage)) < records:
        assert time.monotonic() < end, f"{now} of {records} records are committed"


def _committed(stage: Stage) -> int:
    try:
        return stage.status().totals.records
    except NotNowError:  # a broker that has just started does not know its groups yet
        return 0


def put_all(stage: Stage, round_: int) -> None:
    """1000 new records in each partition."""
    partitions = len(stage.status().partitions)
    for part in range(partitions):
        first = (round_ * partitions + part) * 1000
        stage.put(*(click(number) for number in range(first, first + 1000)), partition=part)
