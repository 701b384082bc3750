"""The same numbers by a second program: DuckDB and SQL that is written by hand, over the clean files."""

from __future__ import annotations

import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from crossfoot.demo.comparison import Cells, Key, Value

HERE = Path(__file__).parent
MISSING = "the recount needs DuckDB, which is not installed: pip install 'crossfoot[demo]'"

# What the bits of `kind` say: the dimensions of the table. And the measures of each metric.
_SETS: dict[int, tuple[str, ...]] = {7: (), 3: ("page",), 5: ("channel",), 4: ("channel", "robot")}
_MEASURES = {"edits": 3, "new_pages": 1}


def available() -> bool:
    """Whether DuckDB is installed."""
    return find_spec("duckdb") is not None


def recount_edits(clean: Path) -> Cells:
    """Every cell of wikipedia.yaml."""
    return dict(_edits_cell(row) for row in _rows("recount_edits.sql", {"file": str(clean)}))


def recount_retail(archive: Path, work: Path) -> Cells:
    """Every cell of retail.yaml over all time. The archive is unpacked below `work` meanwhile."""
    with tempfile.TemporaryDirectory(dir=work) as room:
        with tarfile.open(archive) as tar:
            tar.extractall(room, filter="data")
        rows = _rows("recount_retail.sql", {"files": f"{room}/*/*.csv"})
    return dict(_retail_cell(row) for row in rows)


def _rows(script: str, parameters: dict[str, str]) -> list[tuple[Any, ...]]:
    import duckdb

    with duckdb.connect() as connection:
        return connection.execute((HERE / script).read_text(encoding="utf-8"), parameters).fetchall()


def _edits_cell(row: tuple[Any, ...]) -> tuple[Key, tuple[Value, ...]]:
    metric, kind, grain, window, page, channel, robot, *measures = row
    values = {"page": page, "channel": channel, "robot": robot}
    named = [(name, values[name]) for name in _SETS[kind]]
    return (metric, grain, window, *named), tuple(measures[: _MEASURES[metric]])


def _retail_cell(row: tuple[Any, ...]) -> tuple[Key, tuple[Value, ...]]:
    whole, country, *measures = row
    named = [] if whole else [("country", country)]
    return ("sales", "all", None, *named), tuple(measures)
