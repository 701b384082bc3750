"""How old events are when queries see them, under a load that grows from 0.3 to 1.2 of the sustained rate.

A broker, a producer and the services of the way are started, each as a process: Kafka -> run, or with `--path whole`
Kafka -> preprocess -> Kafka -> relay -> Pub/Sub -> run. The producer sends a probe to each partition every 50 ms; this
process reads the store after each epoch, as any query does, and notes how old each probe is that it sees there for the
first time. At the end every line is in the ledger, and there are as many counted events as the generator has made.
What is known is written again each minute, so a run that is interrupted leaves what it had.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.machine import describe
from bench.producer import Plan, distinct
from bench.services import BROKER, EMULATOR, PROJECT, STAMPED, Services, services
from bench.way import PARTITIONS, Way
from crossfoot.dev.parts import PUBSUB
from crossfoot.dev.processes import Program, Running
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.embedded import EmbeddedStore

LOADS = tuple(round(0.1 * step, 1) for step in range(3, 13))
RAW, PREPARED, EVENTS = "raw", "prepared", "events"
PRODUCE, PREPROCESS, RELAY, RUN = "produce", "preprocess", "relay", "run"
ACCEPT = "accept: {lateness: 2m, transport: 3m}\n"
METRICS = """    retain: {1m: 10m}
  probes:
    where: kind = 'probe'
    by: [[item]]
    measures: {probes: count, sent_us: sum(duration)}
    grains: [all]
"""
KEPT = {**STAMPED, "retention.bytes": str(2 << 30), "segment.bytes": str(64 << 20)}
"""The logs of a long run would fill a disk: so many bytes of each partition are kept."""
STREAMS = "16"
LOOK_S, PATIENCE_S, READY_S = 0.005, 120.0, 60.0


@dataclass(frozen=True)
class Route:
    """What is started: `run` alone, or with the services in front of it."""

    whole: bool
    blocks: bool

    @property
    def names(self) -> tuple[str, ...]:
        return (PREPROCESS, RELAY, RUN) if self.whole else (RUN,)

    @property
    def title(self) -> str:
        if not self.whole:
            return "Kafka to cells"
        return f"the whole way, {'blocks' if self.blocks else 'single messages'}"

    @property
    def file(self) -> str:
        return "soak-kafka" if not self.whole else f"soak-whole-{'blocks' if self.blocks else 'single'}"

    @property
    def aim_ms(self) -> int:
        return 2000 if self.whole else 1000


class Stage:
    """Topics and processes of a run."""

    def __init__(self, parts: Services, route: Route) -> None:
        self.parts = parts
        self.route = route
        self.store = parts.folder / "store"
        self.way = Way(parts.broker.bootstrap, METRICS + ACCEPT)

    def start(self) -> None:
        """The services run, and hold what they read, when this returns."""
        for topic in (RAW, PREPARED, f"{PREPARED}.dead"):
            self.parts.broker.need_topic(topic, PARTITIONS, KEPT)
        if self.route.whole:
            self.parts.pubsub.need_topic(PROJECT, EVENTS, EVENTS)
            self._service(PREPROCESS, self.way.preprocess(RAW, PREPARED, self.route.blocks, group_id=PREPROCESS))
            self._service(RELAY, self.way.relay(PREPARED, EVENTS, group_id=RELAY))
        run = self._service(RUN, self.way.pulled(EVENTS) if self.route.whole else self.way.raw(RAW))
        self.parts.processes.wait_until(run, (self.store / "status.sock").exists, READY_S)

    def _service(self, name: str, text: str) -> Running:
        file = self.parts.folder / f"{name}.yaml"
        file.write_text(text)
        options = ("--store", str(self.store)) if name == RUN else ()
        command = (sys.executable, "-m", "crossfoot", name, str(file), *options)
        variables = {**self.parts.variables, "CROSSFOOT_PUBSUB_STREAMS": STREAMS}
        running = self.parts.processes.start(Program(name, command, variables))
        if name != RUN:
            broker = self.parts.broker
            self.parts.processes.wait_until(running, lambda: bool(broker.members(name)), READY_S)
        return running

    def produce(self, plan: Plan) -> Running:
        command = (sys.executable, "-m", "bench.producer", json.dumps(asdict(plan)))
        return self.parts.processes.start(Program(PRODUCE, command))

    def told(self) -> list[dict[str, Any]]:
        """What the producer has said so far."""
        log = self.parts.processes.log(PRODUCE)
        lines = log.read_text().splitlines() if log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    @property
    def names(self) -> tuple[str, ...]:
        """Every process."""
        return (PRODUCE, BROKER, *((EMULATOR,) if self.route.whole else ()), *self.route.names)

    def stop(self) -> None:
        self.parts.stop((PRODUCE, *self.route.names))


class Reader:
    """Sees what has become visible, once per epoch: the age of each probe, by the slice in which it was sent."""

    def __init__(self, store: Path, slice_s: float) -> None:
        self._folder = store
        self._slice_us = slice_s * 1e6
        self._store: EmbeddedStore | None = None
        self._seen: set[int] = set()
        self.began_us: int | None = None
        self.ages_ms: dict[int, list[float]] = defaultdict(list)

    @property
    def probes(self) -> int:
        return len(self._seen)

    def look(self) -> bool:
        """Whether there was a new epoch. As who asks again and again: the store stays open, and is refreshed."""
        store = self._store = self._store or EmbeddedStore(self._folder, (0, 0))
        before = store.meta["epoch"] if self.probes else None
        store.refresh()
        if store.meta["epoch"] == before:
            return False
        parts = list(store.changed(1, 0, 0))
        store.taken()
        now_us = time.time_ns() // 1000
        for row in (row for cells in parts for row in cells.to_pylist()):
            self._saw(row["item"], row["probes"], now_us, row["sent_us"])
        return True

    def records(self) -> int:
        """In any account, as of the last look."""
        return sum(accounts_of(self._store).totals.values()) if self._store else 0

    def _saw(self, number: int, times: int, now_us: int, sent_us: int) -> None:
        if times != 1:
            raise SystemExit(f"probe {number} was counted {times} times")
        if number not in self._seen:
            self._seen.add(number)
            self.began_us = min(sent_us, self.began_us or sent_us)
            self.ages_ms[int((sent_us - self.began_us) / self._slice_us)].append((now_us - sent_us) / 1000)


@dataclass(frozen=True)
class Usage:
    """What the processes have used up to a moment."""

    at_s: float
    cpu_s: dict[str, float]
    memory_mib: dict[str, int]


class Soak:
    """A run, whose result is written again after each slice."""

    def __init__(self, stage: Stage, plan: Plan, slice_s: float, file: Path) -> None:
        self._stage = stage
        self._plan = plan
        self._slice_s = slice_s
        self._file = file
        self._reader = Reader(stage.store, slice_s)
        self._usage: list[Usage] = []

    def run(self) -> dict[str, Any]:
        """Until everything that was sent is visible, and its accounts are what they have to be."""
        producer = self._stage.produce(self._plan)
        began = moved = time.monotonic()
        self._use()
        while not (producer.wait(0) and self._is_all_there()):
            if self._reader.look():
                moved = time.monotonic()
            elif time.monotonic() - moved > PATIENCE_S:
                raise SystemExit(f"nothing new for {PATIENCE_S:g} s: {self._last_words()}")
            if time.monotonic() - began >= len(self._usage) * self._slice_s:
                self._use()
                self._write(None)
            time.sleep(LOOK_S)
        drained_s = time.monotonic() - began - self._plan.seconds
        self._stage.stop()
        return self._write({"drained_s": round(drained_s, 1), **self._answer()})

    def _is_all_there(self) -> bool:
        last = self._stage.told()[-1]
        if not last["done"]:
            raise SystemExit(f"the producer has ended: {self._stage.parts.processes.last_word(PRODUCE)}")
        return bool(self._reader.probes == last["probes"] and self._reader.records() >= last["lines"] + last["probes"])

    def _answer(self) -> dict[str, Any]:
        """Every line in an account, and no event that is not counted once; SystemExit where it is not so."""
        last = self._stage.told()[-1]
        lines, events = last["lines"] + last["probes"], distinct(self._plan, last["steps"]) + last["probes"]
        found = accounts_of(EmbeddedStore(self._stage.store))
        totals = {name: records for name, records in found.totals.items() if records}
        late = totals.get("too_late", 0)
        copies = sum(totals.values()) - lines
        balanced = found.unaccounted == 0 and totals.keys() <= {"counted", "duplicate", "too_late"}
        once = totals["counted"] <= events <= totals["counted"] + late
        if not (balanced and once and (copies >= 0 if self._stage.route.whole else copies == 0)):
            raise SystemExit(f"{lines} lines of {events} events were sent, and the accounts are {totals}")
        return {"lines": lines, "events": events, "delivered_again": copies, "accounts": totals}

    def _last_words(self) -> str:
        processes = self._stage.parts.processes
        return "; ".join(f"{name}: {processes.last_word(name)}" for name in self._stage.route.names)

    # What is written.

    def _use(self) -> None:
        parts, names = self._stage.parts, self._stage.names
        cpu = {name: parts.cpu_s(name) for name in names}
        self._usage.append(Usage(time.monotonic(), cpu, {name: parts.memory_mib(name) for name in names}))

    def _write(self, answer: dict[str, Any] | None) -> dict[str, Any]:
        route = self._stage.route
        result = {
            "workload": "soak",
            "title": route.title,
            "aim_ms": route.aim_ms,
            "path": "whole" if route.whole else "kafka",
            "blocks": route.blocks,
            "rate": self._plan.rate,
            "loads": self._plan.loads,
            "seconds": self._plan.seconds,
            "slice_s": self._slice_s,
            "machine": describe(),
            "answer": answer,
            "steps": self._steps(),
            "slices": [self._slice(number) for number in sorted(self._reader.ages_ms)],
        }
        self._file.write_text(json.dumps(result, indent=1) + "\n")
        return result

    def _steps(self) -> list[dict[str, Any]]:
        """The ages of each load, over its slices."""
        found: dict[float, list[float]] = defaultdict(list)
        for number, ages in self._reader.ages_ms.items():
            found[self._load(number)] += ages
        return [{"load": load, **spread(ages)} for load, ages in sorted(found.items())]

    def _load(self, number: int) -> float:
        middle_s = min((number + 0.5) * self._slice_s, self._plan.seconds - 1e-6)
        return self._plan.loads[int(middle_s / self._plan.step_s)]

    def _slice(self, number: int) -> dict[str, Any]:
        said: dict[str, Any] = {"from_s": number * self._slice_s, "load": self._load(number)}
        said |= {"sent_per_s": self._sent(number), **spread(self._reader.ages_ms[number])}
        if number + 1 < len(self._usage):
            before, after = self._usage[number : number + 2]
            spent_s = after.at_s - before.at_s
            said["cpu"] = {name: round((after.cpu_s[name] - used) / spent_s, 2) for name, used in before.cpu_s.items()}
            said["memory_mib"] = after.memory_mib
        return said

    def _sent(self, number: int) -> int:
        """Lines a second, as the producer told it while it sent."""
        assert self._reader.began_us is not None
        first_us = self._reader.began_us + number * self._slice_s * 1e6
        told = [
            one
            for one in self._stage.told()
            if not one["done"] and first_us <= one["us"] <= first_us + self._slice_s * 1e6 + 5e5
        ]
        if len(told) < 2:
            return 0
        return int((told[-1]["lines"] - told[0]["lines"]) / (told[-1]["us"] - told[0]["us"]) * 1e6)


def spread(ages_ms: list[float]) -> dict[str, Any]:
    """The middle, the slowest hundredth and the slowest, of so many probes."""
    cuts = statistics.quantiles(ages_ms, n=100) if len(ages_ms) > 1 else ages_ms * 99
    return {
        "p50_ms": round(cuts[49]),
        "p99_ms": round(min(cuts[98], max(ages_ms))),
        "max_ms": round(max(ages_ms)),
        "probes": len(ages_ms),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, required=True, help="the sustained rate: events per second at load 1")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--path", choices=("kafka", "whole"), default="kafka")
    parser.add_argument("--single", action="store_true", help="the whole way with single messages, not blocks")
    parser.add_argument("--loads", type=float, nargs="+", default=LOADS, help="shares of the rate, one after the other")
    parser.add_argument("--slice", type=float, default=60.0, help="seconds that share a point of the picture")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    route = Route(options.path == "whole", not options.single)
    with services(PUBSUB if route.whole else None) as parts:
        stage = Stage(parts, route)
        seconds = options.minutes * 60
        plan = Plan(parts.broker.bootstrap, RAW, PARTITIONS, options.rate, tuple(options.loads), seconds)
        try:
            stage.start()
            result = Soak(stage, plan, options.slice, options.out / f"{route.file}.json").run()
        finally:
            stage.stop()
    for step in result["steps"]:
        print(json.dumps(step))
    print(json.dumps(result["answer"]))


if __name__ == "__main__":
    main()
