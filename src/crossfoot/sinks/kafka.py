"""A Kafka topic of cells: the key says which cell, the value has its measures and the epoch; none: the cell is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from crossfoot.errors import DefinitionError, ServiceError
from crossfoot.sinks.cells import Changed, messages
from crossfoot.sinks.target import GivenUpError
from crossfoot.sources.kafka_admin import ClusterAdmin, need_package, refused_setting

# A setting of the definition comes first.
_DEFAULTS = {
    "enable.idempotence": "true",
    "linger.ms": "20",
    "log_level": "0",
    "message.timeout.ms": "30000",
    "queue.buffering.max.kbytes": "65536",
}
_SLICE_S = 0.2
EPOCH = "epoch"
"""The header of a message that has no value."""


class KafkaTarget:
    """One topic. It is never made, and best compacted: only the newest value of a key counts."""

    missing = 0

    def __init__(self, name: str, topic: str, settings: Mapping[str, str], every_s: float, timeout_s: float) -> None:
        need_package()
        if not settings.get("bootstrap.servers"):
            raise DefinitionError(
                f"the Kafka sink {topic} names no bootstrap.servers", 'add bootstrap.servers: "host:9092"'
            )
        self.name = name
        self.every_s = every_s
        self._topic, self._settings = topic, settings
        self._producer: Any = self._open()
        self._admin = ClusterAdmin(topic, settings, timeout_s)

    def identity(self) -> str:
        """The topic's id, which is another one once the topic was made again."""
        self._admin.connect()
        return self._admin.describe().id

    def write(self, cells: Iterable[Changed], epoch: int, given_up: Callable[[], bool]) -> int:
        """All cells are acknowledged when this returns; otherwise some may be, which a repeat does not harm."""
        self._producer = self._producer or self._open()
        sending = _Sending(self._producer, self._topic, given_up)
        try:
            for each in cells:
                for key, value in messages(each, epoch):
                    sending.put(key, value, epoch)
            sending.finish()
        except BaseException:
            self.close()
            raise
        return sending.cells

    def _open(self) -> Any:
        from confluent_kafka import Producer

        try:
            return Producer({**_DEFAULTS, **self._settings, "error_cb": _ignore})
        except Exception as error:  # KafkaException has no public base of its own
            raise refused_setting(error) from error

    def close(self) -> None:
        """What waits is forgotten; the next attempt begins with a client of its own."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None


class _Sending:
    """The messages of one catch-up."""

    def __init__(self, producer: Any, topic: str, given_up: Callable[[], bool]) -> None:
        self._producer, self._topic, self._given_up = producer, topic, given_up
        self._failures: list[Any] = []
        self.cells = 0

    def put(self, key: bytes, value: bytes | None, epoch: int) -> None:
        """Queue one; while the queue is full, wait. The epoch of one without a value is in a header."""
        headers = None if value is not None else [(EPOCH, str(epoch).encode())]
        while True:
            try:
                self._producer.produce(self._topic, value, key, headers=headers, on_delivery=self._told)
                break
            except BufferError:
                self._producer.poll(_SLICE_S)
                self._go_on()
        self.cells += 1
        if not self.cells % 1000:
            self._producer.poll(0)
            self._go_on()

    def finish(self) -> None:
        """Wait until the cluster has all of them."""
        while self._producer.flush(_SLICE_S):
            self._go_on()
        self._go_on()

    def _told(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failures.append(error)

    def _go_on(self) -> None:
        if self._failures:
            first = self._failures[0]
            raise ServiceError(
                f"Kafka has not taken a cell for the topic {self._topic}: {first.str()}", "it is tried again"
            )
        if self._given_up():
            raise GivenUpError


def _ignore(_error: Any) -> None:
    """Failures are told by the answers that do not come."""
