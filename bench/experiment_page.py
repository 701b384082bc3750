"""Writes docs/experiment.md from the results in bench/results/, so that no figure is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import RESULTS, machine_line, results, table

RESULT = RESULTS / "experiment.json"
PAGE = Path(__file__).parents[1] / "docs" / "experiment.md"
ITSELF = "python -m bench.experiment"
PUBLISHED_RATE, PUBLISHED_MS, PUBLISHED_EXACT = 4_600_000, 10_000, 95.0
"""Events per second, the latency in milliseconds, percent of the aggregates."""

OURS = f"`{ITSELF}`; of other data `{{}}`"
HEAD = """# The experiment, made again

Written by `{command}` from `bench/results/`; no figure of ours is typed by hand. In 2021 a migration
was published: a pipeline of two halves, an hourly batch and a stream that lost events under load, became one stream
that removes copies and counts late events. Its seven results are in the table beside ours. Where ours is smaller, or
was measured at less, the table says so.

## The seven results

{seven}
"""
SIDE = {
    "all": "batch that counts everything",
    "batch": "batch that drops late events",
    "stream": "stream half, simulated",
}


def page(found: dict[str, Any], others: list[dict[str, Any]]) -> str:
    rows = [("result of 2021", "published", "here", "reached", "command"), *seven(found, others)]
    parts = [HEAD.format(command=ITSELF, seven=table(rows).replace("---:", "---")), *about(found)]
    parts += [section(case) for case in found["cases"].values()]
    return "\n".join([*parts, foot(found)])


def write() -> None:
    """The page, where the experiment was made."""
    if RESULT.exists():
        PAGE.write_text(page(json.loads(RESULT.read_text()), results()), encoding="utf-8")


def seven(found: dict[str, Any], others: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """A row for each of the published results."""
    yield latency([each for each in others if each["workload"] == "soak"])
    yield throughput([each for each in others if each["workload"] in {"engagement", "hops"}])
    yield copies(found["cases"])
    yield tier(found["cases"])
    yield accuracy(found["cases"])
    yield late(found["cases"])
    yield restart(found["killed"])


def latency(soaks: list[dict[str, Any]]) -> tuple[str, ...]:
    """Ages at loads up to 1."""
    name, published = "latency", "about 10 s, stable"
    said, highest = [], 0
    for soak in soaks:
        steps = [step for step in soak["steps"] if step["load"] <= 1]
        longest = max(step["max_ms"] for step in steps)
        highest = max(highest, longest)
        said.append(
            f"{soak['title']}: p99 {max(step['p99_ms'] for step in steps) / 1000:.1f} s, longest {longest / 1000:.1f} s"
            f" at up to {soak['rate']:,.0f} events per second for {soak['seconds'] / 60:g} minutes"
        )
    if not said:
        return name, published, "not measured", "no", "`make soak`"
    reached = "yes, at these rates, for so long" if highest <= PUBLISHED_MS else "no"
    return name, published, "; ".join(said), reached, "`make soak`"


def throughput(runs: list[dict[str, Any]]) -> tuple[str, ...]:
    """The best rate from a file, and from a broker."""
    published = "about 1 GB/s, 4.6 million events per second (400 billion a day)"
    said, best = [], 0
    for run in runs:
        if run["workload"] == "hops":
            rate = max(form["events_per_s"] for form in run["hops"]["kafka"].values())
            said.append(f"from a broker on the same machine {rate:,} events per second")
        else:
            rate = run["crossfoot"]["events_per_s"]
            size = run["bytes"] / run["events"] * rate / 1e9
            said.append(f"from a file {rate:,} events per second, {size:.2f} GB/s")
        best = max(best, rate)
    if not said:
        return "throughput", published, "not measured", "no", "`make bench`"
    reached = "yes" if best >= PUBLISHED_RATE else f"no: {best / PUBLISHED_RATE:.0%} of it, on {cores(runs)} cores"
    return "throughput", published, "; ".join(said), reached, "`make bench`, `make bench-hops`"


def cores(runs: list[dict[str, Any]]) -> int:
    return max(int(run["machine"]["cores"]) for run in runs)


def copies(cases: dict[str, Any]) -> tuple[str, ...]:
    """Copies before and after."""
    watched = {name: case["monitor"] for name, case in cases.items()}
    said = [
        f"{name}: {each['duplicates_percent']:.2f} % copies before, {each['left_percent']:.2f} % after"
        for name, each in watched.items()
    ]
    reached = "yes" if all(each["doubled"] == 0 for each in watched.values()) else "no"
    return "copies", "nearly exactly once", "; ".join(said), reached, OURS.format("crossfoot monitor")


def compared(cases: dict[str, Any], side: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, case in cases.items():
        for each in case["compared"]:
            if each["side"] == side:
                yield name, each


def tier(cases: dict[str, Any]) -> tuple[str, ...]:
    """Equal to the batch that counts everything, so that none is needed for the answers."""
    cells = sum(each["cells"] for _, each in compared(cases, "all"))
    equal = sum(each["equal"] for _, each in compared(cases, "all"))
    said = f"no answer needs one: {equal:,} of {cells:,} cells equal those of a batch over all records, kept as a check"
    return (
        "the batch tier",
        "is gone",
        said,
        "yes" if equal == cells else "no",
        OURS.format("crossfoot reconcile --against"),
    )


def accuracy(cases: dict[str, Any]) -> tuple[str, ...]:
    """Equal to the old batch."""
    found = [(f"{name} by {', '.join(each['by'])}, {each['grain']}", each) for name, each in compared(cases, "batch")]
    said = "; ".join(f"{name}: {percent(each['exact_keys'])}" for name, each in found)
    told = sum(each["late_cells"] for _, each in found), sum(each["differing"] for _, each in found)
    said += f"; late events alone explain {told[0]:,} of the {told[1]:,} cells that differ"
    under = [each for _, each in found if each["exact_keys"] <= PUBLISHED_EXACT]
    reached = "yes" if not under else f"in {len(found) - len(under)} of {len(found)} tables"
    reached = "no" if len(under) == len(found) else reached
    published = "over 95 % of the aggregates equal the old batch's"
    return "accuracy", published, said, reached, OURS.format("crossfoot batch --drop-late 1h")


def late(cases: dict[str, Any]) -> tuple[str, ...]:
    """What the old batch drops."""
    said = []
    for name, case in cases.items():
        dropped = case["run"]["counted"] - case["accounts"]["batch"]["counted"]
        said.append(
            f"{name}: {dropped:,} events that the old batch drops are counted"
            f" ({100 * dropped / case['run']['counted']:.2f} % of all), {case['run']['too_late']:,} are too late for us"
        )
    reached = "yes" if all(not case["run"]["too_late"] for case in cases.values()) else "in part"
    return "late events", "counted", "; ".join(said), reached, f"`{ITSELF}`"


def restart(killed: dict[str, Any]) -> tuple[str, ...]:
    """A run that was killed."""
    if "failed" in killed:
        said = f"after {len(killed['kills'])} kills the next run ended with: {' '.join(killed['failed'].split())}"
        return "restart", "nothing lost", said, "no", f"`{ITSELF}`"
    whole = killed["equal"] == killed["cells"] and killed["accounts_equal"]
    ledger = "the ledgers are equal" if killed["accounts_equal"] else "the ledgers differ"
    said = (
        f"killed {len(killed['kills'])} times, each at another durable step: {killed['equal']:,} of {killed['cells']:,}"
        f" cells equal those of a run that was not; {ledger}"
    )
    return "restart", "nothing lost", said, "yes" if whole and killed["kills"] else "no", f"`{ITSELF}`"


def about(found: dict[str, Any]) -> list[str]:
    """What the pipelines are."""
    stream, made = found["stream"], found["generator"]
    return [
        f"""## The pipelines

- **This one**: a store, counted by `crossfoot run` from records in the order of their arrival.
- **Batch that counts everything**: the batch engine over the store's archive.
- **Batch that drops late events**: the same, as `crossfoot batch --drop-late 1h` does it: an hour is computed once,
  {found["cut_off_s"] // 60} minutes after its end, and what arrives later never counts.
- **Stream half, simulated**: no measurement of a product. Records come in blocks of {stream["block"]:,};
  {stream["backpressure"]:.1%} of the blocks meet backpressure, and lose {stream["dropped"]:.0%} of their records; at
  {stream["restarts"]:.1%} of them a worker restarts, and the block is lost. It knows no ids: copies count. The seed is
  {stream["seed"]}.
- The history's event time is the author's, its received time the commit's. Generated events come {made["rate"]:g} a
  second of event time; {made["late"]:.0%} of the records are delayed, by {made["least_s"]:,} s divided by an even
  random number, at most {made["most_s"]:,} s. These rates were chosen by us. How near the old batch comes follows from
  them, and from how many events share a cell: one late event makes a whole cell differ.
- A cell is a window and the values of its dimensions. It is exact if all of its measures are.
"""
    ]


def percent(value: float) -> str:
    """Never rounded up."""
    return f"{int(value * 100) / 100:.2f} %"


def section(case: dict[str, Any]) -> str:
    """One data set."""
    run, watched = case["run"], case["monitor"]
    rows: list[tuple[str, ...]] = [
        ("against", "by, grain", "cells", "exact", "exact by volume", "differ", "of these by late events only")
    ]
    causes: list[tuple[str, ...]] = [("against", "by, grain", "cause", "cells", "events")]
    for each in case["compared"]:
        place = (SIDE[each["side"]], f"{', '.join(each['by'])}; {each['grain']}")
        share = "" if each["late_share"] is None else percent(each["late_share"])
        exact = (percent(each["exact_keys"]), percent(each["exact_volume"]))
        rows.append((*place, f"{each['cells']:,}", *exact, f"{each['differing']:,}", share))
        causes += [(*place, one["cause"], f"{one['cells']:,}", f"{one['events']:,}") for one in each["causes"]]
    lost = ", ".join(f"{number:,} {how}" for how, number in case["stream_lost"].items() if how != "restarts")
    old = case["accounts"]["batch"]
    return f"""## {case["title"]}

{run["records"]:,} records; counted {run["counted"]:,}, duplicate {run["duplicate"]:,}, too late {run["too_late"]:,},
conflict {run["conflict"]:,}, in no account {run["unaccounted"]:,}. {watched["late"]:,} events
({watched["late_percent"]:.2f} %) came more than an hour after they happened.

{table(rows)}

What the comparison says of the cells that differ:

{table(causes)}

- Copies before deduplication: {watched["copies"]:,} of {watched["events"]:,} events
  ({watched["duplicates_percent"]:.2f} %). After: {watched["doubled"]:,} of {watched["counted"]:,}
  ({watched["left_percent"]:.2f} %).
- The old batch counts {old["counted"]:,} events and drops {old.get("too_late", 0):,} records as late, copies among
  them.
- The simulated stream half lost {lost or "nothing"} ({case["stream_lost"]["restarts"]:,} restarts). What is lost by
  chance follows no rule: where no copy or single event explains a cell it is `unexplained`, and a small cell may fit
  another cause by chance.
- Counting took {run["seconds"]:.1f} s, the recount of all records {case["recount_s"]:.1f} s.
"""


def foot(found: dict[str, Any]) -> str:
    lines = "" if found["lines"] is None else f" --lines {found['lines']}"
    lacking = "" if "git" in found["cases"] else "\n- The history was not there: only generated events were counted."
    return f"""## The run

- `{ITSELF} --events {found["events"]}{lines}`; without `--lines` all of the history is taken.
  `make experiment` takes the same as `BENCH_ARGS`.
  It took {found["seconds"]:,} s on a machine in use by others.{lacking}
{machine_line(found)}
"""


if __name__ == "__main__":
    write()
