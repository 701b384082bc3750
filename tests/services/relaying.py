"""Relay against a broker and a Pub/Sub emulator, for tests: topics with names of their own, and what arrives."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import grpc
from confluent_kafka import TopicPartition
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from crossfoot.definition.load import load_text
from crossfoot.definition.prepared import prepared_hash
from crossfoot.services.group.status import Status
from crossfoot.services.relay.heads import Wanted
from crossfoot.services.relay.job import RelayJob, job_of, relay
from crossfoot.services.relay.state import RelayWatch
from crossfoot.settings import Settings
from crossfoot.sources.pubsub_client import HOST
from tests.services.broker import Broker
from tests.services.preparing import consumer
from tests.unit.services.relay.messages import single

PROJECT = "crossfoot-test"
QUICK = Settings(epoch_seconds=0.05, idle_seconds=0.1)
DEFINITION = """
crossfoot: 1
namespace: {name}
source:
  kafka: {{topic: "{name}", bootstrap.servers: "{bootstrap}", log_level: 0, session.timeout.ms: 6000}}
  format: prepared
event:
  time: {{field: at, unit: iso}}
  received: carried
  id: seq
  fields: {{page: {{path: page, type: text}}}}
metrics: {{clicks: {{by: [[page]], measures: {{clicks: count}}, grains: [all]}}}}
accept: {{lateness: 1h}}
relay: {{to: {{pubsub: {{project: {project}, topic: "{name}"}}}}, dead_letter: "{name}.dead"}}
"""


class Place:
    """A Pub/Sub topic with a subscription of the same name, which nothing else uses."""

    def __init__(self, address: str, name: str = "", **options: Any) -> None:
        self.address = address
        self.name = name or f"clicks-{uuid.uuid4().hex[:8]}"
        self._options = options
        self.make()

    def make(self) -> None:
        """Both, at the emulator."""
        channel = grpc.insecure_channel(self.address)
        self.publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        self.subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        self.publisher.create_topic(name=self.path("topics"))
        asked = {"name": self.path("subscriptions"), "topic": self.path("topics"), "ack_deadline_seconds": 60}
        self.subscriber.create_subscription(request={**asked, **self._options})

    def path(self, kind: str) -> str:
        return f"projects/{PROJECT}/{kind}/{self.name}"

    def also(self) -> str:
        """Another subscription, which gets the same messages from now on."""
        name = f"{self.name}-also"
        path = f"projects/{PROJECT}/subscriptions/{name}"
        self.subscriber.create_subscription(
            request={"name": path, "topic": self.path("topics"), "ack_deadline_seconds": 60}
        )
        return name

    def publish(self, *values: bytes) -> None:
        for first in range(0, len(values), 1000):
            messages = [{"data": value} for value in values[first : first + 1000]]
            self.publisher.publish(topic=self.path("topics"), messages=messages)

    def arrived(self) -> Iterator[Any]:
        """Every message of the subscription, once more where it was published once more."""
        while found := self._pull():
            ids = [each.ack_id for each in found]
            self.subscriber.acknowledge(subscription=self.path("subscriptions"), ack_ids=ids)
            yield from (each.message for each in found)

    def refuse(self) -> None:
        """Take what there is, and have it delivered again."""
        ids = [each.ack_id for each in self._pull()]
        asked = {"subscription": self.path("subscriptions"), "ack_ids": ids, "ack_deadline_seconds": 0}
        self.subscriber.modify_ack_deadline(request=asked)

    def _pull(self) -> Any:
        asked = {"subscription": self.path("subscriptions"), "max_messages": 1000}
        return self.subscriber.pull(request=asked).received_messages

    @property
    def environment(self) -> Mapping[str, str]:
        return {HOST: self.address}


class Hop(Place):
    """A Pub/Sub topic with its subscription, an intermediate topic, and dead letters."""

    def __init__(self, broker: Broker, address: str, partitions: int = 2, name: str = "", **config: str) -> None:
        super().__init__(address, name)
        self.broker = broker
        self.text = DEFINITION.format(name=self.name, bootstrap=broker.bootstrap, project=PROJECT)
        if not name:
            broker.create(self.name, partitions, **config)
        broker.create(f"{self.name}.dead", 1, **config)
        self.definition = load_text(self.text)
        self.wanted = Wanted(f"crossfoot:{self.name}", prepared_hash(self.definition))
        self.producer = broker.producer()

    def single(self, number: int, **changed: Any) -> bytes:
        """An event of this definition."""
        return single(number, **{"source": self.wanted.source, "definition": self.wanted.definition, **changed})

    def put(self, values: Iterable[bytes], partition: int = 0) -> None:
        for value in values:
            self.producer.produce(self.name, value, partition=partition)
            self.producer.poll(0)
        assert self.producer.flush(60) == 0

    def job(self, once: bool = True) -> RelayJob:
        return job_of(self.definition, self.environment, once)

    def relay(self, once: bool = True, **watch: Any) -> Status:
        return relay(self.job(once), QUICK, RelayWatch(**watch))

    def dead(self) -> list[tuple[bytes, dict[str, str]]]:
        """The dead letters, with their headers."""
        letters = read_all(self.broker, f"{self.name}.dead")
        return [(letter.value(), {name: text.decode() for name, text in letter.headers()}) for letter in letters]


def read_all(broker: Broker, topic: str) -> Iterator[Any]:
    """Every message that a topic has now."""
    with consumer(broker) as reader:
        partitions = reader.list_topics(topic).topics[topic].partitions
        ends = {part: reader.get_watermark_offsets(TopicPartition(topic, part))[1] for part in partitions}
        reader.assign([TopicPartition(topic, part, 0) for part in partitions])
        for _ in range(sum(ends.values())):
            message = reader.poll(30)
            assert message is not None
            assert message.error() is None
            yield message
