"""What many shards cost, on paper: bytes of state, rows and writes, bytes on the way, places to run.

The model knows the sizes of what shards write, and how events are spread: that of the engagement workload (items by
Zipf, kinds, countries, clients, lateness), or of a definition whose dimensions have so many values, by Zipf
(`bench.scale_of`). A cell that gets n events has S (1 - exp(-n / S)) values in S shards: most cells of a long tail are
in one shard, hot ones in all. `bench.scale` holds it against measured runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

ID_BYTES = 28
"""Of a remembered id in a shard's state: 16 of id, 4 of digest, time, version."""
ID_MEMORY_BYTES = 32 / 0.52
"""Of a remembered id in the memory of the shard's image: a place of 32 bytes, in pieces filled to 52 % on average."""
GROUP_BYTES, ROW_BYTES, MEMBER_BYTES = 13.0, 12.0, 6.5
"""Of a commit's cells: a group that it names, a row, a distinct member beyond the first."""
PARTIAL_BYTES, PARTIAL_MEMBER_BYTES = 10.0, 4.5
"""Of a cell's partial value as it leaves."""
BLOCK_BYTES = 69.0
"""Of an event in a block on its way to a shard."""
EXACT = 1000
"""Distinct members that a cell keeps; above it, a sketch of 4 KiB."""
SKETCH_BYTES = 4096
MEBIBYTE = 1 << 20
MINUTE = 60.0

ITEMS, COUNTRIES, CLIENTS = 1_000_000, 24, 5
KINDS = ((1, 0.8), (7, 0.2 / 7))
LATE_S, TAIL = 0.97 * 1.0 + 0.029 * 31.0, 0.001
"""Mean lateness in seconds of all events but the tail; the tail's share."""
TAIL_S = 86_340.0

Groups = list[tuple[float, float]]
"""How many values, and the share of events of each."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimension sets with their values, those of them that are folded themselves, and the seconds of each grain."""

    sets: dict[str, Groups]
    bases: tuple[str, ...]
    grains: tuple[float, ...]
    distinct: bool = True

    @property
    def tables(self) -> list[tuple[Groups, float]]:
        """Every set at every grain."""
        return [(groups, width) for groups in self.sets.values() for width in self.grains]


@dataclass(frozen=True, slots=True)
class Load:
    """Events per second, for how long, in how many shards that commit how often, and how they are spread."""

    rate: float
    seconds: float
    shards: int
    commits: int
    shape: Shape
    copies: float = 0.08

    @property
    def events(self) -> float:
        """Events that count."""
        return self.rate * self.seconds * (1 - self.copies)


@dataclass(frozen=True, slots=True)
class Steady:
    """A load that does not end, at its horizon: ids in the state and in memory, and what moves each second."""

    ids: float
    id_bytes: float
    memory_bytes: float
    block_bytes_s: float
    writes_s: float


def steady(rate: float, horizon_s: float, shards: int, every_s: float, shape: Shape, copies: float = 0.08) -> Steady:
    """Of a load of `rate` events per second whose shards commit every so many seconds."""
    step = Load(rate, every_s, shards, 1, shape, copies)
    written = sum(_touched(step, groups, shards) for groups, _ in shape.tables)
    ids = rate * (1 - copies) * horizon_s
    return Steady(ids, ids * ID_BYTES, ids * ID_MEMORY_BYTES, rate * BLOCK_BYTES, written / every_s)


def _touched(load: Load, groups: Groups, shards: float) -> float:
    """Values of cells that the events of a step change, which lie in one window."""
    return sum(many * shards * -math.expm1(-load.events * share / shards) for many, share in groups)


def zipf(n: int) -> Groups:
    """P(k) = ln(1 + 1/k) / ln(n + 1); far ranks together, as they are nearly alike."""
    found: Groups = []
    low = 1
    while low <= n:
        high = min(n, max(low, int(low * 1.05)))
        many = high - low + 1
        found.append((many, math.log((high + 1) / low) / math.log(n + 1) / many))
        low = high + 1
    return found


def product(one: Groups, other: Groups) -> Groups:
    return [(a * b, p * q) for a, p in one for b, q in other]


def engagement(*, hot: bool = False) -> Shape:
    """The engagement workload; `hot`: one item has 99 % of the events."""
    items = [(1.0, 0.99), *[(many, 0.01 * share) for many, share in zipf(ITEMS)]] if hot else zipf(ITEMS)
    kinds = [(float(many), share) for many, share in KINDS]
    sets = {
        "item": items,
        "item, kind": product(items, kinds),
        "country, client": product(zipf(COUNTRIES), zipf(CLIENTS)),
        "": [(1.0, 1.0)],
    }
    return Shape(sets, ("item, kind", "country, client"), (MINUTE, 3600.0, 86_400.0))


def windows(load: Load, width_s: float) -> Iterator[tuple[float, float]]:
    """How many windows, and the events of each: those of the run, the one before it, and the day of late ones."""
    per_second = load.events / load.seconds
    whole, rest = divmod(load.seconds, width_s)
    if whole:
        yield whole, per_second * width_s * (1 - TAIL)
    early = min(LATE_S, width_s) * per_second
    if rest:
        yield 1, max(rest * per_second * (1 - TAIL) - (0 if whole else early), 0)
    yield 1, early
    steps = max(1, int(TAIL_S // width_s))
    step = 0
    while step < steps:
        # Windows far back are nearly alike: some together.
        many = min(steps - step, 1 + step // 16)
        share = math.sqrt(min(1, (step + many) * width_s / TAIL_S)) - math.sqrt(step * width_s / TAIL_S)
        yield many, load.events * TAIL * share / many
        step += many


def rows(load: Load, groups: Groups, width_s: float, shards: float, part: float = 1.0) -> float:
    """Values of cells in all shards; `part`: of the events only so much."""
    return sum(
        count * many * shards * -math.expm1(-events * part * share / shards)
        for count, events in windows(load, width_s)
        for many, share in groups
    )


def members(load: Load, groups: Groups, width_s: float, shards: float, part: float = 1.0) -> float:
    """Distinct members beyond the first of each cell, as far as they are kept; a sketch stands for some hundred."""
    total = 0.0
    for count, events in windows(load, width_s):
        for many, share in groups:
            in_cell = events * part * share / shards
            there = -math.expm1(-in_cell)
            kept = in_cell if in_cell / max(there, 1e-12) <= EXACT else SKETCH_BYTES / MEMBER_BYTES
            total += count * many * shards * max(kept - there, 0)
    return total


@dataclass(frozen=True, slots=True)
class Cost:
    """In all shards together."""

    id_bytes: float
    cell_bytes: float
    rows: float
    row_bytes: float
    writes: float
    block_bytes: float


def cost(load: Load) -> Cost:
    """Of a run that begins with nothing."""
    tables = load.shape.tables
    stored = sum(rows(load, groups, width, load.shards) for groups, width in tables)
    inside = sum(members(load, groups, width, load.shards) for groups, width in tables) if load.shape.distinct else 0.0
    step = replace(load, seconds=load.seconds / load.commits)
    written = load.commits * sum(rows(step, groups, width, load.shards) for groups, width in tables)
    return Cost(
        id_bytes=load.events * ID_BYTES,
        cell_bytes=_cells(load),
        rows=stored,
        row_bytes=stored * PARTIAL_BYTES + inside * PARTIAL_MEMBER_BYTES,
        writes=written,
        block_bytes=load.rate * load.seconds * BLOCK_BYTES,
    )


def _cells(load: Load) -> float:
    """What is appended by the commits, written anew where twice the live bytes, and a mebibyte, came to it."""
    step = replace(load, seconds=load.seconds / load.commits)
    one = _bytes(step) / load.shards
    kept = appended = 0.0
    for number in range(1, load.commits + 1):
        appended += one
        live = _bytes(replace(load, seconds=load.seconds * number / load.commits)) / load.shards
        if appended > 2 * live + MEBIBYTE:
            kept, appended = live, 0.0
    return (kept + appended) * load.shards


def _bytes(load: Load) -> float:
    """Of the finest cells."""
    found, finest = 0.0, min(load.shape.grains)
    for name in load.shape.bases:
        base = load.shape.sets[name]
        there = rows(load, base, finest, load.shards)
        found += rows(load, base, 1e9, load.shards) * GROUP_BYTES + there * ROW_BYTES
        found += members(load, base, finest, load.shards) * MEMBER_BYTES if load.shape.distinct else 0.0
    return found
