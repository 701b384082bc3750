"""A process that sends seeded events at rates that change, and a probe to each partition now and then: PLAN as JSON.

A probe is an event of its own kind: its item is its number, its duration the moment of its sending. So whoever can see
it knows its age. What was sent so far is told once a second, as one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Producer

from crossfoot.generate import Workload, blocks

TICK_S, PROBE_S, TELL_S = 0.01, 0.05, 1.0
COPIES = 0.08
PROBE = "probe"
_ENDLESS = 1 << 40


@dataclass(frozen=True)
class Plan:
    """Each of `loads` is a share of `rate`, events per second, and lasts as long as the others."""

    bootstrap: str
    topic: str
    partitions: int
    rate: float
    loads: tuple[float, ...]
    seconds: float

    @property
    def step_s(self) -> float:
        return self.seconds / len(self.loads)

    def workload(self, step: int, start_us: int) -> Workload:
        """The events of a step; copies take no time."""
        events = self.rate * self.loads[step] * (1 - COPIES)
        return Workload(seed=step + 1, start_us=start_us, rate=events, copies=COPIES, old_copies=0)


def lines_of(workload: Workload) -> Iterator[bytes]:
    """A step's events without end."""
    for block in blocks(_ENDLESS, workload):
        yield from block.splitlines()


def probe(number: int, now_us: int) -> bytes:
    """An event like the others, of the moment."""
    said = {"id": str(uuid.UUID(int=number)), "ts": now_us // 1000, "kind": PROBE, "user": 0, "item": number}
    more = {"country": "ZZ", "client": PROBE, "surface": PROBE, "duration": now_us, "session": ""}
    return json.dumps({**said, **more}, separators=(",", ":")).encode()


class Sender:
    """Sends on time; what was late is made up for within its step, and no message is given up."""

    def __init__(self, plan: Plan) -> None:
        settings = {"linger.ms": 5, "compression.type": "lz4", "enable.idempotence": True, "message.timeout.ms": 0}
        queue = {"queue.buffering.max.messages": 1_000_000}
        self._producer = Producer({"bootstrap.servers": plan.bootstrap, **settings, **queue})
        self._plan = plan
        self._steps: list[dict[str, int]] = []
        self._lines = self._probes = 0
        self._probe_due = self._tell_due = 0.0

    def run(self) -> None:
        began = time.monotonic()
        for number in range(len(self._plan.loads)):
            start_us, before = time.time_ns() // 1000, self._lines
            self._step(self._plan.workload(number, start_us), began + (number + 1) * self._plan.step_s)
            self._steps.append({"start_us": start_us, "lines": self._lines - before})
        self._producer.flush()
        self._tell(is_done=True)

    def _step(self, workload: Workload, until: float) -> None:
        lines, rate = lines_of(workload), workload.rate / (1 - COPIES)
        began, sent = time.monotonic(), 0
        while (now := time.monotonic()) < until:
            for _ in range(sent, min(int((now - began) * rate), sent + int(rate * 10 * TICK_S) + 1)):
                self._send(next(lines), self._lines % self._plan.partitions)
                self._lines, sent = self._lines + 1, sent + 1
            self._now_and_then(now)
            self._producer.poll(0)
            time.sleep(max(0.0, TICK_S - (time.monotonic() - now)))

    def _now_and_then(self, now: float) -> None:
        if now >= self._probe_due:
            self._probe_due = now + PROBE_S
            for partition in range(self._plan.partitions):
                self._probes += 1
                self._send(probe(self._probes, time.time_ns() // 1000), partition)
        if now >= self._tell_due:
            self._tell_due = now + TELL_S
            self._tell(is_done=False)

    def _send(self, value: bytes, partition: int) -> None:
        while True:
            try:
                self._producer.produce(self._plan.topic, value, partition=partition)
            except BufferError:
                self._producer.poll(TICK_S)
            else:
                return

    def _tell(self, is_done: bool) -> None:
        said: dict[str, Any] = {"us": time.time_ns() // 1000, "lines": self._lines, "probes": self._probes}
        print(json.dumps({**said, "steps": self._steps, "done": is_done}), flush=True)


def distinct(plan: Plan, steps: list[dict[str, int]]) -> int:
    """Events that the lines of the steps are: a copy comes at most 20,000 events after what it is a copy of."""
    found = 0
    for number, step in enumerate(steps):
        before: set[bytes] = set()
        left = step["lines"]
        for block in blocks(left, plan.workload(number, step["start_us"])):
            ids = {line[7:43] for line in block.splitlines()}
            found += len(ids - before)
            before = ids
    return found


def main() -> None:
    said = json.loads(sys.argv[1])
    Sender(Plan(**{**said, "loads": tuple(said["loads"])})).run()


if __name__ == "__main__":
    main()
