"""A Kafka broker of one process: no container, no other service."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfoot.dev.processes import Processes, Program, answer_of
from crossfoot.errors import ServiceError

NAME = "broker"
_READY_S = 60.0

_FORMAT_S = 60
_ANSWER_S = 5.0
_NEAR = 100
_LOOKS, _LOOK_S = 200, 0.05
_CLUSTER = "4L6g3nShT-eMCtK--X86sw"
# A broker that was killed is back after seconds: its session is short, and deleted logs are gone at once.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
log.segment.delete.delay.ms=0
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where its jars and its data are, and the ports that it listens on."""

    jars: Path
    folder: Path
    port: int
    controller: int

    @property
    def bootstrap(self) -> str:
        """Its address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def _java(self) -> tuple[str, ...]:
        options = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN")
        return ("java", *options, "-cp", f"{self.jars}/*")

    def start(self, processes: Processes) -> None:
        """Ready when this returns; its data is as it was."""
        settings = self._prepared()
        program = Program(NAME, (*self._java, "kafka.Kafka", str(settings)))
        processes.bring_up(program, self.answers, _READY_S)

    def _prepared(self) -> Path:
        """Its settings; the folder of its data is formatted the first time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "server.properties"
        settings.write_text(_PROPERTIES.format(folder=self.folder, port=self.port, controller=self.controller))
        if not (self.folder / "data" / "meta.properties").exists():
            options = ("format", "--standalone", "--cluster-id", _CLUSTER, "-c", str(settings))
            said = answer_of((*self._java, "kafka.tools.StorageTool", *options), _FORMAT_S)
            if said.code != 0:
                why = next(iter(said.lines), "it said nothing")
                raise ServiceError(f"the broker's folder cannot be formatted: {why}", f"remove it: {self.folder}")
        return settings

    def client(self) -> Any:
        """An admin client."""
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": "0"})

    def answers(self) -> bool:
        """Whether it is ready for clients; waits a second at most."""
        from confluent_kafka import KafkaException

        try:
            return bool(self.client().list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def need_topic(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        """Make a topic, unless it is there; clients see it when this returns."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import NewTopic

        client = self.client()  # its answers end with it
        wanted = NewTopic(topic, partitions, 1, config=dict(config))
        try:
            client.create_topics([wanted])[topic].result(20)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise ServiceError(f"the topic {topic} cannot be made: {error.args[0].str()}") from error
        # The broker says that a topic is made before it tells clients of it.
        for _ in range(_LOOKS):
            if client.list_topics(topic, timeout=_ANSWER_S).topics[topic].error is None:
                return
            client.poll(_LOOK_S)
        raise ServiceError(f"the topic {topic} was made, and the broker does not show it")

    def records(self, topic: str) -> int:
        """How many offsets the topic's logs have in all; 0 where there is no such topic."""
        from confluent_kafka import KafkaException, TopicPartition
        from confluent_kafka.admin import OffsetSpec

        client = self.client()
        try:
            parts = client.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions
            asked = {TopicPartition(topic, part): OffsetSpec.latest() for part in parts}
            answers = client.list_offsets(asked, request_timeout=_ANSWER_S) if asked else {}
            return sum(answer.result(_ANSWER_S + 1).offset for answer in answers.values())
        except (KafkaException, TimeoutError):
            return 0

    def members(self, group: str) -> frozenset[str]:
        """The ids of a consumer group's members; none while its partitions are not shared out."""
        from confluent_kafka import ConsumerGroupState, KafkaException

        client = self.client()
        try:
            # librdkafka's own time limit is left far away: it aborts when a coordinator comes back after that.
            answer = client.describe_consumer_groups([group])[group]
            found = answer.result(_ANSWER_S + 1)
        except (KafkaException, TimeoutError):
            return frozenset()
        stable = found.state == ConsumerGroupState.STABLE
        return frozenset(member.member_id for member in found.members) if stable else frozenset()


def free_ports(*preferred: int) -> list[int]:
    """For each wish a port of this machine that nobody listens on: the wish itself, or one close above it (0: any).

    A part that is down keeps such a port: no connection that somebody opens is given one of these.
    """
    sockets = [socket.socket() for _ in preferred]
    try:
        return [_bound(each, port) for each, port in zip(sockets, preferred, strict=True)]
    finally:
        for each in sockets:
            each.close()


def _bound(each: socket.socket, port: int) -> int:
    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for wish in (*range(port, port + _NEAR), 0) if port else (0,):
        with suppress(OSError):
            each.bind(("127.0.0.1", wish))
            each.listen()  # no other wish gets it
            break
    number: int = each.getsockname()[1]
    return number
