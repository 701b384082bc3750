"""Two results of ten million cells compared, all equal and with some that differ: time, CPU seconds, peak memory.

    python -m bench.reconcile [--cells 10000000] [--differing 1000]

Each comparison is made in a process of its own. Writes `bench/results/reconcile.json`.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import duckdb

from bench.machine import describe
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison, WindowColumn
from crossfoot.reconcile.compare import compare
from crossfoot.reconcile.form import form_of
from crossfoot.reconcile.sides import Range, open_theirs
from crossfoot.reconcile.working import MEMORY, connect

DEFINITION = """
crossfoot: 1
namespace: bench
event:
  time: {field: at, unit: iso}
  id: id
  fields: {page: {path: page, type: integer}, kind: {path: kind, type: text}, price: {path: price, type: integer}}
metrics:
  views: {by: [[page, kind]], measures: {events: count, spent: sum(price)}, grains: [1h]}
"""
_START = 1_700_000_000 // 3600 * 3600


def _write(path: Path, cells: int, differing: int) -> None:
    step = cells // differing if differing else cells + 1
    query = f"""
      SELECT make_timestamptz(({_START} + (i // 20000) * 3600) * 1000000) AS "window", (i // 4) % 5000 AS page,
        ['view', 'click', 'like', 'share'][i % 4 + 1] AS kind,
        1 + i % 97 + CASE WHEN i % {step} = {step} - 1 THEN 1 ELSE 0 END AS events, i % 1009 AS spent
      FROM range({cells}) r(i)"""
    duckdb.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def measure(cells: int, differing: int) -> dict[str, int | float]:
    """Write both sides, then compare them."""
    definition = load_text(DEFINITION)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "ours.parquet", Path(folder) / "theirs.parquet"]
        _write(paths[0], cells, 0)
        _write(paths[1], cells, differing)
        before, start = time.process_time(), time.monotonic()
        connection = connect(Path(folder), threads=2)
        form = form_of(
            definition, Comparison("bench", Against("parquet", str(paths[0])), "views", "1h", ("page", "kind"))
        )
        sides = []
        for relation, path in zip(("ours", "theirs"), paths, strict=True):
            named = Comparison(relation, Against("parquet", str(path)), "views", "1h", form.by, WindowColumn())
            sides.append(open_theirs(connection, relation, named, form, Range()))
        found = compare(connection, form, *sides)
        assert (found.cells, found.equal, found.differs) == (cells, cells - differing, differing)
        return {
            "differing": differing,
            "wall_s": round(time.monotonic() - start, 2),
            "cpu_s": round(time.process_time() - before, 2),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def main() -> None:
    """Measure both cases, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000_000)
    parser.add_argument("--differing", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    given = parser.parse_args()
    cases = []
    for differing in (0, given.differing):
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            cases.append(process.submit(measure, given.cells, differing).result())
    result = {
        "workload": "reconcile",
        "cells": given.cells,
        "memory": MEMORY,
        "cases": cases,
        "machine": describe(),
    }
    (given.out / "reconcile.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(cases))


if __name__ == "__main__":
    main()
