"""The offsets of a consumer group that nobody is a member of, written for people and tools; never read by us.

They are written by a consumer that consumes nothing. The admin client has a call for them as well, but librdkafka
(2.16) aborts the process when that call has timed out and the group's coordinator comes back after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from threading import Thread
from typing import Any

_CLOSE_S = 1.0
"""How long the end waits for what was written last. A broker that is away is not waited for: it is a display."""


class ShownOffsets:
    """How far a group is in one topic. `settings` are librdkafka's, with the group's id; a client is made once there is
    something to show.
    """

    def __init__(self, topic: str, settings: Mapping[str, str]) -> None:
        self._topic = topic
        self._settings = settings
        self._consumer: Any = None
        self._shown: Mapping[int, int] = {}

    def show(self, offsets: Mapping[int, int]) -> None:
        """Write the next offset of each partition, without waiting, unless the last call has, as far as is known."""
        from confluent_kafka import KafkaException

        with suppress(KafkaException):  # the reader names what has failed
            if self._consumer is not None:
                self._consumer.poll(0)  # what waits for a caller, such as an error, is let go
            if offsets != self._shown:
                self._write(dict(offsets))

    def _write(self, offsets: dict[int, int]) -> None:
        from confluent_kafka import Consumer, TopicPartition

        if self._consumer is None:
            self._consumer = Consumer({"log_level": "0", **self._settings, "on_commit": self._answered})
        self._shown = offsets
        places = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        self._consumer.commit(offsets=places, asynchronous=True)

    def _answered(self, error: Any, _places: Any) -> None:
        if error is not None:
            self._shown = {}

    def close(self) -> None:
        """Wait for the last call's answer, a second at most."""
        if self._consumer is not None:
            end = Thread(target=self._consumer.close, name="shown-offsets", daemon=True)
            end.start()
            end.join(_CLOSE_S)
