"""A backlog on Kafka, and how much memory `crossfoot run` takes to count all of it, with a Parquet sink beside.

A broker of its own is started and a topic filled; every twelfth record repeats the id of one a thousand records before
it. The records carry stamps, a tenth of a millisecond apart, and ids are remembered as long as the definition says, as
in real operation: a store that has to remember every id for ever needs memory for each. What is counted is compared
with how many records are no copies, in the store and in the sink.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
from confluent_kafka import Producer

from bench.machine import describe
from crossfoot.dev.broker import NAME, Broker, free_ports
from crossfoot.dev.parts import KAFKA, ensure
from crossfoot.dev.processes import Processes
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.embedded import EmbeddedStore

TOPIC = "backlog"
PARTITIONS = 4
START_US = 1_767_225_600_000_000
STEP_US = 100
COPIES_EVERY, COPIES_AFTER = 12, 1000
SAMPLE_S = 0.1
DEFINITION = """
crossfoot: 1
namespace: catchup
source: {kafka: {topic: backlog, bootstrap.servers: "BOOTSTRAP"}, format: json}
event:
  time: {field: at, unit: us}
  received: {field: got, unit: us}
  id: id
  fields:
    page: {path: page, type: integer}
    kind: {path: kind, type: text}
    ms: {path: ms, type: integer}
accept: {lateness: 1m, transport: 0s, horizon: 2m}
metrics:
  views:
    by: [[page, kind], [page], []]
    measures: {events: count, ms: sum(ms)}
    grains: [1m, 1h]
sinks: [{parquet: out}]
"""
SETTINGS = {
    "CROSSFOOT_CHECKPOINT_BYTES": str(128 << 20),
    "CROSSFOOT_PARQUET_SECONDS": "5",
    "CROSSFOOT_SINK_WAIT_SECONDS": "120",
}
KINDS = ("view", "click", "like", "share", "hide")


def records(events: int) -> Iterator[bytes]:
    """The backlog; a copy is what it repeats, received later."""
    for number in range(events):
        one = number - COPIES_AFTER if is_copy(number) else number
        at, got = START_US + one * STEP_US, START_US + number * STEP_US
        page, kind = one * 7919 % 2000, KINDS[one * 104_729 % 5]
        yield b'{"id":%d,"at":%d,"got":%d,"page":%d,"kind":"%b","ms":%d}' % (
            one, at, got, page, kind.encode(), one % 977
        )  # fmt: skip


def is_copy(number: int) -> bool:
    """No copy is of a copy: a thousand is no multiple of twelve."""
    return number >= COPIES_AFTER and number % COPIES_EVERY == 0


def distinct(events: int) -> int:
    return events - sum(map(is_copy, range(0, events, COPIES_EVERY)))


def fill(bootstrap: str, events: int) -> None:
    """Produce the backlog; copies go to other partitions than what they repeat."""
    queue = {"queue.buffering.max.messages": 500_000, "linger.ms": 50, "batch.size": 1_000_000}
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "lz4", **queue})
    for number, line in enumerate(records(events)):
        while True:
            try:
                producer.produce(TOPIC, line, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()


def count(folder: Path, bootstrap: str) -> dict[str, Any]:
    """Run the command to the end of the topic. Seconds, and memory as it was sampled, in MiB."""
    (folder / "catchup.yaml").write_text(DEFINITION.replace("BOOTSTRAP", bootstrap))
    environment = {**os.environ, **SETTINGS}
    command = [sys.executable, "-m", "crossfoot", "run", "catchup.yaml", "--once"]
    began, sampled = time.perf_counter(), []
    with (folder / "run.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        while process.poll() is None:
            sampled.append(resident_mib(process.pid))
            time.sleep(SAMPLE_S)
    assert process.returncode == 0, (folder / "run.log").read_text()
    sampled = [mib for mib in sampled if mib]
    return {"seconds": time.perf_counter() - began, "sampled_mib": sampled, "peak_mib": max(sampled)}


def resident_mib(pid: int) -> int:
    """The largest that the process has been so far, as the kernel keeps it; 0: it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return max((int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM")), default=0)


def in_sink(folder: Path) -> int:
    """Events in the sink's cells without dimensions: the highest epoch of each counts."""
    files = f"{folder}/out/metric=views/by=-/grain=1h/*.parquet"
    newest = f"""SELECT sum(events) FROM (SELECT events FROM read_parquet('{files}')
        QUALIFY row_number() OVER (PARTITION BY "window" ORDER BY epoch DESC) = 1)"""
    return int(duckdb.sql(newest).fetchall()[0][0])


def measure(folder: Path, bootstrap: str, events: int) -> dict[str, Any]:
    """Count a backlog that is there, and compare."""
    run = count(folder, bootstrap)
    totals = dict(accounts_of(EmbeddedStore(folder / ".crossfoot")).totals)
    expected = distinct(events)
    assert (totals["counted"], totals.get("duplicate")) == (expected, events - expected), totals
    assert in_sink(folder) == expected
    cells = EmbeddedStore(folder / ".crossfoot", (0, 0))
    live = sum(part.num_rows for grain in range(2) for by in range(3) for part in cells.changed(0, by, grain))
    return {"counted": totals["counted"], "cells": live, **run}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crossfoot-catchup-") as name:
        folder = Path(name)
        processes = Processes(folder)
        broker = Broker(ensure(KAFKA), folder / "broker", *free_ports(0, 0))
        broker.start(processes)
        try:
            broker.need_topic(TOPIC, PARTITIONS, {})
            fill(broker.bootstrap, options.events)
            found = measure(folder, broker.bootstrap, options.events)
        finally:
            processes.stop([NAME], seconds=0)
    sampled = found.pop("sampled_mib")
    result = {
        "workload": "catchup",
        "events": options.events,
        "partitions": PARTITIONS,
        "ids_per_horizon": 120_000_000 // STEP_US,
        "settings": " ".join(f"{name}={value}" for name, value in SETTINGS.items()),
        "events_per_s": round(options.events / found["seconds"]),
        "machine": describe(),
        **found,
        "by_tenth_mib": [sampled[len(sampled) * tenth // 10] for tenth in range(1, 10)] + sampled[-1:],
    }
    (options.out / "catchup.json").write_text(json.dumps(result, indent=1) + "\n")
    print({name: result[name] for name in ("peak_mib", "events_per_s", "seconds", "cells")})


if __name__ == "__main__":
    main()
