"""A folder's truth in SQL: statements written by hand for that folder, run by DuckDB over the log.

``truth.sql`` is a list of statements. One after a line ``-- cells METRIC BY GRAIN`` (``BY`` as ``-`` or ``a,b``) gives
the rows of that table, one after ``-- ledger`` account and records; those before them prepare.

They see the table ``log``: step (from 1), partition, ordinal in the partition, now, and ``record``, the record as text
(null where the bytes are no UTF-8). ``utc(text)`` reads an ISO text, ``zoned(ts, zone)`` and ``unzoned`` change between
UTC and the wall clock of a zone by DuckDB's own zone data. Timestamps are UTC.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb

from tests.golden.answers import shown
from tests.golden.folders import data_of

_HEAD = re.compile(r"^-- (cells|ledger)\b(.*)$", re.MULTILINE)
_MACROS = """
CREATE MACRO utc(x) AS (x::TIMESTAMPTZ AT TIME ZONE 'UTC');
CREATE MACRO zoned(ts, zone) AS ((ts AT TIME ZONE 'UTC') AT TIME ZONE zone);
CREATE MACRO unzoned(wall, zone) AS ((wall AT TIME ZONE zone) AT TIME ZONE 'UTC');
"""


def truth_of(folder: Path) -> dict[str, Any]:
    """``cells`` by (metric, by, grain), and ``ledger`` if the folder's SQL says it."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
    connection.execute(_MACROS)
    _fill(connection, folder / "log.jsonl")
    text = (folder / "truth.sql").read_text(encoding="utf-8")
    first, *parts = re.split(r"^(?=-- (?:cells|ledger)\b)", text, flags=re.MULTILINE)
    connection.execute(first)
    truth: dict[str, Any] = {"cells": {}}
    for part in parts:
        head = _HEAD.match(part)
        assert head is not None
        rows = _rows(connection, part)
        if head[1] == "ledger":
            truth["ledger"] = {row["account"]: row["records"] for row in rows}
        else:
            metric, by, grain = head[2].split(maxsplit=2)
            truth["cells"][metric, () if by == "-" else tuple(by.split(",")), grain.strip()] = rows
    return truth


def _fill(connection: duckdb.DuckDBPyConnection, log: Path) -> None:
    connection.execute("CREATE TABLE log(step INT, partition TEXT, ordinal INT, now TEXT, record TEXT)")
    ordinals: dict[str, int] = {}
    for step, line in enumerate(log.read_text(encoding="utf-8").splitlines(), 1):
        says = json.loads(line)
        for data in data_of(line).splitlines() if "partition" in says else ():
            if data.strip():
                ordinal = ordinals[says["partition"]] = ordinals.get(says["partition"], -1) + 1
                row = [step, says["partition"], ordinal, says.get("now"), _text(data)]
                connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?)", row)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    result = connection.execute(query)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, map(shown, row), strict=True)) for row in result.fetchall()]
