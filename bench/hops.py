"""Each hop of the way alone, with single messages and with blocks of events, and the same lines from Kafka into cells.

Broker and Pub/Sub emulator are started here, on the same machine: their CPU time stands beside that of the process that
is measured, which is this one. A hop is measured from its first commit to the one that holds everything. What comes out
at the end of the way is compared with what DuckDB makes of the lines, cell by cell, before any time is printed. The
emulator holds what was published in memory, and looks through all that waits at each turn: so few single messages go
through it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import duckdb_rival
from bench.engagement import compare
from bench.gauge import Gauge, Rates, rounds
from bench.machine import describe
from bench.services import PROJECT, STAMPED, Services, services
from bench.way import PARTITIONS, Way, fill, write_lines
from crossfoot.definition.load import load_text
from crossfoot.generate import Workload, blocks
from crossfoot.services.live import LiveJob, LiveWatch, run_live
from crossfoot.services.preprocess.job import job_of as preprocess_job
from crossfoot.services.preprocess.job import preprocess
from crossfoot.services.relay.job import job_of as relay_job
from crossfoot.services.relay.job import relay
from crossfoot.services.relay.state import RelayWatch
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.sources.openers import openers_of

FORMS = {"single": False, "blocks": True}
STREAMS = 64
"""The emulator hands a message to each stream in turn, never two at once."""


@dataclass(frozen=True)
class Lines:
    """Lines in a topic of their own, and the tables that DuckDB makes of them."""

    topic: str
    events: int
    tables: Path

    def prepared(self, form: str) -> str:
        """The topic of what they are prepared to."""
        return f"{self.topic}.{form}"


class Bench:
    """The measurements, each of which leaves what the next one needs."""

    def __init__(self, parts: Services, number: int) -> None:
        self.parts = parts
        self.number = number
        self.way = Way(parts.broker.bootstrap)
        self.answers: dict[str, int] = {}

    def lines(self, topic: str, events: int, rate: float) -> Lines:
        """Seeded lines of just now: as a file for DuckDB, and in a topic."""
        self.parts.broker.need_topic(topic, PARTITIONS, STAMPED)
        start_us = time.time_ns() // 1000 - int(events / rate * 1e6)
        made = [line for block in blocks(events, Workload(start_us=start_us, rate=rate)) for line in block.splitlines()]
        fill(self.parts, topic, made)
        file, tables = self.parts.folder / f"{topic}.jsonl", self.parts.folder / f"{topic}.duckdb"
        write_lines(file, made)
        duckdb_rival.main(str(file), str(tables), "count(DISTINCT user)")
        file.unlink()
        return Lines(topic, events, tables)

    def measure(self, what: str, once: Callable[[int], Rates]) -> dict[str, Any]:
        return rounds(self.number, once, lambda text: print(f"{what}: {text}", file=sys.stderr))

    # The hops.

    def preprocess(self, lines: Lines, form: str, turn: int) -> Rates:
        """Topic to topic; the last round's is the one that is read on."""
        to = lines.prepared(form) if turn == self.number - 1 else f"{lines.prepared(form)}.{turn}"
        self.parts.broker.need_topic(to, PARTITIONS, STAMPED)
        text = self.way.preprocess(lines.topic, to, FORMS[form], group_id=to)
        gauge = Gauge(self.parts, lines.events, lines.events)
        job = preprocess_job(load_text(text), self.parts.variables, once=True)
        found = preprocess(job, Settings(), LiveWatch(state=lambda state: gauge.saw(state.records)))
        held(found.totals.out == lines.events and found.totals.unaccounted == 0, "preprocess", found.totals)
        return gauge.rates()

    def relay(self, lines: Lines, form: str, turn: int) -> Rates:
        """Topic to Pub/Sub; nobody pulls meanwhile."""
        name = lines.prepared(form)
        self.parts.broker.need_topic(f"{name}.dead", 1, STAMPED)
        self.parts.renew_pubsub()
        self.parts.pubsub.need_topic(PROJECT, name, name)
        messages = self.parts.broker.records(name)
        gauge = Gauge(self.parts, lines.events, messages)
        job = relay_job(
            load_text(self.way.relay(name, name, group_id=f"{name}.relay.{turn}")), self.parts.variables, once=True
        )
        watch = RelayWatch(state=lambda state: gauge.saw(sum(state.done.values())))
        found = relay(job, Settings(), watch)
        done = tuple(found.total(account) for account in ("published", "dead", "unaccounted"))
        held(done == (messages, 0, 0), "relay", done)
        return gauge.rates()

    def pull(self, lines: Lines, form: str, turn: int) -> Rates:
        """Pub/Sub to cells, of what relay has published before."""
        self.relay(lines, form, self.number + turn)
        return self.count(lines, self.way.pulled(lines.prepared(form)), "pull")

    def count(self, lines: Lines, text: str, what: str) -> Rates:
        """A source into cells, which are compared."""
        store = self.parts.folder / "store"
        gauge = Gauge(self.parts, lines.events, lines.events)
        definition = load_text(text)
        sources = openers_of(definition, Place(store, store), self.parts.variables)
        watch = LiveWatch(state=lambda state: gauge.saw(state.records), stop=gauge.is_over)
        accounts = run_live(LiveJob(definition, store, sources), Settings(pubsub_streams=STREAMS), watch).totals
        held(accounts["counted"] + accounts["duplicate"] >= lines.events == gauge.moments[-1].done, what, accounts)
        self.answers[what] = compare(store, lines.tables, approximate=False)["cells"]
        shutil.rmtree(store)
        return gauge.rates()


def held(is_so: bool, what: str, found: object) -> None:
    """An answer that is wrong ends the benchmark."""
    if not is_so:
        raise SystemExit(f"{what}: the accounts are not those that were expected: {found}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--singles", type=int, default=20_000, help="events through the emulator one by one")
    parser.add_argument("--rate", type=float, default=1e6, help="events per second of event time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    with services(with_pubsub=True) as parts:
        hops, answers = measured(Bench(parts, options.rounds), options)
    given = {name: getattr(options, name) for name in ("events", "singles", "rounds")}
    result = {"workload": "hops", **given, "events_per_s_of_event_time": options.rate, "machine": describe()}
    (options.out / "hops.json").write_text(json.dumps({**result, "cells": answers, "hops": hops}, indent=1) + "\n")
    print(json.dumps(hops, indent=1))


def measured(bench: Bench, options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, int]]:
    """Each hop in both forms."""
    many = bench.lines("many", options.events, options.rate)
    few = bench.lines("few", options.singles, options.rate)
    hops: dict[str, Any] = {"preprocess": {}, "relay": {}, "pull": {}, "kafka": {}}
    for form in FORMS:
        hops["preprocess"][form] = bench.measure(
            f"preprocess, {form}", lambda turn, f=form: bench.preprocess(many, f, turn)
        )
    bench.preprocess(few, "single", bench.number - 1)
    for form, lines in {"single": few, "blocks": many}.items():
        hops["relay"][form] = bench.measure(f"relay, {form}", lambda turn, f=form, on=lines: bench.relay(on, f, turn))
        hops["pull"][form] = bench.measure(f"pull, {form}", lambda turn, f=form, on=lines: bench.pull(on, f, turn))
    texts = {"single": bench.way.raw("many"), "blocks": bench.way.prepared(many.prepared("blocks"))}
    for form, text in texts.items():
        hops["kafka"][form] = bench.measure(
            f"kafka, {form}", lambda _, t=text, f=form: bench.count(many, t, f"kafka, {f}")
        )
    return hops, bench.answers


if __name__ == "__main__":
    main()
