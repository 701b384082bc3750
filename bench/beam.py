"""Events per second of the Beam engine on this machine: files to shards to a Bigtable emulator, on Prism and Direct.

    python -m bench.beam [--events 2000000] [--runner prism direct] [--shards 4]

Each job is run with few and with many lines; what is said is the difference, so the start of a runner is not in it.
What the kernel alone takes for the same lines, in one thread, stands beside it. The cells are compared with those of
`crossfoot run` before any time is printed. Writes `bench/results/beam.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.machine import describe
from crossfoot.clock import SystemClock
from crossfoot.definition.load import load_text
from crossfoot.dev.bigtable import Bigtable
from crossfoot.dev.broker import free_ports
from crossfoot.dev.parts import BEAM, BIGTABLE, PRISM, ensure
from crossfoot.dev.processes import Processes
from crossfoot.engines.shard import Shard, Splitter
from crossfoot.generate import Workload, blocks
from crossfoot.query.client import Store
from crossfoot.services.run import Job, run
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.stores.bigtable_table import HOST

DEFINITION = """
crossfoot: 1
namespace: beam
source: {files: [events.jsonl]}
event:
  time: {field: ts, unit: ms}
  received: none
  id: id
  fields:
    kind: {path: kind, type: text}
    country: {path: country, type: text}
    client: {path: client, type: text}
    duration: {path: duration, type: integer}
metrics:
  engagement:
    by: [[], [kind], [country, client]]
    measures: {events: count, time_spent: sum(duration), longest: max(duration)}
    grains: [1m, 1h]
sinks: [{bigtable: {project: bench, instance: bench, table: TABLE}}]
"""
RUNNERS = ("prism", "direct")
RESULT = Path(__file__).with_name("results") / "beam.json"
SRC = Path(__file__).resolve().parents[1] / "src"


@dataclass(frozen=True)
class Run:
    """A job: wall and processor time of all its processes, in seconds."""

    events: int
    wall_s: float
    cpu_s: float


class Bench:
    """A folder, an emulator, and the environment of Beam."""

    def __init__(self, folder: Path, runner: str, shards: int) -> None:
        self.folder, self.runner, self.shards = folder, runner, shards
        self.python = ensure(BEAM) / "environment" / "bin" / "python"
        self.prism = ensure(PRISM) / "prism"

    def measure(self, events: int) -> Run:
        """One job, from its start to its end, with its answer compared."""
        home = self.folder / f"{self.runner}-{events}"
        home.mkdir()
        with (home / "events.jsonl").open("wb") as file:
            file.writelines(blocks(events, Workload()))
        text = DEFINITION.replace("TABLE", make_table(f"{self.runner}-{events}"))
        (home / "beam.yaml").write_text(text, "utf-8")
        begun_s, before_s = time.perf_counter(), _cpu_s()
        self._run(home / "beam.yaml")
        took = Run(events, time.perf_counter() - begun_s, _cpu_s() - before_s)
        compare(home, text, f"bigtable:bench/bench/{self.runner}-{events}")
        return took

    def _run(self, definition: Path) -> None:
        options = ("--runner", self.runner, "--prism", str(self.prism), "--shards", str(self.shards))
        command = [str(self.python), "-m", "crossfoot", "beam", "run", str(definition), *options]
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(SRC)}, capture_output=True, check=False)
        if done.returncode:
            sys.exit(done.stderr.decode())


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make_table(name: str) -> str:
    from google.cloud.bigtable import Client
    from google.cloud.bigtable.column_family import MaxVersionsGCRule

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Client(project="bench", admin=True).instance("bench").table(name)
        made.create(column_families={"c": MaxVersionsGCRule(4)})
    return name


def compare(home: Path, text: str, table: str) -> None:
    """Every cell as `crossfoot run` counts it; the run ends here where one differs."""
    definition = load_text(text[: text.index("sinks:")])
    run(Job(definition, home / "store", home, home, None), Settings(), Watch())
    ours, theirs = Store.open(home / "store"), Store.open(table)
    for metric in ours.metrics:
        for by in metric.sets:
            for grain in metric.grains:
                asked: dict[str, Any] = {"by": by, "grain": grain.text}
                if ours.query(metric.name, **asked).rows() != theirs.query(metric.name, **asked).rows():
                    sys.exit(f"the cells differ: {metric.name} by {by}, {grain.text}")


def kernel(events: int, shards: int) -> dict[str, float]:
    """What the kernel takes alone, in seconds: splitting, counting, committing; blocks as the pipeline makes them."""
    definition = load_text(DEFINITION.replace("TABLE", "none"))
    splitter, clock = Splitter(definition, shards), SystemClock()
    counting = [Shard.new(definition, number, shards) for number in range(shards)]
    spent = dict.fromkeys(("split_s", "count_s", "commit_s"), 0.0)
    data, first = b"".join(blocks(events, Workload())).splitlines(keepends=True), 0
    for at in range(0, len(data), 20_000):
        begun_s = time.perf_counter()
        split = splitter.lines("events.jsonl", b"".join(data[at : at + 20_000]), clock.now_us(), first)
        spent["split_s"] += time.perf_counter() - begun_s
        first += split.records
        for number, block in split.blocks.items():
            begun_s = time.perf_counter()
            counting[number].apply(block, clock.now_us())
            counted_s = time.perf_counter()
            counting[number].commit()
            spent["count_s"] += counted_s - begun_s
            spent["commit_s"] += time.perf_counter() - counted_s
    return spent


def measured(folder: Path, runner: str, events: int, shards: int) -> dict[str, Any]:
    """What a runner takes for an event beyond its start, and the kernel alone for the same lines."""
    bench = Bench(folder, runner, shards)
    few, many = bench.measure(events // 10), bench.measure(events)
    wall_s, cpu_s, more = many.wall_s - few.wall_s, many.cpu_s - few.cpu_s, many.events - few.events
    if wall_s <= 0:
        sys.exit(f"{events:,} events took {runner} no longer than a tenth of them: --events MORE")
    alone = kernel(events, shards)
    return {
        "events_per_s": round(more / wall_s),
        "cpu_ns_per_event": round(cpu_s / more * 1e9),
        "start_s": round(few.wall_s - wall_s * few.events / more, 1),
        "kernel_events_per_s": round(events / sum(alone.values())),
        "kernel": {name: round(seconds, 3) for name, seconds in alone.items()},
        "runs": [asdict(few), asdict(many)],
    }


def run_all(asked: argparse.Namespace) -> dict[str, Any]:
    """Each runner after the other, beside one emulator."""
    with TemporaryDirectory(prefix="crossfoot-bench-") as name:
        folder = Path(name)
        processes = Processes(folder / "emulator")
        emulator = Bigtable(ensure(BIGTABLE), *free_ports(0))
        emulator.start(processes)
        os.environ[HOST] = emulator.address
        try:
            found = {runner: measured(folder, runner, asked.events, asked.shards) for runner in asked.runner}
        finally:
            processes.stop(["bigtable"], seconds=0)
    made = {"workload": "beam", "events": asked.events, "shards": asked.shards, "runners": found}
    return {**made, "machine": describe()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runner", nargs="+", choices=RUNNERS, default=RUNNERS)
    parser.add_argument("--shards", type=int, default=4)
    text = json.dumps(run_all(parser.parse_args()), indent=2)
    RESULT.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
