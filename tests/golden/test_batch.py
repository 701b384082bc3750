"""The batch engine plays every golden folder that SQL can express: the same cells and accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crossfoot.engines.batch import lacks
from crossfoot.query.present import column_values
from tests.batch import recount
from tests.engines import Redefine, Rejoin
from tests.golden import folders
from tests.golden.folders import Golden

LACKS = {
    "carried-and-forgotten": "goes on under another definition",
    "field-added": "goes on under another definition",
    "fields-reordered": "goes on under another definition",
    "forgotten-after-raised-lateness": "goes on under another definition",
    "other-over-a-restart": "goes on under another definition",
    "recount-joins-as-recorded": "is a recount by recorded times",
    "prepared-blocks": "its records are Arrow streams",
    **dict.fromkeys(
        ["other-in-one-set", "other-late-event", "other-null-and-the-text", "other-row"],
        "which values come first is no question for SQL",
    ),
}
"""Folder -> what of it is not in SQL."""


def tables(golden: Golden, made: Any) -> list[dict[str, Any]]:
    """The cells in the form of `expected.json`."""
    found = []
    for metric in golden.definition.metrics:
        for by in metric.sets:
            for grain in metric.grains:
                table = made.cells(metric.name, by, grain.text)
                found.append({"metric": metric.name, "by": list(by), "grain": grain.text, "rows": rows(golden, table)})
    return found


def rows(golden: Golden, table: pa.Table) -> list[dict[str, Any]]:
    integers = frozenset(
        n for n in table.column_names if pa.types.is_decimal(table[n].type) and not table[n].type.scale
    )
    named = column_values(table, integers)
    return [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]


def reasons(made: Any) -> dict[str, int]:
    return {" ".join(filter(None, key)): records for key, records in made.reasons().items()}


ABLE = [folder for folder in folders.FOLDERS if folder.name not in LACKS]


def test_the_list_of_lacks_is_exact():
    """Those, and no others."""
    found = {}
    for folder in folders.FOLDERS:
        golden = folders.read(folder)
        if any(isinstance(step, Redefine) for step in golden.steps):
            found[folder.name] = "goes on under another definition"
        elif any(isinstance(step, Rejoin) for step in golden.steps):
            found[folder.name] = "is a recount by recorded times"
        elif [*lacks(golden.definition)]:
            found[folder.name] = next(lacks(golden.definition)).why
        elif any(each.data[:1] == b"\xff" for step in golden.steps for each in getattr(step, "messages", ())):
            found[folder.name] = "its records are Arrow streams"
    assert found == LACKS


@pytest.mark.parametrize("folder", ABLE, ids=lambda folder: folder.name)
def test_sql_gives_what_is_expected(folder: Path):
    """Cells and account totals."""
    golden = folders.read(folder)
    made = recount(golden.definition, golden.steps)
    assert reasons(made) == golden.expected["ledger"]
    for found, expected in zip(tables(golden, made), golden.expected["cells"], strict=True):
        kept = {row["window"] for row in expected["rows"]} if "expired" in expected else None
        rest = [row for row in found["rows"] if kept is not None and row["window"] not in kept]
        assert sum(row["events"] for row in rest) == expected.get("expired", 0)
        assert [row for row in found["rows"] if row not in rest] == expected["rows"]
