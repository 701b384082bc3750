"""The engagement workload: Crossfoot with every guarantee on, against DuckDB doing the same in one batch.

Both read the same file of JSON lines, remove copies by id, and give count, sum and distinct users for four dimension
sets and three grains. Crossfoot's time includes reading, durable epochs, the ledger and the final checkpoint. DuckDB's
includes reading, deduplication and the twelve groupings into tables; its distinct count is exact (``count(DISTINCT)``)
or, with ``--approximate``, its own HyperLogLog. Counts and sums must be equal in every cell, distinct users within the
sketch's error. The last run's CPU time by stage comes from the engine itself.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bench.machine import describe
from crossfoot import Definition, Store
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.generate import Workload, blocks

DEFINITION = Path(__file__).with_name("engagement.yaml")
FOLDER = Path(tempfile.gettempdir()) / "crossfoot-bench"
BYTECODE = FOLDER / "bytecode"
SETS = [["item"], ["item", "kind"], ["country", "client"], []]
GRAINS = {"1m": "minute", "1h": "hour", "1d": "day"}


@dataclass(frozen=True)
class Run:
    """One timed run: wall and CPU seconds, and the peak of resident memory in MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def make_data(path: Path, events: int, workload: Workload) -> None:
    """Write the workload unless it is there already."""
    if path.exists():
        return
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        for block in blocks(events, workload):
            file.write(block)
    partial.rename(path)


def warm(path: Path) -> None:
    """Read the file once, so that both find it in the page cache."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass


def timed(command: list[str]) -> Run:
    """Run a process to its end; its own CPU time and memory, as the system accounts them.

    Python keeps what it has compiled of a module, as it does where a program is installed; outside the project.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    kept["PYTHONPYCACHEPREFIX"] = str(BYTECODE)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=kept)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Run(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def run_crossfoot(data: Path, store: Path) -> Run:
    shutil.rmtree(store, ignore_errors=True)
    command = ["run", str(DEFINITION), "--store", str(store), "--input", str(data), "--once"]
    return timed([sys.executable, "-m", "crossfoot", *command])


def run_duckdb(data: Path, database: Path, approximate: bool) -> Run:
    database.unlink(missing_ok=True)
    distinct = "approx_count_distinct(user)" if approximate else "count(DISTINCT user)"
    return timed([sys.executable, "-m", "bench.duckdb_rival", str(data), str(database), distinct])


def compare(store: Path, database: Path, approximate: bool) -> dict[str, Any]:
    """Every cell of the twelve tables, both ways round; raises when a count or sum differs."""
    cells, worst = 0, 0.0
    opened = Store.open(store)
    with duckdb.connect(str(database)) as rival:
        for dims in SETS:
            for grain in GRAINS:
                ours = opened.query("engagement", by=dims, grain=grain).to_arrow()
                rows, error = compare_table(rival, ours, "_".join([*dims, grain]), dims)
                cells += rows
                worst = max(worst, error)
    if worst > (0.2 if approximate else 0.1):
        raise SystemExit(f"distinct users differ by {worst:.1%}")
    return {"cells": cells, "largest_distinct_error": worst}


def compare_table(rival: duckdb.DuckDBPyConnection, ours: pa.Table, table: str, dims: list[str]) -> tuple[int, float]:
    rival.register("ours", ours)
    keys = ["window", *dims]
    on = " AND ".join(f"o.{key} IS NOT DISTINCT FROM r.{key}" for key in keys)
    [(differing, rows, error)] = rival.execute(
        f"""SELECT count(*) FILTER (o.events IS DISTINCT FROM r.events OR o.time_spent IS DISTINCT FROM r.time_spent),
                   count(*), max(abs(o.users - r.users) / greatest(r.users, 1.0))
            FROM ours o FULL JOIN "{table}" r ON {on}"""
    ).fetchall()
    rival.unregister("ours")
    if differing:
        raise SystemExit(f"{differing} of {rows} cells differ in {table}")
    return int(rows), float(error or 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=1e6, help="events per second of event time")
    parser.add_argument("--sparse", action="store_true", help="2,000 events per second: more cells for as many events")
    parser.add_argument("--shuffled", action="store_true", help="key order, escapes and missing fields vary")
    parser.add_argument("--approximate", action="store_true", help="let DuckDB count distinct users approximately")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    rate = 2_000.0 if options.sparse else options.rate
    name = "-".join(["engagement", *(word for word in ("shuffled", "sparse") if getattr(options, word))])
    options.folder.mkdir(parents=True, exist_ok=True)
    data = options.folder / f"{name}-{options.events}-{rate:g}.jsonl"
    store, database = options.folder / "store", options.folder / "rival.duckdb"
    make_data(data, options.events, Workload(rate=rate, shuffled=options.shuffled))
    warm(data)
    ours, theirs = [], []
    for number in range(options.rounds):
        ours.append(run_crossfoot(data, store))
        theirs.append(run_duckdb(data, database, options.approximate))
        if number == 0:
            answer = compare(store, database, options.approximate)
        walls = f"crossfoot {ours[-1].wall_s:.2f} s, duckdb {theirs[-1].wall_s:.2f} s"
        print(f"round {number + 1}: {walls}", file=sys.stderr)
    result = {
        "workload": name,
        "events": options.events,
        "events_per_s_of_event_time": rate,
        "bytes": data.stat().st_size,
        "machine": describe(),
        "answer": answer,
        "crossfoot": summary(ours, options.events),
        "duckdb": summary(theirs, options.events) | {"version": duckdb.__version__, "approximate": options.approximate},
        "times_as_fast": statistics.median(t.wall_s / o.wall_s for o, t in zip(ours, theirs, strict=True)),
        "cpu_ns_per_event_by_stage": stages(data, store),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def summary(runs: list[Run], events: int) -> dict[str, Any]:
    walls = sorted(run.wall_s for run in runs)
    median = statistics.median(walls)
    return {
        "events_per_s": round(events / median),
        "cpu_ns_per_event": round(statistics.median(run.cpu_s for run in runs) * 1e9 / events),
        "wall_s": {"min": round(walls[0], 3), "median": round(median, 3), "max": round(walls[-1], 3)},
        "peak_mib": round(max(run.peak_mib for run in runs)),
        "runs": [asdict(run) for run in runs],
    }


def stages(data: Path, store: Path) -> dict[str, float]:
    """CPU nanoseconds per event by stage, and the share of records read by a learned layout, of one run in process."""
    shutil.rmtree(store, ignore_errors=True)
    definition = Definition.from_yaml(DEFINITION)
    engine = EmbeddedEngine(store, definition)
    engine.register(["data"])
    with data.open("rb") as file:
        for number in itertools.count(1):
            block = file.read(1 << 20)
            if not block:
                break
            engine.feed("data", block + file.readline(), 0)
            if number % 256 == 0:
                engine.commit_beside()
    engine.commit()
    engine.checkpoint()
    engine.commit()
    progress = engine.progress()
    engine.close()
    spent, events = progress["spent"], sum(progress["accounts"].values())
    return {
        "decode_and_prepare": round(spent["prepare_ns"] / events),
        "accept_and_dedup": round(spent["count_ns"] / events),
        "fold": round(spent["fold_ns"] / events),
        "commit_and_checkpoint": round((spent["commit_ns"] + progress["beside_ns"]) / events),
        "learned_layout_share": round(spent["fast"] / (spent["fast"] + spent["general"]), 4),
    }


if __name__ == "__main__":
    main()
