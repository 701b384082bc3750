"""A day of Wikipedia's edits, hour by hour, against the embedded engine and against SQL that is written by hand."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crossfoot.definition.load import load_text
from crossfoot.query.client import Store
from crossfoot.services.batch import Job, Report, run
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from tests.real import data
from tests.real.recount import count
from tests.real.test_wikipedia import EVENT

DEFINITION = (
    EVENT
    + """metrics:
  edits:
    by: [[], [channel, robot]]
    measures: {edits: count, added: sum(added)}
    grains: [1h, 1d America/Los_Angeles]
"""
)
RECEIVED = DEFINITION.replace("received: none", "received: {field: got, unit: iso}")
OLD_PIPELINE = """
SELECT epoch_us(hour) AS hour, count(*) AS edits, sum(added)::BIGINT AS added FROM (
  SELECT DISTINCT e.time::TIMESTAMPTZ AS moment, date_trunc('hour', moment) AS hour, e.page, e.user, e.added
  FROM read_json('{file}', columns = {{
    time: 'VARCHAR', page: 'VARCHAR', user: 'VARCHAR', added: 'BIGINT', got: 'VARCHAR'}}) e
  WHERE e.got::TIMESTAMPTZ < hour + INTERVAL 2 HOUR
) GROUP BY hour ORDER BY hour
"""


@pytest.fixture(scope="module")
def edits() -> list[bytes]:
    return data.edits()


def batch(folder: Path, text: str, lines: list[bytes], drop_late_us: int | None = None) -> Report:
    (folder / "edits.jsonl").write_bytes(b"\n".join(lines))
    place = Place(folder, folder)
    job = Job(load_text(text), folder / "out", None, ("edits.jsonl",), place, drop_late_us)
    return run(job, Settings(), Watch())


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    connection.execute("SET TimeZone = 'UTC'")
    return [tuple(row.values()) for row in connection.sql(query).to_arrow_table().to_pylist()]


def test_the_hours_of_a_day_are_the_cells_of_the_embedded_engine(edits: list[bytes], tmp_path: Path):
    """Every row of every table, from all files of the table together."""
    report = batch(tmp_path, DEFINITION, edits)
    assert report.accounts == {"counted": 39_244}
    count("embedded", DEFINITION, {"p": edits}, tmp_path)
    store = Store.open(tmp_path / "store")
    for by in ((), ("channel", "robot")):
        for grain, folder in (("1h", "1h"), ("1d America/Los_Angeles", "1d%20America%2FLos_Angeles")):
            asked = store.query("edits", by=by, grain=grain).to_arrow()
            files = f"{tmp_path}/out/metric=edits/by={','.join(by) or '-'}/grain={folder}/*/cells.parquet"
            order = ", ".join([*(f"{name} NULLS FIRST" for name in by), '"window"'])
            columns = ", ".join(f'"{name}"' for name in asked.column_names)
            with duckdb.connect() as connection:
                found = rows(connection, f"SELECT {columns} FROM read_parquet('{files}') ORDER BY {order}")
            assert [tuple(row.values()) for row in asked.to_pylist()] == found, (by, grain)


def test_late_edits_are_dropped_as_the_hourly_pipeline_did(edits: list[bytes], tmp_path: Path):
    """Each edit is received up to three hours later, a tenth of them twice; against SQL by hand."""
    choice = random.Random(7)
    delivered = []
    for line in edits:
        edit = json.loads(line)
        happened = datetime.fromisoformat(edit["time"])
        for _ in range(1 + (choice.random() < 0.1)):
            got = (happened + timedelta(seconds=choice.random() ** 4 * 10_800)).isoformat()
            delivered.append((got, json.dumps({**edit, "got": got}).encode()))
    report = batch(tmp_path, RECEIVED, [line for _, line in sorted(delivered)], 3_600_000_000)
    with duckdb.connect() as connection:
        files = f"{tmp_path}/out/metric=edits/by=-/grain=1h/*/cells.parquet"
        query = f"SELECT epoch_us(\"window\"), edits, added FROM read_parquet('{files}') ORDER BY 1"
        found = rows(connection, query)
        assert found == rows(connection, OLD_PIPELINE.format(file=tmp_path / "edits.jsonl"))
    assert sum(row[1] for row in found) == report.accounts["counted"] < 39_244
    assert set(report.accounts) == {"counted", "duplicate", "too_late"}
