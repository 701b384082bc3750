"""The same numbers by a second program: DuckDB and `recount.sql`, over the clean file."""

from __future__ import annotations

from pathlib import Path

from crossfoot.demo.comparison import Cells, Key

SQL = Path(__file__).with_name("recount.sql")
MISSING = "the recount needs DuckDB, which is not installed: pip install 'crossfoot[demo]'"

# What the bits of `kind` say: the dimensions of the table. And the measures of each metric.
_SETS: dict[int, tuple[str, ...]] = {7: (), 3: ("page",), 5: ("channel",), 4: ("channel", "robot")}
_MEASURES = {"edits": 3, "new_pages": 1}


def recount(clean: Path) -> Cells | None:
    """Every cell of the definition, by SQL; None if DuckDB is not installed."""
    try:
        import duckdb
    except ModuleNotFoundError:
        return None
    with duckdb.connect() as connection:
        rows = connection.execute(SQL.read_text(encoding="utf-8"), {"file": str(clean)}).fetchall()
    return dict(_cell(row) for row in rows)


def _cell(row: tuple[int | str | bool | None, ...]) -> tuple[Key, tuple[int | str | bool | None, ...]]:
    metric, kind, grain, window, page, channel, robot, *measures = row
    values = {"page": page, "channel": channel, "robot": robot}
    assert isinstance(kind, int)
    assert isinstance(metric, str)
    named = [(name, values[name]) for name in _SETS[kind]]
    return (metric, grain, window, *named), tuple(measures[: _MEASURES[metric]])
