"""Shards at several sizes, measured in one process, beside what the model says; writes docs/scale.md.

    python -m bench.scale

For each size the engagement workload is split, counted and committed by shards; state, rows, writes and bytes on the
way are counted as they leave. Then from 4 to 64 shards, with one hot item, and with events spread over a day.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.figures import RESULTS, machine_line, table
from bench.machine import describe
from bench.scale_model import Load, cost, engagement, steady
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition
from crossfoot.engines.shard import Shard, ShardState, Splitter
from crossfoot.generate import Workload, blocks

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
RESULT = RESULTS / "scale.json"
SIZES = ((40_000, 4), (160_000, 16), (640_000, 64))
SHARDS = (4, 16, 64)
COMMITS, BLOCK_LINES, RATE = 8, 4_000, 2_000.0
NAMES = {
    "id_bytes": "ids in the state, bytes",
    "cell_bytes": "cells in the state, bytes",
    "rows": "values of cells in Bigtable",
    "row_bytes": "their bytes",
    "writes": "writes to Bigtable",
    "block_bytes": "bytes between splitting and shards",
}
TWITTER = 400e9 / 86_400


@dataclass(frozen=True, slots=True)
class Measured:
    """In all shards together; CPU of splitting, counting and committing."""

    events: int
    shards: int
    ns_per_event: int
    id_bytes: int
    cell_bytes: int
    rows: int
    row_bytes: int
    writes: int
    block_bytes: int


def definition() -> Definition:
    """The engagement workload with a received time, so that shards have what to bound."""
    text = Path(__file__).with_name("engagement.yaml").read_text(encoding="utf-8")
    return load_text(
        text.replace("received: none", "received: {field: received_ms, unit: ms}") + "accept: {lateness: 2d}\n"
    )


class Shards:
    """All shards of a definition, in this process."""

    def __init__(self, made: Definition, shards: int) -> None:
        self._splitter = Splitter(made, shards)
        self._shards = [Shard.new(made, number, shards) for number in range(shards)]
        self._states = [ShardState() for _ in range(shards)]
        self._last: tuple[int | None, int | None] = (None, None)
        self._first = 0
        self.block_bytes = self.writes = 0

    def count(self, lines: bytes) -> None:
        split = self._splitter.lines("events", lines, 1 << 60, self._first, self._last)
        self._first += split.records
        self._last = (split.last_t_us, None)
        for number, block in split.blocks.items():
            self.block_bytes += len(block)
            self._shards[number].apply(block, split.received_us or 0)

    def commit(self) -> None:
        for shard, state in zip(self._shards, self._states, strict=True):
            state.add(shard.commit())
            self.writes += sum(cells.num_rows for *_, cells in shard.changes())

    def measured(self, events: int, cpu_s: float) -> Measured:
        cells = [cells for shard in self._shards for *_, cells in shard.changes(0)]
        partials = [cells.column("__partial") for cells in cells]
        return Measured(
            events=events,
            shards=len(self._shards),
            ns_per_event=round(cpu_s * 1e9 / events),
            id_bytes=sum(len(part) for state in self._states for parts in state.ids.values() for part in parts),
            cell_bytes=sum(len(part) for state in self._states for part in state.cells),
            rows=sum(len(each) for each in partials),
            row_bytes=sum(len(value.as_buffer()) for each in partials for value in each),
            writes=self.writes,
            block_bytes=self.block_bytes,
        )


def measure(events: int, shards: int, *, is_hot: bool = False, rate: float = RATE) -> Measured:
    lines = b"".join(blocks(events, Workload(received=True, rate=rate))).splitlines(keepends=True)
    if is_hot:
        lines = [hot(line, number) for number, line in enumerate(lines)]
    all_of, since, began = Shards(definition(), shards), 0, time.process_time()
    for at in range(0, events, BLOCK_LINES):
        all_of.count(b"".join(lines[at : at + BLOCK_LINES]))
        since += BLOCK_LINES
        if since >= events // COMMITS:
            all_of.commit()
            since = 0
    if since:
        all_of.commit()
    return all_of.measured(events, time.process_time() - began)


def hot(line: bytes, number: int) -> bytes:
    """99 of 100 events are of one item."""
    return line if number % 100 == 0 else line.replace(b'"item":', b'"item":1,"other":')


def load_of(events: int, shards: int, *, hot_item: bool = False) -> Load:
    distinct_s = events / RATE * 0.92
    return Load(RATE / 0.92, distinct_s, shards, COMMITS, engagement(hot=hot_item))


def run() -> dict[str, Any]:
    sizes = [compared(measure(*size), load_of(*size)) for size in SIZES]
    costs = [asdict(measure(160_000, shards)) for shards in SHARDS]
    one_item = [
        compared(measure(160_000, shards, is_hot=True), load_of(160_000, shards, hot_item=True)) for shards in SHARDS
    ]
    late = asdict(measure(160_000, 16, rate=160_000 / 86_400))
    return {
        "workload": "scale",
        "sizes": sizes,
        "shards": costs,
        "hot": one_item,
        "spread": late,
        "machine": describe(),
    }


def compared(found: Measured, load: Load) -> dict[str, Any]:
    said = asdict(cost(load))
    return {"measured": asdict(found), "model": {name: round(said[name]) for name in NAMES}}


def page(result: dict[str, Any]) -> str:
    head = """# Scale

Written by `python -m bench.scale`. What a definition costs on many machines can be said before any of them is paid for:
a model (`bench/scale_model.py`) knows the sizes of what
[shards](decisions/0031-a-shard-is-the-counter-without-its-files.md) write and the distributions of the engagement
workload (four dimension sets, three grains, distinct users). Here it stands beside measured runs, in one process, where
every byte and row that leaves a shard is counted.

The same of a definition of your own, whose dimensions have so many values:

    python -m bench.scale_of crossfoot.yaml --rate 5000 --values page=100000 --values kind=5 --shards 64
"""
    return "\n".join([head, _sizes(result), _shards(result), _large(result), machine_line(result), ""])


def _sizes(result: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("", *(_size(each["measured"]) for each in result["sizes"]))]
    for name, said in NAMES.items():
        rows.append((said, *(_pair(each, name) for each in result["sizes"])))
    worst = max(abs(each["model"][name] / each["measured"][name] - 1) for each in result["sizes"] for name in NAMES)
    return f"""## The model against runs

Measured, and in brackets the model's figure as a share of it. The largest error is {worst:.0%}.

{table(rows)}
"""


def _size(found: dict[str, Any]) -> str:
    return f"{found['events']:,} events, {found['shards']} shards"


def _pair(each: dict[str, Any], name: str) -> str:
    measured, model = each["measured"][name], each["model"][name]
    return f"{measured:,} ({model / measured:.0%})"


def _shards(result: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [
        ("160,000 events", "CPU ns per event", *(NAMES[name] for name in ("cell_bytes", "rows", "writes")))
    ]
    named = [(f"{each['shards']} shards", each) for each in result["shards"]]
    named += [(f"one item has 99 %, {each['measured']['shards']} shards", each["measured"]) for each in result["hot"]]
    named.append(("spread over a day, 16 shards", result["spread"]))
    for name, each in named:
        rows.append((name, *(f"{each[key]:,}" for key in ("ns_per_event", "cell_bytes", "rows", "writes"))))
    return f"""## More shards, a hot item, other times

A hot cell has a value in each shard; a rare one in a single shard. So more shards cost rows, but not as many times more
as there are shards. Events are placed by their ids, not by what they say: a hot item is as well spread as any other.

{table(rows)}
"""


def _large(result: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [
        ("ids are kept for", "shards", "ids", "in the state", "in memory", "of them in a shard")
    ]
    for text, horizon_s, shards in (("an hour", 3_600, 256), ("a day", 86_400, 2_048), ("nine days", 777_600, 16_384)):
        each = steady(TWITTER, horizon_s, shards, 10, engagement())
        rows.append(
            (
                text,
                f"{shards:,}",
                f"{each.ids / 1e9:,.0f} billion",
                _tera(each.id_bytes),
                _tera(each.memory_bytes),
                f"{each.memory_bytes / shards / 1e9:.1f} GB",
            )
        )
    writes = [(every, steady(TWITTER, 86_400, 2_048, every, engagement()).writes_s) for every in (1, 10, 60)]
    told: list[tuple[str, ...]] = [("shards commit every", "writes per second", "nodes at 10,000 rows a second each")]
    told += [(f"{every} s", f"{each:,.0f}", f"{each / 1e4:,.0f}") for every, each in writes]
    ns = result["shards"][-1]["ns_per_event"]
    blocks_s = steady(TWITTER, 1, 1, 1, engagement()).block_bytes_s
    return f"""## A worked example: 400 billion events a day

That is {TWITTER / 1e6:.1f} million a second, about 1 GB/s of JSON; in blocks {blocks_s / 1e6:,.0f} MB/s go to
the shards. How long ids are kept decides how much state there is:

{table(rows)}

Splitting, counting and committing took {ns:,} ns of CPU per event above (64 shards, small commits), which would be
{TWITTER * ns / 1e9:,.0f} cores at this rate. What is written to Bigtable goes by how often shards commit, since a
cell that changes often is written once a commit:

{table(told)}

A node's 10,000 rows a second is the planning figure that is usual for Bigtable on solid-state storage. Raw events in
BigQuery are about 200 bytes a row before compression, {TWITTER * 200 * 86_400 / 1e12:,.0f} TB a day. These last figures
are computed, not measured: nothing of this size was run.
"""


def _tera(size: float) -> str:
    return f"{size / 1e12:,.1f} TB"


def write() -> None:
    """The page, of the results that are there."""
    PAGE.write_text(page(json.loads(RESULT.read_text())))


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    RESULT.write_text(json.dumps(run(), indent=2) + "\n")
    write()
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
