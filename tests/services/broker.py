"""A real broker on this machine: one process, no container. The jars are in the folder that a variable names."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from tests.needs import needs

LIBS_VARIABLE = "CROSSFOOT_KAFKA_LIBS"
_CLUSTER = "4L6g3nShT-eMCtK--X86sw"
_PROPERTIES = """
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


class Broker:
    """Started, killed, started again on the same data."""

    def __init__(self, folder: Path) -> None:
        libs = os.environ.get(LIBS_VARIABLE) or needs(
            "Kafka's jars", f"set {LIBS_VARIABLE} to the folder that holds them"
        )
        self._java = ["java", "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{libs}/*"]
        self._folder = folder
        port, controller = _free_ports()
        self.bootstrap = f"127.0.0.1:{port}"
        self._settings = folder / "server.properties"
        self._settings.write_text(_PROPERTIES.format(folder=folder, port=port, controller=controller))
        arguments = ["format", "--standalone", "--cluster-id", _CLUSTER, "-c", str(self._settings)]
        subprocess.run([*self._java, "kafka.tools.StorageTool", *arguments], check=True, capture_output=True)
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": "0"})
        self.start()

    def start(self) -> None:
        """Ready when this returns."""
        log = self._folder / "broker.log"
        with log.open("wb") as out:
            command = [*self._java, "kafka.Kafka", str(self._settings)]
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while not self._answers():
            said = log.read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, said
            assert time.monotonic() < end, said

    def _answers(self) -> bool:
        """The client itself waits, and tries again, within the time."""
        try:
            return bool(self.admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def kill(self) -> None:
        """As a machine that loses power."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def create(self, topic: str, partitions: int = 1, **config: str) -> None:
        """Make a topic; settings with `_` for `.`."""
        named = {name.replace("_", "."): value for name, value in config.items()}
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=named)])[topic].result(20)

    def delete(self, topic: str) -> None:
        self.admin.delete_topics([topic])[topic].result(20)

    def grow(self, topic: str, partitions: int) -> None:
        self.admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(20)

    def configure(self, topic: str, name: str, value: str) -> None:
        """Set one setting of a topic."""
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        self.admin.incremental_alter_configs([resource])[resource].result(20)

    def producer(self, **settings: Any) -> Producer:
        named = {name.replace("_", "."): value for name, value in settings.items()}
        return Producer({"bootstrap.servers": self.bootstrap, "log_level": "0", **named})


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
