"""The rival: confluent-kafka's `consume`, with the same blocks of records built in Python, and nothing counted."""

from __future__ import annotations

from array import array
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from bench.gauge import Gauge, Rates
from bench.services import Services

LARGE = {"fetch.message.max.bytes": str(4 << 20), "queued.min.messages": "1000000"}


def read(parts: Services, topic: str, partitions: int, events: int) -> Rates:
    """Read a topic to its end."""
    settings = {"bootstrap.servers": parts.broker.bootstrap, "group.id": "rival", "enable.auto.commit": False}
    consumer = Consumer({**settings, **LARGE})
    consumer.assign([TopicPartition(topic, part, 0) for part in range(partitions)])
    gauge, got, built = Gauge(parts, events, events), 0, 0
    while not gauge.is_over():
        messages = consumer.consume(10_000, 1.0)
        built += sum(len(block) for block in blocks_of(messages))
        got += len(messages)
        gauge.saw(got)
    consumer.close()
    assert built > events
    return gauge.rates()


def blocks_of(messages: list[Any]) -> list[bytes]:
    """Blocks by partition: bytes, ends, offsets, stamps."""
    open_: dict[int, tuple[list[bytes], array[int], array[int], array[int]]] = {}
    for message in messages:
        parts, ends, offsets, stamps = open_.setdefault(message.partition(), ([], array("I"), array("q"), array("q")))
        value = message.value()
        parts.append(value)
        ends.append((ends[-1] if ends else 0) + len(value))
        offsets.append(message.offset())
        stamps.append(message.timestamp()[1] * 1000)
    return [
        b"".join(parts) + ends.tobytes() + offsets.tobytes() + stamps.tobytes()
        for parts, ends, offsets, stamps in open_.values()
    ]
