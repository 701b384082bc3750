"""Writes docs/figures.md from the results of the benchmarks, so that no figure is typed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
PAGE = Path(__file__).parents[1] / "docs" / "figures.md"
HEAD = """# Figures

Written by `python -m bench.figures` from the results in `bench/results/`; `make bench` measures again. Both programs
read the same file of JSON lines in turn, remove copies by id and keep count, sum and distinct users for four dimension
sets and three grains; every cell is compared before a time is printed. Crossfoot's time includes durable epochs, the
ledger and the final checkpoint. The machine is shared: read the ratio before the absolute times.
"""


def page() -> str:
    return "\n".join([HEAD, *(section(json.loads(path.read_text())) for path in sorted(RESULTS.glob("*.json")))])


def kafka_section(result: dict[str, Any]) -> str:
    """Reading a topic with confluent-kafka into blocks, and through the live loop into durable cells."""
    python, live, machine = result["python"], result["live"], result["machine"]
    rows = [
        ("", "confluent-kafka, blocks built in Python", "live loop, into durable cells"),
        ("---", "---:", "---:"),
        ("events per second, median", f"{python['events_per_s']:,}", f"{live['events_per_s']:,}"),
        ("CPU ns per event, reading", f"{python['cpu_ns']:,}", f"{live['reading_ns']:,}"),
        ("decode and prepare", "", f"{live['prepare_ns']:,}"),
        ("accept and dedup", "", f"{live['count_ns']:,}"),
        ("fold", "", f"{live['fold_ns']:,}"),
        ("commit", "", f"{live['commit_ns']:,}"),
        ("the broker's CPU ns per event", f"{python['broker_ns']:,}", f"{live['broker_ns']:,}"),
    ]
    return f"""## Kafka: {result["events"]:,} single JSON messages of {result["message_bytes"]} bytes, {
        result["codec"]
    }, {result["partitions"]} partitions

{chr(10).join("| " + " | ".join(row) + " |" for row in rows)}

- `python -m bench.kafka --bootstrap HOST:PORT --broker-pid PID`; the broker runs on the same machine. Medians of
  {result["rounds"]} rounds. An epoch every 250 ms; the checkpoint at the end is not in the time.
- Machine: {machine["cpu"]}, {machine["cores"]} cores, kernel {machine["kernel"]}, Python {machine["python"]}.
  Commit {machine["commit"]}.
"""


def relay_section(result: dict[str, Any]) -> str:
    """From a topic to Pub/Sub, and Google's client publishing the same."""
    relay, futures, machine = result["relay"], result["futures"], result["machine"]
    rows = [
        ("", "crossfoot relay, from Kafka", "Google's client, a future each"),
        ("---", "---:", "---:"),
        ("CPU ns per message", f"{relay['cpu_ns']:,}", f"{futures['cpu_ns']:,}"),
        ("messages per second beside the emulator", f"{relay['messages_per_s']:,}", f"{futures['messages_per_s']:,}"),
    ]
    return f"""## Relay: {result["messages"]:,} single messages of {result["message_bytes"]} bytes

{chr(10).join("| " + " | ".join(row) + " |" for row in rows)}

- `python -m bench.relay --bootstrap HOST:PORT`; broker and emulator run on the same machine. The CPU is that of the
  publishing process, with the threads of its clients.
- Machine: {machine["cpu"]}, {machine["cores"]} cores, kernel {machine["kernel"]}, Python {machine["python"]}.
  Commit {machine["commit"]}.
"""


def latency_section(result: dict[str, Any]) -> str:
    """How old an event is when queries can see it."""
    machine, seconds = result["machine"], list(result["by_second"].items())
    rows = [("second", "p50 ms", "p99 ms", "max ms"), ("---:", "---:", "---:", "---:")]
    rows += [(second, *(str(one[name]) for name in ("p50_ms", "p99_ms", "max_ms"))) for second, one in seconds[::6]]
    return f"""## Latency: {result["rate"]:,} events per second through Kafka for {result["seconds"]} seconds

From the producer's sending to the epoch that queries see: p50 {result["p50_ms"]} ms, p99 {result["p99_ms"]} ms,
longest {result["max_ms"]} ms; {result["epochs"]} epochs. Every sixth second of sending:

{chr(10).join("| " + " | ".join(row) + " |" for row in rows)}

- `python -m bench.latency --rate {result["rate"]} --seconds {result["seconds"]}`; producer and broker run on the same
  machine. The first seconds are left out. Checkpoints are in it.
- Machine: {machine["cpu"]}, {machine["cores"]} cores, kernel {machine["kernel"]}, Python {machine["python"]}.
  Commit {machine["commit"]}.
"""


def catchup_section(result: dict[str, Any]) -> str:
    """A backlog, and the memory that counting it takes."""
    machine = result["machine"]
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
- Machine: {machine["cpu"]}, {machine["cores"]} cores, kernel {machine["kernel"]}, Python {machine["python"]}.
  Commit {machine["commit"]}.
"""


def series_section(result: dict[str, Any]) -> str:
    """A series that is asked for again and again."""
    machine, fresh = result["machine"], result["new_epoch"]
    names = ("p50_ms", "p99_ms", "max_ms")
    rows = [("", "points", "p50 ms", "p99 ms", "max ms"), ("---", *["---:"] * 4)]
    for name, one in result["questions"].items():
        rows.append((name, f"{one['points']:,}", *(f"{one[each]:.2f}" for each in names)))
    rows.append(("both, those that come to a new epoch", "", *(f"{fresh[each]:.2f}" for each in names)))
    return f"""## Series: asked again and again, while {result["rate_per_s"]:,} events per second are counted

{chr(10).join("| " + " | ".join(row) + " |" for row in rows)}

- `python -m bench.series --seconds {result["seconds"]}`: 25 hours of the engagement workload by minute, from Python.
  Half of what the machine sustains is counted in another process, an epoch every 250 ms. {result["queries"]:,} queries
  saw {result["epochs"]:,} epochs; {fresh["share"]:.1%} of them came to a new one, and read what it had changed.
- Machine: {machine["cpu"]}, {machine["cores"]} cores, kernel {machine["kernel"]}, Python {machine["python"]}.
  Commit {machine["commit"]}.
"""


def section(result: dict[str, Any]) -> str:
    others = {
        "catchup": catchup_section,
        "kafka": kafka_section,
        "latency": latency_section,
        "relay": relay_section,
        "series": series_section,
    }
    if result["workload"] in others:
        return others[result["workload"]](result)
    machine, ours, theirs = result["machine"], result["crossfoot"], result["duckdb"]
    stages, answer = result["cpu_ns_per_event_by_stage"], result["answer"]
    distinct = "approximate" if theirs["approximate"] else "exact"
    rows = [
        ("", "Crossfoot", f"DuckDB {theirs['version']}, {distinct} distinct"),
        ("---", "---:", "---:"),
        ("events per second", f"{ours['events_per_s']:,}", f"{theirs['events_per_s']:,}"),
        ("CPU ns per event", f"{ours['cpu_ns_per_event']:,}", f"{theirs['cpu_ns_per_event']:,}"),
        ("wall s, median (min to max)", spread(ours), spread(theirs)),
        ("peak memory, MiB", f"{ours['peak_mib']:,}", f"{theirs['peak_mib']:,}"),
    ]
    return f"""## {result["workload"]}: {result["events"]:,} events, {result["bytes"] / 1e6:,.0f} MB

{result["events_per_s_of_event_time"]:,.0f} events per second of event time.

{chr(10).join("| " + " | ".join(row) + " |" for row in rows)}

- {result["times_as_fast"]:.2f} times as fast (median of {len(ours["runs"])} rounds).
- {answer["cells"]:,} cells compared: counts and sums equal, distinct users within
  {answer["largest_distinct_error"]:.1%}.
- Crossfoot's CPU ns per event by stage: decode and prepare {stages["decode_and_prepare"]}; accept and dedup
  {stages["accept_and_dedup"]}; fold {stages["fold"]}; commit and checkpoint {stages["commit_and_checkpoint"]}.
- {stages["learned_layout_share"]:.1%} of the records were read by a learned layout.
- Machine: {machine["cpu"]}, {machine["cores"]} cores, kernel {machine["kernel"]}, Python {machine["python"]}.
  Commit {machine["commit"]}.
"""


def spread(runs: dict[str, Any]) -> str:
    wall = runs["wall_s"]
    return f"{wall['median']:.2f} ({wall['min']:.2f} to {wall['max']:.2f})"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
