"""What a definition of your own would cost in many shards, by the model of `bench.scale_model`.

    python -m bench.scale_of DEFINITION --rate 5000 --values page=100000 --values kind=5 [--shards 64] [--every 10]

`--values`: how many values a dimension has, the first ones far more often than the last (Zipf). `--rate`: events per
second, copies among them. `--every`: seconds between the commits of a shard. How long ids and windows are kept is what
the definition says; ids that are never forgotten, and windows without `retain`, are those of `--days`.
"""

from __future__ import annotations

import argparse
from functools import reduce
from pathlib import Path

from bench.scale_model import Groups, Load, Shape, Steady, cost, product, steady, zipf
from crossfoot.definition.model import DAY_US, SECOND_US, Definition, Grain, Metric
from crossfoot.definition.plan import plan

NODE_ROWS_S = 10_000
"""Rows a second of a Bigtable node on solid-state storage, the planning figure."""
EVENT_BYTES = 200
"""Of a raw event in BigQuery, about, before compression."""
SECONDS = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "mo": 2_629_746.0, "all": 1e12}


def shape(definition: Definition, metric: Metric, values: dict[str, int]) -> Shape:
    """How the events of a metric are spread; ValueError names a dimension whose number of values is not said."""
    names = sorted({name for names in metric.sets for name in names})
    if lacking := [name for name in names if name not in values]:
        raise ValueError(f"how many values does {lacking[0]} have? say --values {lacking[0]}=1000")
    one: Groups = [(1.0, 1.0)]
    sets = {", ".join(names): reduce(product, (zipf(values[name]) for name in names), one) for names in metric.sets}
    planned = next(each for each in plan(definition).metrics if each.name == metric.name)
    grains = tuple(SECONDS[grain.unit] * grain.n for grain in metric.grains)
    distinct = any(measure.kind == "distinct" for measure in metric.measures)
    return Shape(sets, tuple(", ".join(names) for names in planned.folded), grains, distinct)


def report(definition: Definition, values: dict[str, int], given: argparse.Namespace) -> list[tuple[str, str]]:
    """Lines of what it costs, and how much."""
    accept, day_s = definition.accept, DAY_US / SECOND_US
    forgotten = accept.horizon_us is not None
    kept_s = (accept.horizon_us + accept.bucket_us) / SECOND_US if accept.horizon_us is not None else given.days * day_s
    found = []
    writes = rows = 0.0
    flow: Steady | None = None
    for metric in definition.metrics:
        spread = shape(definition, metric, values)
        flow = steady(given.rate, kept_s, given.shards, given.every, spread, given.copies)
        writes += flow.writes_s
        for grain, width in zip(metric.grains, spread.grains, strict=True):
            held = Load(given.rate, _kept_s(grain, given.days), given.shards, 1, spread, given.copies)
            one = Shape(spread.sets, spread.bases, (width,), spread.distinct)
            rows += cost(Load(held.rate, held.seconds, held.shards, 1, one, held.copies)).rows
    assert flow is not None
    kept = "the horizon" if forgotten else f"{given.days:g} d"
    found.append((f"ids of {kept}", f"{flow.ids:,.0f}"))
    found.append(("their state, MB in each shard", f"{flow.id_bytes / given.shards / 1e6:,.1f}"))
    found.append(("their memory, MB in each shard", f"{flow.memory_bytes / given.shards / 1e6:,.1f}"))
    found.append(("MB a second between splitting and shards", f"{flow.block_bytes_s / 1e6:,.2f}"))
    found.append(("values of cells in Bigtable", f"{rows:,.0f}"))
    found.append(("writes a second to Bigtable", f"{writes:,.0f}"))
    found.append(("nodes for them", f"{max(1, writes / NODE_ROWS_S):,.0f}"))
    raw = given.rate * EVENT_BYTES * day_s
    found.append(("GB of raw events in BigQuery a day, before compression", f"{raw / 1e9:,.1f}"))
    return found


def _kept_s(grain: Grain, days: float) -> float:
    return days * DAY_US / SECOND_US if grain.retain_us is None else grain.retain_us / SECOND_US


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("definition", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--values", action="append", default=[], metavar="DIMENSION=NUMBER")
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--copies", type=float, default=0.08)
    given = parser.parse_args()
    values = {name: int(number) for name, _, number in (each.partition("=") for each in given.values)}
    try:
        lines = report(Definition.from_yaml(given.definition), values, given)
    except ValueError as error:
        parser.error(str(error))
    width = max(len(name) for name, _ in lines)
    print("\n".join(f"{name:<{width}}  {value:>16}" for name, value in lines))


if __name__ == "__main__":
    main()
