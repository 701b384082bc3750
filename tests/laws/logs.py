"""Random logs: small ids, times around a day's edge, copies, faults, partitions that come, go and come back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition
from crossfoot.event import PositionedRecord
from tests.engines import Commit, Feed, FeedRecords, Finish, Heartbeat, Register, Step
from tests.times import us

PARTITIONS = ("a", "b", "c")
BASE_S = us("2023-03-25T22:30") // 1_000_000  # half an hour before the shortest day in Paris

MEASURES = """{events: count, values: count(v), total: sum(v), cost: sum(p), least: min(v), most: max(p),
      mean: mean(v), members: distinct(k), middle: "quantile(v, 0.5)"}"""
STAMPED = f"""
crossfoot: 1
namespace: laws
event:
  time: {{field: t, unit: s}}
  received: {{field: r, unit: s}}
  id: id
  where: not ping
  fields:
    ping: {{path: ping, type: boolean, default: false}}
    k: k
    v: {{path: v, type: integer}}
    p: {{path: p, type: decimal(2)}}
accept: {{lateness: 30m, horizon: 40m, bucket: 5m, future: 2m, out_of_order: 10s}}
metrics:
  all:
    by: [[], [k], [k, v]]
    measures: {MEASURES}
    grains: [1m, 1h, 1d Europe/Paris, all]
    retain: {{1m: 61m}}
  some:
    where: "v > 0"
    by: [[v]]
    measures: {{events: count, mean: mean(p)}}
    grains: [1d]
"""


def stamped() -> Definition:
    """Every rule has something to do."""
    return load_text(STAMPED)


def raised() -> Definition:
    """`stamped` with more lateness and memory; the same store goes on with it."""
    return load_text(STAMPED.replace("lateness: 30m, horizon: 40m", "lateness: 1h, horizon: 2h"))


def carried() -> Definition:
    """Stamps of an earlier service, which may be held for four hours on the way."""
    text = STAMPED.replace("{field: r, unit: s}", "carried").replace("horizon: 40m", "transport: 4h")
    return load_text(text.replace("retain: {1m: 61m}", "retain: {1m: 5h}"))


def unstamped() -> Definition:
    """Without clocks, so nothing depends on the order."""
    lines = [line for line in STAMPED.splitlines() if not line.startswith(("  received:", "accept:", "    retain:"))]
    return load_text("\n".join(lines))


def bounded() -> Definition:
    """`stamped`, with a row `(other)` in most sets."""
    return load_text(
        STAMPED.replace(
            "    measures: {events: count, values", "    values_max: 2\n    measures: {events: count, values"
        )
    )


GARBAGE = st.sampled_from(
    [b"nonsense", b"[]", b"{", b'{"ping": true}', b'{"ping": 1}', b"\xff", b'{"t": 1e300}', b"{}"]
)
# Faults are rare, so that most records come as far as clocks and memory.
KEYS = st.sampled_from([*["x", "y", "", "null", None, "é", 1, True] * 3, {}])
VALUES = st.sampled_from([*[0, 1, -1, 7, None, 2**62, -(2**62), 1.0] * 3, "1"])
PRICES = st.sampled_from([*["0.005", "0.015", "-1", "1e2", "null", '"2.5"'] * 3, "9e17"])
MINUTES = st.sampled_from([*[0, 1, 2, 5, 20, 40] * 8, 61, 130])
DELAYS = st.sampled_from([*[0, 1, 59, 60, 600, 1800] * 2, 1801, 3000, 8000, -120, -121])


def record(t: int, r: int, identity: int, k: object, v: object, p: str) -> bytes:
    """A line without its end; `p` is a literal."""
    body = json.dumps({"t": BASE_S + t, "r": BASE_S + r, "id": identity, "k": k, "v": v}, ensure_ascii=False)
    return body[:-1].encode() + b', "p": ' + p.encode() + b"}"


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Any record, one in eight no event: few ids, few times and few contents, so that copies and conflicts are many."""
    if draw(st.sampled_from([False] * 7 + [True])):
        return draw(GARBAGE)
    t = draw(MINUTES) * 60
    plain = draw(st.booleans())
    k, v, p = ("x", 1, "1") if plain else (draw(KEYS), draw(VALUES), draw(PRICES))
    return record(t, t + draw(DELAYS), draw(st.integers(0, 6)), k, v, p)


@st.composite
def honest_records(draw: st.DrawFn) -> bytes:
    """Records whose content and time are those of their id; only the stamp differs from copy to copy."""
    number = draw(st.integers(0, 12))
    t, keys, values = number * 700 % 4000, ["x", "y", "", None, "é"], [0, 1, -1, 7, None]
    return record(t, t + draw(st.integers(0, 5000)), number, keys[number % 5], values[number % 5], str(number / 4))


@st.composite
def arrivals(draw: st.DrawFn, lines: list[bytes]) -> list[Step]:
    """The records in any order over any partitions; where they are counted time goes on, and each came with its `r`."""
    steps: list[Step] = []
    positions: dict[str, int] = {}
    for number, line in enumerate(draw(st.permutations(lines))):
        partition = draw(st.sampled_from(PARTITIONS))
        positions[partition] = positions.get(partition, -1) + draw(st.integers(1, 3))
        stamp_us = (BASE_S + 9000 + number * 100) * 10**6
        record = PositionedRecord(line, positions[partition], stamp_us, json.loads(line)["r"] * 10**6)
        steps.append(FeedRecords(partition, (record,)))
    return steps


FEEDS = st.builds(
    lambda partition, lines: Feed(partition, b"".join(line + b"\n" for line in lines), len(lines)),
    st.sampled_from(PARTITIONS),
    st.lists(records(), min_size=1, max_size=8),
)
HEARTBEATS = st.builds(
    Heartbeat,
    st.sampled_from(PARTITIONS),
    st.sampled_from([0, 10, 40, 130, 250]).map(lambda m: (BASE_S + m * 60) * 10**6),
)
FINISHES = st.builds(Finish, st.sampled_from(PARTITIONS))
REGISTERS = st.lists(st.sampled_from(PARTITIONS), unique=True, max_size=2).map(lambda names: [Register(tuple(names))])


@st.composite
def logs(draw: st.DrawFn) -> list[Step]:
    """Partitions, then feeds with heartbeats and finishes between them."""
    kinds = draw(st.lists(st.sampled_from([*[FEEDS] * 5, HEARTBEATS, FINISHES]), min_size=3, max_size=14))
    steps = [draw(kind) for kind in kinds]
    return possible([*draw(REGISTERS), *steps])


def possible(steps: Iterable[Step]) -> list[Step]:
    """Without heartbeats and finishes of partitions that are not live."""
    live: set[str] = set()
    kept: list[Step] = []
    for step in steps:
        if isinstance(step, Register):
            live |= set(step.partitions)
        elif isinstance(step, Feed):
            live.add(step.partition)
        if not isinstance(step, Heartbeat | Finish) or step.partition in live:
            kept.append(step)
        if isinstance(step, Finish):
            live.discard(step.partition)
    return kept


def one_by_one(steps: Iterable[Step]) -> list[Step]:
    """The same log, a line a feed."""
    return [single for step in steps for single in _lines(step)]


def _lines(step: Step) -> list[Step]:
    if not isinstance(step, Feed):
        return [step]
    return [replace(step, data=line, records=1) for line in step.data.splitlines(keepends=True)]


@st.composite
def with_commits(draw: st.DrawFn, steps: list[Step]) -> list[Step]:
    """The same log with epochs anywhere."""
    places = draw(st.lists(st.integers(0, len(steps)), max_size=6))
    out = list(steps)
    for place in sorted(places, reverse=True):
        out.insert(place, Commit())
    return out
