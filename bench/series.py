"""A series of 1,500 points, asked again and again in this process, while another process counts at half load.

The store holds 25 hours of the engagement workload. What it sustains is measured first, with the epochs of the live
loop; then half of it is counted in a process of its own, as if it came now, and this one asks. A query that comes to a
new epoch reads what that epoch has changed first; those are shown beside.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from bench.engagement import DEFINITION
from bench.machine import describe
from crossfoot import Definition, Store
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.generate import Workload, blocks

POINTS = 1500
MINUTE_US = 60_000_000
EPOCH_S = 0.25
FEED = "live"
QUESTIONS = {
    "all events": {},
    "one country and client": {"by": ["country", "client"], "where": "country = 'US' and client = 'web'"},
}


def feed(engine: EmbeddedEngine, lines: list[bytes], rate: float | None, end: Event | None) -> float:
    """Count lines, an epoch every quarter of a second; at a rate, or as fast as it goes. Lines per second."""
    began = committed = time.perf_counter()
    done = 0
    for block in lines:
        if end is not None and end.is_set():
            break
        engine.feed(FEED, block, int(time.time() * 1e6))
        done += block.count(b"\n")
        while True:
            now = time.perf_counter()
            if now - committed >= EPOCH_S:
                engine.commit()
                committed = now
            if rate is None or done <= (now - began) * rate:
                break
            time.sleep(0.002)
    engine.commit()
    return done / (time.perf_counter() - began)


def small(events: int, workload: Workload) -> list[bytes]:
    """Blocks of about a thousand lines."""
    whole = b"".join(blocks(events, workload)).splitlines(keepends=True)
    return [b"".join(whole[at : at + 1000]) for at in range(0, len(whole), 1000)]


def serve(store: Path, events: int, rate: float, ready: Event, end: Event) -> None:
    """The process that counts."""
    lines = small(events, Workload(seed=7, start_us=int(time.time() * 1e6), rate=rate))
    engine = EmbeddedEngine(store, Definition.from_yaml(DEFINITION))
    engine.register([FEED])
    ready.set()
    feed(engine, lines, rate, end)
    engine.abandon()


def ask(store: Store, now_us: int, seconds: float, per_second: float) -> dict[str, Any]:
    """Ask the questions in turn; the times of each, and of those that came to a new epoch."""
    since, until = now_us - POINTS * MINUTE_US, now_us
    took: dict[str, list[float]] = {name: [] for name in QUESTIONS}
    fresh: list[float] = []
    points, epochs = {}, set()
    began, number = time.perf_counter(), 0
    while (now := time.perf_counter()) - began < seconds:
        if number > (now - began) * per_second:
            time.sleep(1 / per_second)
            continue
        name = list(QUESTIONS)[number % len(QUESTIONS)]
        before = store.epoch
        asked = time.perf_counter()
        answer = store.query("engagement", grain="1m", since=since, until=until, **QUESTIONS[name])
        spent = time.perf_counter() - asked
        took[name].append(spent)
        if answer.facts.epoch != before:
            fresh.append(spent)
        points[name] = len(answer)
        epochs.add(answer.facts.epoch)
        number += 1
    return {
        "queries": number,
        "epochs": len(epochs),
        "questions": {name: {"points": points[name], **summary(times)} for name, times in took.items()},
        "every": summary([one for times in took.values() for one in times]),
        "new_epoch": {"share": round(len(fresh) / number, 4), **summary(fresh)},
    }


def summary(times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=1000)
    names = {"p50_ms": cuts[499], "p99_ms": cuts[989], "max_ms": max(times)}
    return {name: round(value * 1e3, 3) for name, value in names.items()}


def fill(store: Path, events: int, now_us: int) -> float:
    """25 hours up to now; then as fast as it goes for a while: events per second with epochs of the live loop."""
    engine = EmbeddedEngine(store, Definition.from_yaml(DEFINITION))
    engine.register([FEED])
    span_us = POINTS * MINUTE_US
    for block in blocks(events, Workload(start_us=now_us - span_us, rate=events / (span_us / 1e6))):
        engine.feed(FEED, block, now_us)
    engine.commit()
    engine.checkpoint()
    sustained = feed(engine, small(events, Workload(seed=3, start_us=now_us, rate=1_000_000)), None, None)
    engine.close()
    return sustained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--per-second", type=float, default=1e9)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crossfoot-series-") as name:
        folder, now_us = Path(name) / "store", int(time.time() * 1e6) // MINUTE_US * MINUTE_US
        sustained = fill(folder, options.events, now_us)
        context = multiprocessing.get_context("spawn")
        ready, end = context.Event(), context.Event()
        events = int(sustained / 2 * (options.seconds + 10))
        counting = context.Process(target=serve, args=(folder, events, sustained / 2, ready, end))
        counting.start()
        ready.wait()
        store = Store.open(folder)
        ask(store, now_us, 2, options.per_second)
        found = ask(store, now_us, options.seconds, options.per_second)
        end.set()
        counting.join()
    result = {"workload": "series", "sustained_per_s": round(sustained), "rate_per_s": round(sustained / 2)}
    result |= {"seconds": options.seconds, "machine": describe(), **found}
    (options.out / "series.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: result[name] for name in ("rate_per_s", "queries", "epochs", "every", "new_epoch")}))


if __name__ == "__main__":
    main()
