"""A real broker on this machine, as tests want it: started, killed, started again on the same data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType

from crossfoot.dev.broker import NAME, free_ports
from crossfoot.dev.broker import Broker as Room
from crossfoot.dev.parts import KAFKA
from crossfoot.dev.processes import Processes
from tests.services.parts import part


class Broker:
    """Ready when it is made, and after each start."""

    def __init__(self, folder: Path) -> None:
        self._room = Room(part(KAFKA), folder, *free_ports(0, 0))
        self._processes = Processes(folder)
        self.bootstrap = self._room.bootstrap
        self.start()
        self.admin = self._room.client()

    def start(self) -> None:
        """Ready when this returns."""
        self._room.start(self._processes)

    def kill(self) -> None:
        """As a machine that loses power."""
        self._processes.kill(NAME)

    def stop(self) -> None:
        """Its data is thrown away, so nothing is waited for."""
        self._processes.stop([NAME], seconds=0)

    def create(self, topic: str, partitions: int = 1, **config: str) -> None:
        """Make a topic; settings with `_` for `.`."""
        self._room.need_topic(topic, partitions, _dotted(config))

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
        return Producer({"bootstrap.servers": self.bootstrap, "log_level": "0", **_dotted(settings)})


def _dotted(settings: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "."): value for name, value in settings.items()}
