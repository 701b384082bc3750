"""A store of ten million cells compared with the same in a Parquet file, all equal and with some that differ.

    python -m bench.reconcile [--cells 10000000] [--differing 1000]

The store is counted from generated lines first. Each comparison is `reconcile` in a process of its own. Writes
`bench/results/reconcile.json`.
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
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.reconcile.run import Work, reconcile
from crossfoot.reconcile.working import MEMORY

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
_HOUR, _PAGES, _KINDS = 20_000, 5_000, ("view", "click", "like", "share")
_CHUNK = 100_000
"""Cells of an hour, pages, kinds; lines that are counted at once."""


def count(store: Path, cells: int) -> None:
    """A store with so many cells, of one event each."""
    engine = EmbeddedEngine(store, load_text(DEFINITION))
    engine.register(["cells"])
    for first in range(0, cells, _CHUNK):
        numbers = range(first, min(first + _CHUNK, cells))
        engine.feed("cells", "".join(map(_line, numbers)).encode(), 0)
    engine.finish("cells")
    engine.commit()
    engine.checkpoint()
    engine.close()


def _line(number: int) -> str:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_START + number // _HOUR * 3600))
    page, kind = number // len(_KINDS) % _PAGES, _KINDS[number % len(_KINDS)]
    return f'{{"id":{number},"at":"{at}","page":{page},"kind":"{kind}","price":{number % 1009}}}\n'


def write(path: Path, cells: int, differing: int) -> None:
    """What another pipeline has counted: so many of its cells have one event more."""
    step = cells // differing if differing else cells + 1
    query = f"""
      SELECT make_timestamptz(({_START} + (i // {_HOUR}) * 3600) * 1000000) AS "window",
        (i // {len(_KINDS)}) % {_PAGES} AS page, {list(_KINDS)}[i % {len(_KINDS)} + 1] AS kind,
        1 + CASE WHEN i % {step} = {step} - 1 THEN 1 ELSE 0 END AS events, i % 1009 AS spent
      FROM range({cells}) r(i)"""
    duckdb.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def measure(store: Path, path: Path, cells: int, differing: int) -> dict[str, int | float]:
    """Compare, without looking for causes."""
    comparison = Comparison("bench", Against("parquet", str(path)), "views", "1h", ("page", "kind"), WindowColumn())
    before, start = time.process_time(), time.monotonic()
    found = reconcile(load_text(DEFINITION), store, comparison, Work(causes=False, threads=2)).compared
    assert (found.cells, found.equal, found.differs) == (cells, cells - differing, differing), found
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
    with tempfile.TemporaryDirectory(prefix="crossfoot-reconcile-") as folder:
        store, path = Path(folder) / "store", Path(folder) / "theirs.parquet"
        count(store, given.cells)
        for differing in (0, given.differing):
            write(path, given.cells, differing)
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                cases.append(process.submit(measure, store, path, given.cells, differing).result())
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
