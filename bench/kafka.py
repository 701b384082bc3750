"""A topic of single JSON messages: read with confluent-kafka into blocks, and counted into cells by the live loop.

The broker runs on the same machine; give its process id to have its CPU time beside. The topic is made and filled if it
is not there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bench.engagement import DEFINITION
from bench.machine import describe
from crossfoot import Definition
from crossfoot.clock import SystemClock
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.generate import Workload, blocks
from crossfoot.services.live import LiveLoop, LiveWatch
from crossfoot.settings import Settings
from crossfoot.sources.kafka import Topic
from crossfoot.sources.live import Room

LARGE = {"fetch.message.max.bytes": str(4 << 20), "queued.min.messages": "1000000"}


@dataclass(frozen=True)
class Place:
    bootstrap: str
    topic: str
    partitions: int
    events: int
    broker_pid: int | None

    def broker_s(self) -> float:
        """CPU seconds of the broker so far."""
        if self.broker_pid is None:
            return 0.0
        fields = Path(f"/proc/{self.broker_pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(place: Place, codec: str) -> None:
    """Make the topic and fill it, unless it is there."""
    admin = AdminClient({"bootstrap.servers": place.bootstrap})
    if place.topic in admin.list_topics(timeout=10).topics:
        return
    admin.create_topics([NewTopic(place.topic, place.partitions, 1)])[place.topic].result()
    queue = {"queue.buffering.max.messages": 1_000_000, "linger.ms": 50, "batch.size": 1_000_000}
    producer = Producer({"bootstrap.servers": place.bootstrap, "compression.type": codec, **queue})
    number = 0
    for block in blocks(place.events, Workload()):
        for line in block.splitlines():
            producer.produce(place.topic, line, partition=number % place.partitions)
            number += 1
            if number % 10_000 == 0:
                producer.flush()
    producer.flush()


def read_in_python(place: Place) -> dict[str, float]:
    """What a Python consumer costs that builds the same blocks."""
    settings = {"bootstrap.servers": place.bootstrap, "group.id": "bench", "enable.auto.commit": False, **LARGE}
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(place.topic, part, 0) for part in range(place.partitions)])
    got, built, begun = 0, 0, time.perf_counter()
    cpu, broker = time.process_time(), place.broker_s()
    while got < place.events:
        messages = consumer.consume(10_000, 1.0)
        built += sum(len(block) for block in blocks_of(messages))
        got += len(messages)
    result = measured(place, begun, cpu, broker)
    consumer.close()
    assert built > place.events
    return result


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


def measured(place: Place, begun: float, cpu: float, broker: float) -> dict[str, float]:
    """Rate, and CPU nanoseconds per event of this process and of the broker."""
    events = place.events
    return {
        "events_per_s": events / (time.perf_counter() - begun),
        "cpu_ns": (time.process_time() - cpu) * 1e9 / events,
        "broker_ns": (place.broker_s() - broker) * 1e9 / events,
    }


def count_live(place: Place) -> dict[str, float]:
    """The live loop up to the end of the log, without the last checkpoint."""
    folder = Path(tempfile.mkdtemp(prefix="crossfoot-bench-"))
    topic = Topic(place.topic, {"bootstrap.servers": place.bootstrap, **LARGE})
    definition = Definition.from_yaml(DEFINITION)
    engine = EmbeddedEngine(folder / "store", definition)
    sources = [topic.open(Room(definition, folder, Settings(), SystemClock()))]
    begun, cpu, broker = time.perf_counter(), time.process_time(), place.broker_s()
    loop = LiveLoop(engine, sources, Settings(), LiveWatch())
    loop.run(once=True)
    result = measured(place, begun, cpu, broker)
    spent = engine.progress()["spent"]
    assert sum(loop.outcome().accounts.values()) == place.events
    for name in ("prepare_ns", "count_ns", "fold_ns", "commit_ns"):
        result[name] = spent[name] / place.events
    result["reading_ns"] = result["cpu_ns"] - sum(
        result[name] for name in ("prepare_ns", "count_ns", "fold_ns", "commit_ns")
    )
    sources[0].close()
    engine.abandon()
    shutil.rmtree(folder)
    return result


def medians(rounds: list[dict[str, float]]) -> dict[str, int]:
    return {name: round(statistics.median(one[name] for one in rounds)) for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--broker-pid", type=int)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--codec", default="lz4")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    name = f"bench-{options.codec}-{options.events}-{options.partitions}"
    place = Place(options.bootstrap, name, options.partitions, options.events, options.broker_pid)
    fill(place, options.codec)
    python, live = [], []
    for number in range(options.rounds):
        python.append(read_in_python(place))
        live.append(count_live(place))
        print(f"round {number + 1}: {python[-1]} {live[-1]}", file=sys.stderr)
    sample = next(iter(blocks(1000, Workload())))
    result = {
        "workload": "kafka",
        "events": options.events,
        "partitions": options.partitions,
        "codec": options.codec,
        "rounds": options.rounds,
        "message_bytes": round(len(sample) / sample.count(b"\n")) - 1,
        "machine": describe(),
        "python": medians(python),
        "live": medians(live),
    }
    (options.out / "kafka.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
