"""The evaluation of the migration that was published in 2021, made again: the old pipeline against this one.

    python -m bench.experiment [--events 500000] [--lines 385201]

Two data sets with late events are counted into a store. Against it are held: a batch that counts everything, the old
batch that drops what is late, and a stream half that loses some (`bench/experiment_old.py`). Every difference gets its
cause. Then a run is killed at each durable step, and compared with one that was not. Writes
`bench/results/experiment.json`, prints it, and writes the page `docs/experiment.md`. The history is found through
CROSSFOOT_TEST_DATA; without it the run says so.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import experiment_data, experiment_page
from bench.experiment_data import WHERE, Case
from bench.experiment_old import CUT_OFF, Losses, Table, batch, stream
from bench.machine import describe
from crossfoot.cli.app import main as crossfoot
from crossfoot.clock import SystemClock
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison, Definition
from crossfoot.monitor.look import STORE, Place, look, monitor_of
from crossfoot.monitor.measure import Asked
from crossfoot.native import durable_steps
from crossfoot.reconcile.run import Reconciliation, Work, reconcile

LATE = "late events dropped"
SIDES = ("all", "batch", "stream")
"""The batch that counts everything, the old batch, the stream half."""
_SMALL = {"CROSSFOOT_BLOCK_BYTES": "256K", "CROSSFOOT_COMMIT_BYTES": "1M", "CROSSFOOT_CHECKPOINT_BYTES": "2M"}


def evaluate(case: Case, losses: Losses) -> dict[str, Any]:
    """One data set: counted, watched, and compared with the others."""
    folder, definition = case.events.parent, load_text(case.definition)
    (folder / "definition.yaml").write_text(case.definition)
    store = folder / "store"
    summary = count(folder, store)
    began = time.perf_counter()
    accounts = {"all": batch(definition, store, folder / "all", case.tables, late=True)}
    recount_s = round(time.perf_counter() - began, 1)
    accounts["batch"] = batch(definition, store, folder / "batch", case.tables, late=False)
    lost = stream(case.read(), folder / "stream", case.tables, losses, case.spent)
    compared = [
        {"side": side, **against(definition, store, folder / side / table.file, table)}
        for side in SIDES
        for table in (case.tables if side != "stream" else case.tables[:1])
    ]
    return {
        "title": case.title,
        "run": summary,
        "accounts": accounts,
        "recount_s": recount_s,
        "stream_lost": lost,
        "monitor": watch(definition, store),
        "compared": compared,
    }


def count(folder: Path, store: Path) -> dict[str, Any]:
    """`crossfoot run`, and what it says at its end."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = crossfoot(["run", str(folder / "definition.yaml"), "--store", str(store), "--once", "--format", "json"])
    assert code == 0, said.getvalue()
    summary: dict[str, Any] = json.loads(said.getvalue())
    kept = ("records", "counted", "duplicate", "conflict", "too_late", "malformed", "invalid", "unaccounted", "seconds")
    return {name: summary[name] for name in kept}


def against(definition: Definition, store: Path, path: Path, table: Table) -> dict[str, Any]:
    """Our store against a file of cells: how many are exact, and why the others differ."""
    comparison = Comparison("experiment", Against("parquet", str(path)), table.metric, table.grain, table.by)
    return {"grain": table.grain, "by": list(table.by), **shown(reconcile(definition, store, comparison, Work()))}


def shown(found: Reconciliation) -> dict[str, Any]:
    """Of a comparison what the page says."""
    compared = found.compared
    causes = [{"cause": " or ".join(each.names), "text": each.text, "cells": each.cells, "events": each.events}
              for each in found.causes]  # fmt: skip
    late = sum(each.cells for each in found.causes if each.names == (LATE,))
    differing = compared.cells - compared.equal
    return {
        "cells": compared.cells,
        "equal": compared.equal,
        "exact_keys": compared.exact_keys,
        "exact_volume": compared.exact_volume,
        "differing": differing,
        "late_cells": late,
        "late_share": 100.0 * late / differing if differing else None,
        "causes": causes,
    }


def watch(definition: Definition, store: Path) -> dict[str, Any]:
    """Copies before and after they were removed, measured from the archive and the store's ids."""
    place = Place(definition, store, store.parent, {}, SystemClock(), STORE)
    watched = monitor_of(definition)
    found = look(place, Asked(watched)).as_json(watched)
    kept = ("raw", "events", "ids", "copies", "duplicates_percent", "counted", "doubled", "left_percent", "late",
            "late_percent", "too_late", "conflicts")  # fmt: skip
    return {name: found[name] for name in kept}


def killed(case: Case) -> dict[str, Any]:
    """A store whose run is killed once at each durable step, against the one whose run was not."""
    folder, definition, kills = case.events.parent, load_text(case.definition), []
    store = folder / "killed"
    command = [sys.executable, "-m", "crossfoot", "run", str(folder / "definition.yaml"), "--store", str(store)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CROSSFOOT_")} | _SMALL
    for step in durable_steps():
        crash = clean | {"CROSSFOOT_CRASH": f"{step}:2"}
        if subprocess.run(command, env=crash, capture_output=True, check=False).returncode == -signal.SIGKILL:
            kills.append(step)
    ended = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    if ended.returncode:
        return {"case": case.name, "kills": kills, "failed": ended.stderr.strip()}
    compared = []
    for table in case.tables:
        comparison = Comparison("killed", Against("store", str(store)), table.metric, table.grain, table.by)
        compared.append(shown(reconcile(definition, folder / "store", comparison, Work(causes=False))))
    return {
        "case": case.name,
        "kills": kills,
        "cells": sum(each["cells"] for each in compared),
        "equal": sum(each["equal"] for each in compared),
        "accounts_equal": ledger(store) == ledger(folder / "store"),
    }


def ledger(store: Path) -> Any:
    """The store's accounts with their digests, by `crossfoot ledger`."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        crossfoot(["ledger", "--store", str(store), "--format", "json"])
    return {name: value for name, value in json.loads(said.getvalue()).items() if name != "epoch"}


def run(folder: Path, events: int, lines: int, losses: Losses) -> dict[str, Any]:
    """Everything, in a folder of its own."""
    began = time.perf_counter()
    history = experiment_data.git(folder / "git", lines)
    cases = [case for case in (history, experiment_data.engagement(folder / "engagement", events)) if case]
    if history is None:
        print(f"without the history: {WHERE} does not name a folder that has it", file=sys.stderr)
    found: dict[str, Any] = {"workload": "experiment", "cut_off_s": CUT_OFF.seconds, "stream": asdict(losses)}
    names = ("RATE", "LATE", "LEAST_S", "MOST_S")
    found["generator"] = {name.lower(): getattr(experiment_data, name) for name in names}
    found["cases"] = {}
    for case in cases:
        print(f"{case.name} …", file=sys.stderr)
        found["cases"][case.name] = evaluate(case, losses)
    found["killed"] = killed(cases[-1])
    return found | {"seconds": round(time.perf_counter() - began), "machine": describe()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="generated records")
    parser.add_argument("--lines", type=int, default=385_201, help="records of the history")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), given.events, given.lines, Losses())
    found |= {"events": given.events, "lines": given.lines}
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    experiment_page.RESULT.write_text(text, encoding="utf-8")
    experiment_page.write()
    print(text)


if __name__ == "__main__":
    main()
