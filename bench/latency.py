"""From a producer to a committed epoch: how old each event is when queries can see it, at a steady rate.

A broker of its own is started, a process produces seeded events at the rate, and the live loop counts them beside it.
Each record's age is the time of the epoch that holds it less the time at which its producer sent it, both of this
machine's clock.
"""

from __future__ import annotations

import argparse
import bisect
import json
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.engagement import DEFINITION
from bench.machine import describe
from crossfoot import Definition
from crossfoot.clock import SystemClock
from crossfoot.dev.broker import NAME, Broker, free_ports
from crossfoot.dev.parts import KAFKA, ensure
from crossfoot.dev.processes import Processes
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.generate import Workload, blocks
from crossfoot.services.live import LiveLoop, LiveWatch
from crossfoot.settings import Settings
from crossfoot.sources.kafka import Topic
from crossfoot.sources.live import Room

TOPIC = "latency"
PARTITIONS = 4
TICK_S = 0.01
WARM_S = 5


def produce(bootstrap: str, rate: int, seconds: int) -> None:
    """Send a tick's share of events every tick; each carries the time of its sending."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "compression.type": "lz4"})
    workload = Workload(start_us=int(time.time() * 1e6), rate=rate)
    lines = (line for block in blocks(rate * seconds, workload) for line in block.splitlines())
    began, number = time.time(), 0
    while number < rate * seconds:
        due = min(int((time.time() - began) * rate), rate * seconds)
        while number < due:
            producer.produce(TOPIC, next(lines), partition=number % PARTITIONS, timestamp=int(time.time() * 1000))
            number += 1
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush()


def count(bootstrap: str, folder: Path, events: int) -> list[tuple[float, dict[int, int]]]:
    """The epochs of a run: when each was committed, and where each partition was then."""
    definition = Definition.from_yaml(DEFINITION)
    engine = EmbeddedEngine(folder / "store", definition)
    source = Topic(TOPIC, {"bootstrap.servers": bootstrap}).open(Room(definition, folder, Settings(), SystemClock()))
    epochs: list[tuple[float, dict[int, int]]] = []

    def committed(_: Any) -> None:
        places = {int(name.rpartition("/")[2]): part["next_offset"] or 0 for name, part in engine.partitions().items()}
        epochs.append((time.time(), places))

    watch = LiveWatch(state=committed, stop=lambda: bool(epochs) and sum(epochs[-1][1].values()) >= events)
    LiveLoop(engine, [source], Settings(), watch).run(once=False)
    source.close()
    engine.abandon()
    return epochs


def ages(bootstrap: str, epochs: list[tuple[float, dict[int, int]]], seconds: int) -> dict[int, list[float]]:
    """Seconds from sending to the epoch, of each record, by the second of the run in which it was sent."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ages", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, part, 0) for part in range(PARTITIONS)])
    places = {part: [epoch[1].get(part, 0) for epoch in epochs] for part in range(PARTITIONS)}
    events = sum(epochs[-1][1].values())
    by_second: dict[int, list[float]] = {}
    first_s, got = 0.0, 0
    while got < events:
        for message in consumer.consume(10_000, 1.0):
            sent_s = message.timestamp()[1] / 1000
            first_s = first_s or sent_s
            epoch = bisect.bisect_right(places[message.partition()], message.offset())
            by_second.setdefault(int(sent_s - first_s), []).append(epochs[epoch][0] - sent_s)
            got += 1
    consumer.close()
    return {second: found for second, found in by_second.items() if WARM_S <= second < seconds}


def summary(found: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(found, n=1000)
    return {"p50_ms": round(cuts[499] * 1e3), "p99_ms": round(cuts[989] * 1e3), "max_ms": round(max(found) * 1e3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crossfoot-latency-") as name:
        folder = Path(name)
        processes = Processes(folder)
        broker = Broker(ensure(KAFKA), folder / "broker", *free_ports(0, 0))
        broker.start(processes)
        try:
            broker.need_topic(TOPIC, PARTITIONS, {})
            arguments = (broker.bootstrap, options.rate, options.seconds)
            producer = multiprocessing.get_context("spawn").Process(target=produce, args=arguments)
            producer.start()
            epochs = count(broker.bootstrap, folder, options.rate * options.seconds)
            producer.join()
            found = ages(broker.bootstrap, epochs, options.seconds)
        finally:
            processes.stop([NAME], seconds=0)
    every = [age for second in found.values() for age in second]
    result = {
        "workload": "latency",
        "rate": options.rate,
        "seconds": options.seconds,
        "epochs": len(epochs),
        "machine": describe(),
        **summary(every),
        "by_second": {second: summary(one) for second, one in sorted(found.items())},
    }
    (options.out / "latency.json").write_text(json.dumps(result, indent=1) + "\n")
    print({name: result[name] for name in ("p50_ms", "p99_ms", "max_ms")})


if __name__ == "__main__":
    main()
