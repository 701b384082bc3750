"""Single prepared messages from a topic to Pub/Sub: by `crossfoot relay`, and by Google's client with a future each.

The broker and the emulator are started here, on the same machine; the CPU time is that of this process, with the
threads of its clients.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from google.cloud.pubsub_v1 import PublisherClient
from google.cloud.pubsub_v1.types import BatchSettings

from bench.machine import describe
from bench.services import PROJECT, services
from crossfoot.definition.load import load_text
from crossfoot.definition.prepared import marks
from crossfoot.dev.parts import PUBSUB
from crossfoot.services.relay.job import job_of, relay
from crossfoot.services.relay.state import RelayWatch
from crossfoot.settings import Settings

DEFINITION = """
crossfoot: 1
namespace: bench
source: {{kafka: {{topic: "{topic}", bootstrap.servers: "{bootstrap}"}}, format: prepared}}
event:
  time: {{field: at, unit: iso}}
  received: carried
  id: seq
  fields: {{page: {{path: page, type: text}}, added: {{path: added, type: integer}}}}
metrics: {{views: {{by: [[page]], measures: {{views: count}}, grains: [1h]}}}}
accept: {{lateness: 1h}}
relay: {{to: {{pubsub: {{project: {project}, topic: "{topic}"}}}}, dead_letter: "{topic}.dead"}}
"""


def single(number: int, said: dict[str, str]) -> bytes:
    time_text = f"2015-09-12T{number % 24:02}:00:00.{number % 1_000_000:06}Z"
    event = {
        "specversion": "1.0",
        "id": str(uuid.UUID(int=number)),
        "source": said["source"],
        "type": "crossfoot.prepared",
        "time": time_text,
        "received": time_text,
        "definition": said["definition"],
        "topic": "views",
        "partition": 0,
        "offset": str(number),
        "attempt": 1,
        "datacontenttype": "application/json",
        "data": {"page": f"Page {number % 1000}", "added": number},
    }
    return json.dumps(event, separators=(",", ":")).encode()


def fill(bootstrap: str, topic: str, values: list[bytes]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics([NewTopic(topic, 4, 1), NewTopic(f"{topic}.dead", 1, 1)]).values():
        made.result()
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "lz4", "linger.ms": 50})
    for number, value in enumerate(values):
        while True:
            try:
                producer.produce(topic, value, partition=number % 4)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def measured(messages: int, run: Callable[[], object]) -> dict[str, int]:
    began, cpu = time.perf_counter(), time.process_time()
    run()
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return {"messages_per_s": round(messages / seconds), "cpu_ns": round(1e9 * cpu_s / messages)}


def one_future_each(values: list[bytes], path: str) -> None:
    client = PublisherClient(batch_settings=BatchSettings(max_messages=1000, max_bytes=9_000_000, max_latency=0.05))
    about: dict[str, Any] = {f"attribute{number}": "x" * 20 for number in range(11)}
    for each in [client.publish(path, value, **about) for value in values]:
        each.result()


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--messages", type=int, default=300_000)
    reader.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    given = reader.parse_args()
    with services(PUBSUB) as parts:
        os.environ.update(parts.variables)
        result = compared(parts.broker.bootstrap, given.messages)
    (given.out / "relay.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def compared(bootstrap: str, number: int) -> dict[str, Any]:
    """Both, one after the other."""
    topic = "views"
    definition = load_text(DEFINITION.format(topic=topic, bootstrap=bootstrap, project=PROJECT))
    values = [single(one, marks(definition)) for one in range(number)]
    fill(bootstrap, topic, values)
    path = f"projects/{PROJECT}/topics/{topic}"
    PublisherClient().create_topic(name=path)
    job = job_of(definition, os.environ, once=True)
    few = values[: number // 10]
    return {
        "workload": "relay",
        "messages": number,
        "message_bytes": len(values[-1]),
        "machine": describe(),
        "relay": measured(number, lambda: relay(job, Settings(), RelayWatch())),
        "futures": measured(len(few), lambda: one_future_each(few, path)),
    }


if __name__ == "__main__":
    main()
