"""Two results of ten million cells compared: time, CPU seconds, peak memory.

python -m bench.reconcile [--cells 10000000] [--differing 0]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import duckdb

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison, WindowColumn
from crossfoot.reconcile.compare import compare
from crossfoot.reconcile.form import form_of
from crossfoot.reconcile.sides import Range, open_theirs
from crossfoot.reconcile.working import connect

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


def main() -> None:
    """Write both sides, compare them, print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=10_000_000)
    parser.add_argument("--differing", type=int, default=0)
    given = parser.parse_args()
    definition = load_text(DEFINITION)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "ours.parquet", Path(folder) / "theirs.parquet"]
        _write(paths[0], given.cells, 0)
        _write(paths[1], given.cells, given.differing)
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
        result = {
            "cells": found.cells,
            "exact_keys": found.exact_keys,
            "differing": found.differs,
            "wall_s": round(time.monotonic() - start, 2),
            "cpu_s": round(time.process_time() - before, 2),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
