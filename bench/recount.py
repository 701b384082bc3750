"""Recounts raw events by the batch engine, and by a query that one writes by hand over the same records.

    python -m bench.recount EVENTS.jsonl [--memory 4GB]

Both sides read the same Parquet file of raw records (the columns of the archive), in a process of their own, keep
one record per id, and make the tables of `engagement.yaml`. Every table is compared before a figure is printed.
Writes `bench/results/recount.json`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from bench.duckdb_rival import GRAINS, SETS
from bench.machine import describe
from crossfoot.definition.model import Definition
from crossfoot.engines.batch import BatchEngine
from crossfoot.engines.batch.raw import of_files

SHAPE = json.dumps(
    {
        "id": "UUID",
        "ts": "BIGINT",
        "kind": "VARCHAR",
        "user": "BIGINT",
        "item": "BIGINT",
        "country": "VARCHAR",
        "client": "VARCHAR",
        "duration": "BIGINT",
    }
)


def by_hand(db: duckdb.DuckDBPyConnection, raw: str) -> None:
    """Typed JSON, distinct ids, twelve groupings."""
    db.execute(
        f"""CREATE TEMP TABLE event AS
            SELECT e.* EXCLUDE (id, ts), to_timestamp(e.ts / 1000.0) AT TIME ZONE 'UTC' AS time FROM (
              SELECT DISTINCT ON (e.id) e FROM (SELECT json_transform(decode(record), '{SHAPE}') AS e FROM {raw}))"""
    )
    for dims in SETS:
        for grain, unit in GRAINS.items():
            keys = ", ".join([f"date_trunc('{unit}', time)::TIMESTAMPTZ AS \"window\"", *dims])
            groups = ", ".join(str(place + 1) for place in range(len(dims) + 1))
            db.execute(
                f"""CREATE TABLE "{"_".join([*dims, grain])}" AS
                    SELECT {keys}, count(*) AS events, sum(duration) AS time_spent, count(DISTINCT "user") AS users
                    FROM event GROUP BY {groups}"""
            )


def by_engine(db: duckdb.DuckDBPyConnection, raw: str) -> None:
    """The same tables by the batch engine."""
    definition = Definition.from_yaml(Path(__file__).with_name("engagement.yaml"))
    engine = BatchEngine(definition, db)
    engine.add_raw(raw)
    found = engine.run()
    for dims in SETS:
        for grain in GRAINS:
            table = "_".join([*dims, grain])
            db.execute(f'CREATE TABLE "{table}" AS {found.cells_sql("engagement", dims, grain)}')


SIDES = {"hand": by_hand, "engine": by_engine}


def run(side: str, raw: Path, database: Path, memory: str) -> None:
    """One side, in this process: its figures as JSON."""
    with duckdb.connect(str(database), config={"threads": 2, "memory_limit": memory}) as db:
        began, cpu = time.perf_counter(), time.process_time()
        SIDES[side](db, f"read_parquet('{raw}')")
        seconds = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({name: round(value, 2) for name, value in seconds.items()} | {"peak_mib": peak}))


def same(left: Path, right: Path) -> int:
    """Every table equal, windows as microseconds. How many cells there are."""
    cells = 0
    with duckdb.connect() as db:
        db.execute(f"ATTACH '{left}' AS hand (READ_ONLY); ATTACH '{right}' AS engine (READ_ONLY)")
        for dims in SETS:
            for grain in GRAINS:
                table = f'"{"_".join([*dims, grain])}"'
                hand = f'SELECT * REPLACE (epoch_us("window") AS "window") FROM hand.{table}'
                ours = f"SELECT * FROM engine.{table}"
                query = f"SELECT (SELECT count(*) FROM ({hand} EXCEPT ALL {ours})), (SELECT count(*) FROM ({ours}))"
                differing, rows = db.execute(query).fetchone() or (1, 0)
                assert differing == 0, (table, differing)
                assert rows == (db.execute(f"SELECT count(*) FROM hand.{table}").fetchone() or (0,))[0], table
                cells += rows
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=Path)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--side", nargs=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    given = parser.parse_args()
    if given.side:
        run(given.side[0], given.events, Path(given.side[1]), given.memory)
        return
    with tempfile.TemporaryDirectory() as folder:
        raw, found = Path(folder) / "raw.parquet", {}
        with duckdb.connect() as db:
            records = f"SELECT * REPLACE (encode(record) AS record) FROM {of_files([str(given.events)])}"
            written = db.execute(f"COPY ({records}) TO '{raw}' (FORMAT parquet, COMPRESSION zstd)").fetchone()
        for side in SIDES:
            command = [sys.executable, "-m", "bench.recount", str(raw), "--memory", given.memory]
            command += ["--side", side, str(Path(folder) / f"{side}.duckdb")]
            found[side] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        cells = same(Path(folder) / "hand.duckdb", Path(folder) / "engine.duckdb")
    result = {
        "workload": "recount",
        "records": (written or (0,))[0],
        "memory": given.memory,
        "cells": cells,
        **found,
        "cpu_ratio": round(found["engine"]["cpu_s"] / found["hand"]["cpu_s"], 2),
        "wall_ratio": round(found["engine"]["wall_s"] / found["hand"]["wall_s"], 2),
        "machine": describe(),
    }
    (given.out / "recount.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: result[name] for name in ("records", "hand", "engine", "cpu_ratio", "wall_ratio")}))


if __name__ == "__main__":
    main()
