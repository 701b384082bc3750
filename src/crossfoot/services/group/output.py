"""Messages on their way to a topic and to that of dead letters: an idempotent producer, waited for as a whole.

The client makes no object for a message that was delivered. What failed for good is kept, and ends the service before
any offset is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from crossfoot.errors import DataError, DefinitionError, ServiceError
from crossfoot.sources.kafka_admin import ClusterAdmin, failure_of, refused_setting

_OURS: Mapping[str, Any] = {
    "enable.idempotence": "true",
    "acks": "all",
    "message.timeout.ms": "0",
    "delivery.report.only.error": True,
}
"""Settings that decide whether something can be lost."""
_CHOSEN = {"compression.type": "lz4", "partitioner": "murmur2_random", "linger.ms": "5"}
_CONNECTION = ("bootstrap.servers", "client.id", "security.", "sasl.", "ssl.", "enable.ssl.", "https.")
# What a message costs beside its key, value and headers, generously; the least that librdkafka takes for a limit.
_FRAME_BYTES = 256
_HEADER_BYTES = 1_024
_LIMIT_LEAST = 1_000
_LIMIT = 1_000_000
_LIMIT_NAME = "max.message.bytes"
_FULL_WAIT_S = 0.05
_TOO_LARGE = "MSG_SIZE_TOO_LARGE"


Message: TypeAlias = tuple[bytes | None, bytes]
"""A message to send, its key and its value: one event, or a block of them. A plain tuple costs the least by far."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An event, or a whole record, that is none; `raw` is the record."""

    account: str
    reason: str
    part: str
    offset: int
    element: int | None
    raw: bytes


class OverLimitError(DataError):
    """A topic takes less than it said when it was opened."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where is written to. `settings` are librdkafka's, no message has more than `message_bytes`."""

    topic: str
    dead_letter: str | None
    settings: Mapping[str, str]
    queue_bytes: int
    message_bytes: int


def target_settings(given: Mapping[str, str], source: Mapping[str, str]) -> dict[str, str]:
    """The producer's settings; without a cluster of its own the source's, which is reached in the same way."""
    for name in _OURS:
        if name in given:
            raise DefinitionError(
                f"the Kafka setting {name} decides whether messages can be lost, which is not to be chosen",
                "leave it out",
            )
    if "bootstrap.servers" in given:
        return dict(given)
    return {name: value for name, value in source.items() if name.startswith(_CONNECTION)} | dict(given)


def limits_of(
    topics: Iterable[str], client: Mapping[str, str], timeout_s: float, note: Callable[[str], None]
) -> list[int]:
    """What topics take, as far as it is known; they have to be there."""
    found = []
    for topic in topics:
        admin = ClusterAdmin(topic, client, timeout_s)
        admin.connect()
        try:
            found.append(int(admin.setting(_LIMIT_NAME)))
        except ServiceError as error:
            note(f"{_LIMIT_NAME} of {topic} is not known, so 1,000,000 is taken: {error.message}")
    return found


def message_limit(topic_limits: Iterable[int]) -> int:
    """What a message may have, of the limits of its topics: each bounds a batch, with its frame, after compression."""
    return max(1, min(topic_limits, default=_LIMIT) - _FRAME_BYTES)


class Output:
    """Both topics, through one producer. `wait` is called again and again while its queue is full."""

    def __init__(self, target: Target, wait: Callable[[], None], note: Callable[[str], None]) -> None:
        from confluent_kafka import Producer

        self._target = target
        self.message_bytes = target.message_bytes
        self._wait = wait
        self._note = note
        self._failed: list[tuple[str, str, str]] = []
        limit = target.message_bytes
        queue = {"queue.buffering.max.kbytes": str(max(1, target.queue_bytes >> 10))}
        settings = {"log_level": "0", **_CHOSEN, **queue, "batch.size": str(limit), **target.settings, **_OURS}
        settings["message.max.bytes"] = str(max(_LIMIT_LEAST, limit))
        try:
            self._producer = Producer({**settings, "error_cb": self._heard, "on_delivery": self._reported})
        except Exception as error:  # KafkaException has no public base of its own
            raise refused_setting(error) from error

    def _heard(self, error: Any) -> None:
        if error.fatal():
            self._failed.append((error.name(), error.str(), self._target.topic))
        else:
            self._note(f"{self._target.topic}: {error.str()}; it is tried again")

    def _reported(self, error: Any, message: Any) -> None:
        if error is not None:
            self._failed.append((error.name(), error.str(), message.topic()))

    def send(self, messages: Iterable[Message]) -> None:
        """Hand them to the client; each is within the limit of the topic."""
        self._send(self._target.topic, messages)

    def bury(self, refused: Iterable[Refused], lineage: Mapping[str, str]) -> None:
        """Write refused records to the dead letters, where the definition names a topic for them.

        What is too large even for that is cut; its position is in the headers.
        """
        topic = self._target.dead_letter
        for each in refused if topic is not None else ():
            headers, raw, room = _headers(each, lineage), each.raw, self.message_bytes - _HEADER_BYTES
            if len(raw) > room:
                headers, raw = {**headers, "cut": str(len(raw))}, raw[: max(0, room)]
            self._send(topic, [(None, raw)], headers=headers)

    def _send(self, topic: str | None, messages: Iterable[Message], **more: Any) -> None:
        from confluent_kafka import KafkaException

        produce = self._producer.produce
        for key, value in messages:
            while True:
                try:
                    produce(topic, value, key, **more)
                    break
                except BufferError:
                    self.poll(_FULL_WAIT_S)
                    self._wait()
                except KafkaException as error:
                    raise failure_of(error.args[0].name(), error.args[0].str(), topic or "") from error

    def poll(self, timeout_s: float = 0.0) -> None:
        """Let the client report; what failed for good is raised."""
        self._producer.poll(timeout_s)
        self._raise()

    def flush(self, timeout_s: float) -> bool:
        """Wait for everything that was sent. True: the brokers have all of it."""
        waiting = self._producer.flush(timeout_s)
        self._raise()
        return bool(waiting == 0)

    def _raise(self) -> None:
        if not self._failed:
            return
        name, text, topic = self._failed[0]
        if name == _TOO_LARGE:
            hint = "grant DescribeConfigs, so that its max.message.bytes is known, then run again: nothing is lost"
            raise OverLimitError(f"a batch is over the limit of the Kafka topic {topic}: {text}", hint)
        failure = failure_of(name, text, topic)
        raise (
            ServiceError(failure.message, "run again: nothing is lost")
            if isinstance(failure, ServiceError)
            else failure
        )

    def close(self) -> None:
        """Forget what is still on its way."""
        self._producer.purge()
        self._producer.flush(0)


def _headers(refused: Refused, lineage: Mapping[str, str]) -> dict[str, str]:
    about = {"account": refused.account, "reason": refused.reason, "part": refused.part}
    element = {} if refused.element is None else {"element": str(refused.element)}
    return {**about, **lineage, "offset": str(refused.offset), **element}
