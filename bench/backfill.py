"""A backfill beside the run that it repeats: wall time and CPU seconds, by turns, and the same cells and ledger.

    python -m bench.backfill [--clicks 300000] [--rounds 3]

Each round counts a file of clicks into a new store with an archive, then counts the archive again with one metric more;
each in a process of its own. `recount` is that alone, `backfill` compares all cells, and switches. What was counted
before must be the same in the new generation: cells, and the ledger by partition and minute with its digests. Writes
`bench/results/backfill.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.machine import describe
from crossfoot.definition.load import load_file
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.generations import in_force
from crossfoot.services.backfill.build import Build
from crossfoot.services.store import DEFINITION

_START_S = 1_736_000_000
_METRIC = "  more: {by: [[country]], measures: {clicks: count}, grains: [1h]}\n"
CLICKS = """
crossfoot: 1
namespace: clicks
source: {files: clicks.jsonl, format: json}
event:
  time: {field: at, unit: ms}
  received: {field: got, unit: ms}
  id: seq
  fields:
    page: {path: page, type: integer}
    country: {path: country, type: text}
    ms: {path: ms, type: integer}
accept: {lateness: 1d}
metrics:
  clicks: {by: [[page, country], [page], []], measures: {clicks: count, ms: sum(ms)}, grains: [1m, 1h]}
archive: {}
"""


class Stored(EmbeddedEngine):
    """What a store holds, without opening it for writing."""

    def __init__(self, folder: Path) -> None:
        self.path, self.definition = folder, load_file(folder / DEFINITION)


def write(path: Path, clicks: int) -> None:
    """Clicks of two days; each twelfth is a copy of the one before."""
    with path.open("w", encoding="utf-8") as out:
        for number in range(clicks):
            seq = number - 1 if number % 12 == 11 else number
            at = _START_S * 1000 + seq * 172_800_000 // clicks
            got = _START_S * 1000 + number * 172_800_000 // clicks + 900
            place = f'"page": {seq * 7919 % 500}, "country": "{("FR", "DE", "US")[seq % 3]}"'
            out.write(f'{{"seq": {seq}, "at": {at}, "got": {got}, {place}, "ms": {seq % 977}}}\n')


def timed(folder: Path, *words: str) -> dict[str, float]:
    """A module of Python, in a process of its own."""
    began, before = time.monotonic(), os.times()
    subprocess.run([sys.executable, "-m", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall_s": round(time.monotonic() - began, 2), "cpu_s": round(used, 2)}


def recount(folder: Path) -> None:
    """Build the next generation, and leave nothing of it."""
    build = Build(folder / ".crossfoot", load_file(folder / "more.yaml"))
    build.catch_up()
    build.abandon()
    shutil.rmtree(build.folder)


def same(store: Path) -> None:
    """Everything that the first generation has is in the second, to the digest."""
    old, new = Stored(store), Stored(in_force(store))
    assert new.path != old.path
    tables = {(table.metric, table.by, table.grain): table.rows for table in new.cells()}
    for table in old.cells():
        assert tables[table.metric, table.by, table.grain] == table.rows, table.metric
    assert sorted(old.ledger(), key=repr) == sorted(new.ledger(), key=repr)


RESULT = Path(__file__).with_name("results") / "backfill.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recount", type=Path)
    given = parser.parse_args()
    if given.recount:
        recount(given.recount)
        return
    found: dict[str, list[dict[str, float]]] = {"run": [], "recount": [], "backfill": []}
    with tempfile.TemporaryDirectory() as name:
        clicks = Path(name) / "clicks.jsonl"
        write(clicks, given.clicks)
        for number in range(given.rounds):
            folder = Path(name) / str(number)
            folder.mkdir()
            (folder / "clicks.jsonl").hardlink_to(clicks)
            (folder / "clicks.yaml").write_text(CLICKS)
            (folder / "more.yaml").write_text(CLICKS.replace("archive:", _METRIC + "archive:"))
            found["run"].append(timed(folder, "crossfoot", "run", "clicks.yaml"))
            found["recount"].append(timed(Path.cwd(), "bench.backfill", "--recount", str(folder)))
            found["backfill"].append(timed(folder, "crossfoot", "backfill", "more.yaml", "--yes"))
            same(folder / ".crossfoot")
    middle = {step: {of: median(each[of] for each in times) for of in times[0]} for step, times in found.items()}
    ratios = {step: round(middle[step]["cpu_s"] / middle["run"]["cpu_s"], 2) for step in ("recount", "backfill")}
    made = {"workload": "backfill", "clicks": given.clicks, "rounds": given.rounds, **middle, "cpu_ratios": ratios}
    text = json.dumps({**made, "machine": describe()}, indent=2)
    RESULT.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
