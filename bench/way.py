"""The way of the engagement workload: its definition at each stage, and topics of its lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer

from bench.engagement import DEFINITION
from bench.services import PROJECT

PARTITIONS = 4
ACCEPT = "accept: {lateness: 2d}\n"
_FILES, _NONE = "source: {files: [engagement.jsonl], format: json}", "received: none"


@dataclass(frozen=True, slots=True)
class Way:
    """Definitions of one topic's events, which differ only in where they come from and go to.

    `more` is what all of them say behind the engagement metric: what is accepted, and further metrics before it.
    """

    bootstrap: str
    more: str = ACCEPT

    def raw(self, topic: str, section: str = "", **settings: str) -> str:
        """Single JSON messages, stamped by the broker."""
        return self._text(f"{{kafka: {self._kafka(topic, settings)}, format: json}}", "broker", section)

    def prepared(self, topic: str, section: str = "", **settings: str) -> str:
        """Prepared messages, single or in blocks."""
        return self._text(f"{{kafka: {self._kafka(topic, settings)}, format: prepared}}", "carried", section)

    def pulled(self, name: str) -> str:
        """The same, by a subscription."""
        source = f"{{pubsub: {{project: {PROJECT}, subscription: {name}}}, format: prepared}}"
        return self._text(source, "carried", "")

    def preprocess(self, topic: str, to: str, blocks: bool, **settings: str) -> str:
        """The first service."""
        section = f"preprocess: {{to: {{kafka: {{topic: {to}}}}}, blocks: {str(blocks).lower()}}}\n"
        return self.raw(topic, section, **settings)

    def relay(self, topic: str, to: str, **settings: str) -> str:
        """The second service."""
        section = f"relay: {{to: {{pubsub: {{project: {PROJECT}, topic: {to}}}}}, dead_letter: {topic}.dead}}\n"
        return self.prepared(topic, section, **settings)

    def _kafka(self, topic: str, settings: Mapping[str, str]) -> str:
        names = {name.replace("_", "."): value for name, value in settings.items()}
        return json.dumps({"topic": topic, "bootstrap.servers": self.bootstrap, "log_level": 0, **names})

    def _text(self, source: str, received: str, section: str) -> str:
        text = DEFINITION.read_text().replace(_FILES, f"source: {source}").replace(_NONE, f"received: {received}")
        return text.rstrip() + f"\n{self.more}{section}"


def fill(bootstrap: str, topic: str, lines: Iterable[bytes], partitions: int = PARTITIONS) -> None:
    """Send lines to the partitions in turn."""
    queue = {"queue.buffering.max.messages": 1_000_000, "linger.ms": 50, "batch.size": 1_000_000}
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "lz4", **queue})
    for number, line in enumerate(lines):
        producer.produce(topic, line, partition=number % partitions)
        if number % 10_000 == 0:
            producer.flush()
    producer.flush()


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """As a file of JSON lines."""
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)
