"""The batch engine plays every golden folder that SQL can express: the same cells and accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crossfoot.query.present import column_values
from tests.batch import recount
from tests.engines import Redefine
from tests.golden import folders
from tests.golden.folders import Golden

LACKS: dict[str, str] = {}
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
    integers = frozenset(n for n in table.column_names if pa.types.is_decimal(table[n].type) and not table[n].type.scale)
    named = column_values(table, integers)
    return [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]


def reasons(made: Any) -> dict[str, int]:
    return {" ".join(filter(None, key)): records for key, records in made.reasons().items()}


@pytest.mark.parametrize("folder", folders.FOLDERS, ids=lambda folder: folder.name)
def test_sql_gives_what_is_expected(folder: Path):
    """Cells and account totals."""
    golden = folders.read(folder)
    if any(isinstance(step, Redefine) for step in golden.steps):
        pytest.skip("two definitions")
    made = recount(golden.definition, golden.steps)
    assert reasons(made) == golden.expected["ledger"]
    assert tables(golden, made) == golden.expected["cells"]
