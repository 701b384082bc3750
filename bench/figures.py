"""Writes docs/figures.md from the results of the benchmarks, so that no figure is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.picture import Chart, Line, svg

RESULTS = Path(__file__).with_name("results")
PAGE = Path(__file__).parents[1] / "docs" / "figures.md"
GUIDE = PAGE.parent / "guide" / "beam.md"
BEGIN, END = "<!-- written by python -m bench.figures -->", "<!-- until here -->"
HEAD = """# Figures

Written by `python -m bench.figures` from the results in `bench/results/`; `make bench` measures again. Both programs
read the same file of JSON lines in turn, remove copies by id and keep count, sum and distinct users for four dimension
sets and three grains; every cell is compared before a time is printed. Crossfoot's time includes durable epochs, the
ledger and the final checkpoint. The machine is shared: read the ratio before the absolute times.
"""


HOPS = {
    "preprocess": "preprocess: Kafka to Kafka",
    "relay": "relay: Kafka to Pub/Sub",
    "pull": "run: Pub/Sub to cells",
    "kafka": "run: Kafka to cells",
    "rival": "confluent-kafka: Kafka to blocks built in Python",
}
FORMS = {"single": "single messages", "blocks": "blocks of events"}


def results() -> list[dict[str, Any]]:
    """All but those that have pages of their own, or a place in one."""
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    return [result for result in found if result["workload"] not in ("beam", "experiment", "scale")]


def beam_guide(text: str, result: dict[str, Any] | None) -> str:
    """The guide with the figures of a result between their marks; as it is where nothing was measured."""
    if result is None:
        return text
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{beam_figures(result)}{END}{after}"


def beam_result() -> dict[str, Any] | None:
    path = RESULTS / "beam.json"
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def beam_figures(result: dict[str, Any]) -> str:
    """Each runner beyond its start, and the kernel alone."""
    rows: list[tuple[str, ...]] = [
        ("runner", "events/s", "CPU ns per event", "the kernel alone, one thread", "start, s")
    ]
    for runner, one in result["runners"].items():
        numbers = (f"{one[name]:,}" for name in ("events_per_s", "cpu_ns_per_event", "kernel_events_per_s", "start_s"))
        rows.append((runner.capitalize(), *numbers))
    return f"""
{table(rows)}

- {result["events"]:,} events, {result["shards"]} shards.
{machine_line(result)}

"""


def page() -> str:
    return "\n".join([HEAD, *(section(result) for result in results())])


def pictures() -> dict[str, str]:
    """Those of the page, by the names of their files."""
    return {picture_name(result): picture(result) for result in results() if result["workload"] == "soak"}


def table(rows: Sequence[tuple[str, ...]], first: str = "---") -> str:
    """Rows under the first one, numbers to the right."""
    lines = [rows[0], (first, *("---:" for _ in rows[0][1:])), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def machine_line(result: dict[str, Any]) -> str:
    machine = result["machine"]
    where = f"{machine['cpu']}, {machine['cores']} cores, kernel {machine['kernel']}, Python {machine['python']}"
    return f"- Machine: {where}.\n  Commit {machine['commit']}."


def hops_section(result: dict[str, Any]) -> str:
    """Each hop alone, in both forms, with what the servers use beside."""
    rows: list[tuple[str, ...]] = [
        ("hop", "events per second (min to max)", "our CPU ns per event", "broker's", "Pub/Sub server's")
    ]
    stages: list[tuple[str, ...]] = [
        ("into cells", "decode and prepare", "accept and dedup", "fold", "commit", "reading, and writing epochs")
    ]
    for hop, forms in result["hops"].items():
        for form, one in forms.items():
            name, (least, most) = f"{HOPS[hop]}, {FORMS[form]}", one["span"]
            rate = f"{one['events_per_s']:,} ({least:,} to {most:,})"
            used = (one["cpu_ns"], one["broker_ns"], one["pubsub_ns"])
            rows.append((name, rate, *(f"{number:,}" for number in used)))
            if "fold_ns" in one:
                steps = [one[step] for step in ("prepare_ns", "count_ns", "fold_ns", "commit_ns")]
                steps.append(max(0, one["cpu_ns"] - sum(steps)))
                stages.append((name, *(f"{number:,}" for number in steps)))
    compared = "; ".join(f"{name}: {number:,}" for name, number in result["cells"].items())
    return f"""## Hops: each step of the way alone

{table(rows)}

Where the CPU of `run` goes, in ns per event:

{table(stages)}

- {result["events"]:,} events, {result["events_per_s_of_event_time"]:,.0f} a second of event time. Medians of
  {result["rounds"]} rounds, from a round's first commit to its last.
- The broker, and a Pub/Sub server of the benchmark's own, run on the same machine and take their share of its cores.
  Google's emulator hands out one message each 10 ms and stream, which says nothing of a service.
- Cells compared with DuckDB's, counts and sums equal: {compared}.
- `python -m bench.hops`.
{machine_line(result)}
"""


def picture_name(result: dict[str, Any]) -> str:
    form = "" if result["path"] == "kafka" else "-blocks" if result["blocks"] else "-single"
    return f"soak-{result['path']}{form}.svg"


def picture(result: dict[str, Any]) -> str:
    """p50, p99 and the longest age, over the load."""
    slices = result["slices"]
    names = {"p50_ms": "p50", "p99_ms": "p99", "max_ms": "max"}
    lines = [Line(name, [one[key] for one in slices]) for key, name in names.items()]
    places = [(one["from_s"] + result["slice_s"]) / 60 for one in slices]
    highest = max(one["load"] for one in slices)
    most = f"at most {highest * result['rate']:,.0f} events per second"
    title = f"From sending to a query's answer: {result['title']}, {most}"
    return svg(Chart(title, places, lines, [one["load"] / highest * 0.9 for one in slices], result["aim_ms"]))


def soak_section(result: dict[str, Any]) -> str:
    """How old an event is when a query sees it, while the load grows."""
    rate, slices, answer = result["rate"], result["slices"], result["answer"]
    names = list(next(one["cpu"] for one in slices if "cpu" in one))
    rows: list[tuple[str, ...]] = [("load", "events per second sent", "p50 ms", "p99 ms", "max ms", *names)]
    for step in result["steps"]:
        of_step = [one for one in slices if one["load"] == step["load"]]
        sent = round(sum(one["sent_per_s"] for one in of_step) / len(of_step))
        cpu = [[one["cpu"][name] for one in of_step if "cpu" in one] for name in names]
        shares = [f"{sum(found) / len(found):.2f}" if found else "" for found in cpu]
        ages = (str(step[name]) for name in ("p50_ms", "p99_ms", "max_ms"))
        rows.append((f"{step['load']:g}", f"{sent:,}", *ages, *shares))
    said = "This run was interrupted: it shows what it had." if answer is None else checked(answer)
    return f"""## Soak: {result["title"]}, {result["seconds"] / 60:g} minutes, load 1 = {rate:,.0f} events per second

![Ages by minute]({picture_name(result)})

{table(rows, "---:")}

- From a producer's sending to a query that sees it. A probe goes to each partition every 50 ms, and a reader asks the
  store after each epoch. Bars are the load. Right of the ages: cores that each process used.
- {said}
- Producer, broker and services run on the same machine. `python -m bench.soak --path {result["path"]} --rate {rate:.0f}
  --minutes {result["seconds"] / 60:g}`.
{machine_line(result)}
"""


def checked(answer: dict[str, Any]) -> str:
    accounts = ", ".join(f"{records:,} {name}" for name, records in answer["accounts"].items())
    return f"""{answer["lines"]:,} lines of {answer["events"]:,} events were sent; the accounts are {accounts}.
  All was visible {answer["drained_s"]} s after the end of sending."""


def relay_section(result: dict[str, Any]) -> str:
    """From a topic to Pub/Sub, and Google's client publishing the same."""
    relay, futures = result["relay"], result["futures"]
    rows = [
        ("", "crossfoot relay, from Kafka", "Google's client, a future each"),
        ("CPU ns per message", f"{relay['cpu_ns']:,}", f"{futures['cpu_ns']:,}"),
        ("messages per second beside the emulator", f"{relay['messages_per_s']:,}", f"{futures['messages_per_s']:,}"),
    ]
    return f"""## Relay: {result["messages"]:,} single messages of {result["message_bytes"]} bytes

{table(rows)}

- `python -m bench.relay`; broker and emulator run on the same machine. The CPU is that of the publishing process, with
  the threads of its clients.
{machine_line(result)}
"""


def backfill_section(result: dict[str, Any]) -> str:
    """The archive counted again, beside the run that has written it."""
    names = {"run": "crossfoot run", "recount": "the archive counted again", "backfill": "crossfoot backfill, whole"}
    rows = [("", "CPU s", "wall s", "times the run's CPU")]
    for step, name in names.items():
        ratio = result["cpu_ratios"].get(step, 1.0)
        rows.append((name, f"{result[step]['cpu_s']:.2f}", f"{result[step]['wall_s']:.2f}", f"{ratio:.2f}"))
    return f"""## Backfill: {result["clicks"]:,} clicks

{table(rows)}

- `python -m bench.backfill`: medians of {result["rounds"]} rounds. A whole backfill compares every cell with the
  generation in force, and switches; cells and the ledger with its digests are compared before a time is printed.
{machine_line(result)}
"""


def recount_section(result: dict[str, Any]) -> str:
    """The batch engine, and a query by hand that does the same."""
    names = {"hand": "a query by hand", "engine": "the batch engine"}
    rows = [("", "wall s", "CPU s", "peak memory, MiB")]
    for side, name in names.items():
        one = result[side]
        rows.append((name, f"{one['wall_s']:.2f}", f"{one['cpu_s']:.2f}", f"{one['peak_mib']:,}"))
    return f"""## Recount: {result["records"]:,} raw records by DuckDB

{table(rows)}

- {result["wall_ratio"]:.2f} times the time of the query by hand, {result["cpu_ratio"]:.2f} times its CPU;
  {result["cells"]:,} cells of twelve tables are equal. DuckDB may use {result["memory"]}, and writes the rest to disk.
- `python -m bench.recount EVENTS.jsonl`, the events of the engagement workload.
{machine_line(result)}
"""


def reconcile_section(result: dict[str, Any]) -> str:
    """A store compared with another result, of which few cells or none differ."""
    rows = [("cells that differ", "wall s", "CPU s", "peak memory, MiB")]
    for one in result["cases"]:
        rows.append((f"{one['differing']:,}", f"{one['wall_s']:.2f}", f"{one['cpu_s']:.2f}", f"{one['peak_mib']:,}"))
    return f"""## Reconcile: {result["cells"]:,} cells against as many

{table(rows, "---:")}

- `python -m bench.reconcile`: a store and a Parquet file, two measures, every cell compared, as `crossfoot reconcile`
  does. DuckDB may use {result["memory"]}, and writes the rest to disk; the peak is the process's, with the interpreter
  and what is read of the store in it.
{machine_line(result)}
"""


def ids_section(result: dict[str, Any]) -> str:
    """What an id costs as their number grows."""
    rows: list[tuple[str, ...]] = [("ids", "ns for a new one", "ns for a copy", "bytes for each", "longest stop, ms")]
    for one in result["steps"]:
        cost = (f"{one['new_ns']:,}", f"{one['copy_ns']:,}", f"{one['bytes']:.1f}", f"{one['longest_ms']:.2f}")
        rows.append((f"{one['ids']:,}", *cost))
    return f"""## Remembered ids: what one costs as they become more

{table(rows, "---:")}

- `python -m bench.ids`: the memory of ids alone, on one thread. New ones: all since the row before. Copies: of ids from
  all the time before. A stop is the time of a batch of 5,000.
{machine_line(result)}
"""


def catchup_section(result: dict[str, Any]) -> str:
    """A backlog, and the memory that counting it takes."""
    sampled = ", ".join(f"{mib:,}" for mib in result["by_tenth_mib"])
    return f"""## Catching up: {result["events"]:,} records on Kafka, with a Parquet sink

Peak of the process's memory: {result["peak_mib"]:,} MiB, with the interpreter and librdkafka in it. Peak after each
tenth of the time, in MiB: {sampled}.
{result["events_per_s"]:,} records per second, from the start of the process to its end; {result["counted"]:,} are
counted, the others are copies, as they should be; {result["cells"]:,} cells in six tables.

- `python -m bench.catchup --events {result["events"]}`; {result["partitions"]} partitions, the broker runs on the same
  machine. An id is remembered for two minutes of received time, in which {result["ids_per_horizon"]:,} records come:
  what has to be remembered for longer needs memory for each id beside. Settings:
  {result["settings"]}.
{machine_line(result)}
"""


def series_section(result: dict[str, Any]) -> str:
    """A series that is asked for again and again."""
    fresh = result["new_epoch"]
    names = ("p50_ms", "p99_ms", "max_ms")
    rows: list[tuple[str, ...]] = [("", "points", "p50 ms", "p99 ms", "max ms")]
    for name, one in result["questions"].items():
        rows.append((name, f"{one['points']:,}", *(f"{one[each]:.2f}" for each in names)))
    rows.append(("both, those that come to a new epoch", "", *(f"{fresh[each]:.2f}" for each in names)))
    return f"""## Series: asked again and again, while {result["rate_per_s"]:,} events per second are counted

{table(rows)}

- `python -m bench.series --seconds {result["seconds"]}`: 25 hours of the engagement workload by minute, from Python.
  Half of what the machine sustains is counted in another process, an epoch every 250 ms. {result["queries"]:,} queries
  saw {result["epochs"]:,} epochs; {fresh["share"]:.1%} of them came to a new one, and read what it had changed.
{machine_line(result)}
"""


def engagement_section(result: dict[str, Any]) -> str:
    """Counting a file, and DuckDB doing the same."""
    ours, theirs = result["crossfoot"], result["duckdb"]
    stages, answer = result["cpu_ns_per_event_by_stage"], result["answer"]
    distinct = "approximate" if theirs["approximate"] else "exact"
    rows = [
        ("", "Crossfoot", f"DuckDB {theirs['version']}, {distinct} distinct"),
        ("events per second", f"{ours['events_per_s']:,}", f"{theirs['events_per_s']:,}"),
        ("CPU ns per event", f"{ours['cpu_ns_per_event']:,}", f"{theirs['cpu_ns_per_event']:,}"),
        ("wall s, median (min to max)", spread(ours), spread(theirs)),
        ("peak memory, MiB", f"{ours['peak_mib']:,}", f"{theirs['peak_mib']:,}"),
    ]
    return f"""## {result["workload"]}: {result["events"]:,} events, {result["bytes"] / 1e6:,.0f} MB

{result["events_per_s_of_event_time"]:,.0f} events per second of event time.

{table(rows)}

- {result["times_as_fast"]:.2f} times as fast (median of {len(ours["runs"])} rounds).
- {answer["cells"]:,} cells compared: counts and sums equal, distinct users within
  {answer["largest_distinct_error"]:.1%}.
- Crossfoot's CPU ns per event by stage: decode and prepare {stages["decode_and_prepare"]}; accept and dedup
  {stages["accept_and_dedup"]}; fold {stages["fold"]}; commit and checkpoint {stages["commit_and_checkpoint"]}.
- {stages["learned_layout_share"]:.1%} of the records were read by a learned layout.
{machine_line(result)}
"""


SECTIONS = {
    "backfill": backfill_section,
    "catchup": catchup_section,
    "hops": hops_section,
    "ids": ids_section,
    "recount": recount_section,
    "reconcile": reconcile_section,
    "relay": relay_section,
    "series": series_section,
    "soak": soak_section,
}


def section(result: dict[str, Any]) -> str:
    return SECTIONS.get(result["workload"], engagement_section)(result)


def spread(runs: dict[str, Any]) -> str:
    wall = runs["wall_s"]
    return f"{wall['median']:.2f} ({wall['min']:.2f} to {wall['max']:.2f})"


def main() -> None:
    from bench import experiment_page

    PAGE.write_text(page(), encoding="utf-8")
    GUIDE.write_text(beam_guide(GUIDE.read_text(encoding="utf-8"), beam_result()), encoding="utf-8")
    experiment_page.write()
    for name, text in pictures().items():
        (PAGE.parent / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
