"""Real data, counted by an engine and recounted by hand-written SQL: cell by cell the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from crossfoot.definition.load import load_text
from crossfoot.engines.protocol import Engine
from tests.engines import DRIVERS, FAR_FUTURE_US, Feed, Finish, play
from tests.golden.answers import answers, shown

Queries: TypeAlias = Mapping[tuple[str, str, str], str]
"""(metric, dimensions joined by commas, grain) -> a statement that gives the table's rows."""

# The reference engine is slow: it counts the first lines only, and so does the SQL it is compared with.
REFERENCE_LINES = 1500


_READ = """
CREATE TABLE lines AS SELECT row_number() OVER () AS n, text
FROM read_csv(?, header = false, delim = '\x01', quote = '', escape = '', columns = {'text': 'VARCHAR'},
              max_line_size = 10000000, parallel = false)
"""


def lines_for(name: str, lines: list[bytes]) -> list[bytes]:
    """All lines, or those that the reference engine can bear."""
    return lines[:REFERENCE_LINES] if name == "reference" else lines


def count(name: str, definition: str, partitions: Mapping[str, Iterable[bytes]], folder: Path) -> Engine:
    """An engine that has counted and finished the partitions."""
    driver = DRIVERS[name](load_text(definition), folder)
    driver.engine.register(list(partitions))
    for partition, lines in partitions.items():
        play(driver, [Feed(partition, b"\n".join(lines), now_us=FAR_FUTURE_US), Finish(partition)])
    return driver.engine


def connect(lines: Iterable[bytes]) -> duckdb.DuckDBPyConnection:
    """DuckDB with the table `lines`: number and text of each line."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET threads = 2")
    with tempfile.NamedTemporaryFile("wb", suffix=".txt") as file:
        file.write(b"\n".join(lines))
        file.flush()
        connection.execute(_READ, [file.name])
    return connection


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """A statement's rows, in the form of the answers."""
    result = connection.execute(query)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, map(shown, row), strict=True)) for row in result.fetchall()]


def assert_same_cells(engine: Engine, connection: duckdb.DuckDBPyConnection, queries: Queries) -> None:
    """Every table of the engine against its statement; none is left out."""
    tables = {(t["metric"], ",".join(t["by"]), t["grain"]): t["rows"] for t in answers(engine)["cells"]}
    assert tables.keys() == queries.keys()
    for place, query in queries.items():
        truth = rows_of(connection, query)
        assert truth, place
        assert tables[place] == truth, place


def ledger(engine: Engine) -> dict[str, int]:
    """Records by account and reason."""
    found: dict[str, int] = answers(engine)["ledger"]
    return found
