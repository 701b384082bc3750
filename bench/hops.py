"""Each hop of the way alone, with single messages and with blocks of events, and the same lines from Kafka into cells.

A broker and a Pub/Sub server are started here, on the same machine: their CPU time stands beside that of the process
that is measured, which is this one. A hop is measured from its first commit to the one that holds everything. What
comes out at the end of the way is compared with what DuckDB makes of the lines, cell by cell, before any time is
printed. The server is of the benchmark's own: Google's emulator hands out one message each 10 ms and stream.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import duckdb_rival, kafka_rival
from bench.engagement import compare
from bench.gauge import Gauge, Rates, rounds
from bench.machine import describe
from bench.services import MANY, PROJECT, STAMPED, Services, services
from bench.way import PARTITIONS, Way, fill, write_lines
from crossfoot.clock import SystemClock
from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.generate import Workload, blocks
from crossfoot.services.live import LiveLoop, LiveWatch
from crossfoot.services.preprocess.job import job_of as job_of_preprocess
from crossfoot.services.preprocess.job import preprocess
from crossfoot.services.relay.job import job_of as job_of_relay
from crossfoot.services.relay.job import relay
from crossfoot.services.relay.state import RelayWatch
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.sources.live import Room
from crossfoot.sources.openers import openers_of

FORMS = {"single": False, "blocks": True}
STAGES = ("prepare_ns", "count_ns", "fold_ns", "commit_ns")


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
        fill(self.parts.broker.bootstrap, topic, made)
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
        is_last = turn == self.number - 1
        return self.prepare(lines, form, lines.prepared(form) + ("" if is_last else f".{turn}")).rates()

    def prepare(self, lines: Lines, form: str, to: str) -> Gauge:
        """All lines, to a topic."""
        self.parts.broker.need_topic(to, PARTITIONS, STAMPED)
        text = self.way.preprocess(lines.topic, to, FORMS[form], group_id=to)
        gauge = Gauge(self.parts, lines.events, lines.events)
        job = job_of_preprocess(load_text(text), self.parts.variables, once=True)
        found = preprocess(job, Settings(), LiveWatch(state=lambda state: gauge.saw(state.records)))
        held(found.totals.out == lines.events and found.totals.unaccounted == 0, "preprocess", found.totals)
        return gauge

    def relay(self, lines: Lines, form: str, turn: int) -> Rates:
        """Topic to Pub/Sub; nobody is subscribed."""
        return self._publish(lines.prepared(form), lines.events, f"relay-{turn}", None).rates()

    def pull(self, lines: Lines, form: str, turn: int) -> Rates:
        """Pub/Sub to cells, of what relay has published before."""
        name = lines.prepared(form)
        self._publish(name, lines.events, f"pull-{turn}", name)
        return self.count(lines, self.way.pulled(name), f"pull, {form}")

    def _publish(self, name: str, events: int, group: str, subscription: str | None) -> Gauge:
        """All messages of a topic, to a topic of the same name."""
        self.parts.broker.need_topic(f"{name}.dead", 1, STAMPED)
        self.parts.renew_pubsub()
        self.parts.pubsub.need_topic(PROJECT, name, subscription)
        messages = self.parts.broker.records(name)
        gauge = Gauge(self.parts, events, messages)
        job = job_of_relay(
            load_text(self.way.relay(name, name, group_id=f"{name}.{group}")), self.parts.variables, True
        )
        found = relay(job, Settings(), RelayWatch(state=lambda state: gauge.saw(state.totals.records)))
        totals = found.totals
        held((totals.out, totals.refused, totals.unaccounted) == (messages, 0, 0), "relay", totals)
        return gauge

    def count(self, lines: Lines, text: str, what: str, _turn: int = 0) -> Rates:
        """A source into cells, which are compared; the last checkpoint is not in the time."""
        store, settings, definition = self.parts.folder / "store", Settings(), load_text(text)
        gauge = Gauge(self.parts, lines.events, lines.events)
        watch = LiveWatch(state=lambda state: gauge.saw(state.records), stop=gauge.is_over)
        engine = EmbeddedEngine(store, definition)
        openers = openers_of(definition, Place(store, store), self.parts.variables)
        sources = [opener.open(Room(definition, store, settings, SystemClock())) for opener in openers]
        LiveLoop(engine, sources, settings, watch).run(once=False)
        found = engine.progress()
        for source in sources:
            source.close()
        engine.close()
        accounts = {name: records for name, records in found["accounts"].items() if records}
        held(accounts.keys() <= {"counted", "duplicate"} and sum(accounts.values()) >= lines.events, what, accounts)
        self.answers[what] = compare(store, lines.tables, approximate=False)["cells"]
        shutil.rmtree(store)
        return gauge.rates() | {stage: found["spent"][stage] / lines.events for stage in STAGES}


def held(is_so: bool, what: str, found: object) -> None:
    """An answer that is wrong ends the benchmark."""
    if not is_so:
        raise SystemExit(f"{what}: the accounts are not those that were expected: {found}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--rate", type=float, default=1e6, help="events per second of event time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    with services(MANY) as parts:
        hops, answers = measured(Bench(parts, options.rounds), options)
    given = {name: getattr(options, name) for name in ("events", "rounds")}
    result = {"workload": "hops", **given, "events_per_s_of_event_time": options.rate, "machine": describe()}
    (options.out / "hops.json").write_text(json.dumps({**result, "cells": answers, "hops": hops}, indent=1) + "\n")
    print(json.dumps(hops, indent=1))


def measured(bench: Bench, options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, int]]:
    """Each hop in both forms; each reads what the one before it has written."""
    many = bench.lines("many", options.events, options.rate)
    hops: dict[str, Any] = {"preprocess": {}, "relay": {}, "pull": {}, "kafka": {}}
    for hop in ("preprocess", "relay", "pull"):
        for form in FORMS:
            hops[hop][form] = bench.measure(f"{hop}, {form}", partial(getattr(bench, hop), many, form))
    texts = {"single": bench.way.raw("many"), "blocks": bench.way.prepared(many.prepared("blocks"))}
    for form, text in texts.items():
        hops["kafka"][form] = bench.measure(f"kafka, {form}", partial(bench.count, many, text, f"kafka, {form}"))
    rival = bench.measure("rival", lambda _: kafka_rival.read(bench.parts, "many", PARTITIONS, options.events))
    return hops | {"rival": {"single": rival}}, bench.answers


if __name__ == "__main__":
    main()
