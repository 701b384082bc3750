"""The commands, with what each does in one line."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A command: its name, where it is, what it does, and an example."""

    name: str
    target: str
    summary: str
    example: str


COMMANDS = (
    Command("demo", "demo:demo", "count real data as a faulty pipeline delivers it, and prove the result", ""),
    Command("init", "init:init", "propose a definition for your data", "--from events.json"),
    Command("check", "check:check", "check a definition, its tests, a sample", "crossfoot.yaml --sample events.json"),
    Command("plan", "plan:plan", "what a definition costs, and what can run it", "crossfoot.yaml --rate 5000"),
    Command("run", "run:run", "count; again: count what was added", "crossfoot.yaml"),
    Command("batch", "batch:batch", "count again by SQL, hour by hour, into Parquet", "crossfoot.yaml --drop-late 1h"),
    Command("preprocess", "preprocess:preprocess", "a topic's records as events in another topic", "crossfoot.yaml"),
    Command("relay", "relay:relay", "publish prepared events to Pub/Sub", "crossfoot.yaml"),
    Command("feed", "feed:feed", "raw events into a warehouse, before any is removed", "crossfoot.yaml"),
    Command("beam run", "beam:run", "count on Apache Beam: Prism, Direct, Dataflow", "crossfoot.yaml --runner prism"),
    Command("beam check", "beam:check", "what stands against a run on Beam", "crossfoot.yaml --runner dataflow"),
    Command("beam export", "beam:export", "the pipeline as a Python file", "crossfoot.yaml --out pipeline.py"),
    Command("beam feed", "beam:feed", "a job's cells and counted events into warehouses", "crossfoot.yaml --once"),
    Command("watch", "watch:watch", "how a running service stands: rate, lag, epochs, partitions", "--once"),
    Command("query", "query:query", "ask for a metric", "views --by page --grain 1h"),
    Command("top", "top:top", "the largest values, with their change", "views --by page"),
    Command("why", "why:why", "the archived events behind one number", "views --grain 1h --window 2015-09-12T10:00Z"),
    Command("export", "export:export", "a store's cells into Bigtable, BigQuery, Parquet or CSV", "--to parquet:cells"),
    Command("ledger", "ledger:ledger", "every record's account; exit 1 if one is missing", "--side"),
    Command("monitor", "monitor:monitor", "copies and late events over time; exit 1 over a limit", "crossfoot.yaml"),
    Command(
        "reconcile",
        "reconcile:reconcile",
        "compare with another result, and say why they differ",
        "--against theirs.parquet --grain 1h --by page",
    ),
    Command("backfill", "backfill:backfill", "count a changed definition from the archive", "crossfoot.yaml"),
    Command("verify", "verify:verify", "read the whole store again and check it", ""),
    Command("generate", "generate:generate", "make seeded events to try things with", "100000 --seed 7"),
    Command("doctor", "doctor:doctor", "what is missing on this machine, and how to get it", "crossfoot.yaml"),
    Command("dev up", "dev:up", "start a local stack: broker, emulators, services, producer", "--rate 2000"),
    Command("dev down", "dev:down", "stop it; the data is kept", "--purge"),
    Command("dev status", "dev:status", "how each of its processes stands", "--format json"),
    Command("dev logs", "dev:logs", "the last lines of its logs", "run --lines 50"),
    Command("dev produce", "dev:produce", "send seeded events to its topic", "--total 100000"),
    Command("settings", "settings:settings", "the settings of this process, with their origin", ""),
    Command("schema", "schema:schema", "the JSON Schema of definitions, for editors", ""),
)

GROUPS = {
    "beam": "The definition as an Apache Beam pipeline: more than one machine, the same numbers.",
    "dev": "A local stack: broker, emulators, services and a seeded producer, each a process with its log.",
}
"""Commands of two words, by the first."""

EXIT_CODES = (
    (0, "done"),
    (1, "a check did not hold"),
    (2, "the call is wrong"),
    (3, "the definition is wrong"),
    (4, "the data is wrong"),
    (5, "the store is held, damaged or of another definition, or no space is left"),
    (6, "a service cannot be reached"),
    (70, "a fault of ours"),
    (130, "interrupted: what was committed is kept, and the next run goes on from there"),
)


def overview() -> str:
    """What `crossfoot --help` says."""
    width = max(len(command.name) for command in COMMANDS)
    lines = [
        "Crossfoot counts event streams exactly: every record is in one account, and the accounts add up.",
        "",
        "usage: crossfoot COMMAND [OPTIONS]        crossfoot COMMAND --help tells more",
        "",
        *(f"  {command.name.ljust(width)}  {command.summary}" for command in COMMANDS),
        "",
        "exit codes",
        *(f"  {str(code).rjust(3)}  {meaning}" for code, meaning in EXIT_CODES),
    ]
    return "\n".join(lines)
