"""BigQuery counts golden folders again by the SQL that a definition is rendered as: the same cells and accounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfoot.dev.bigquery import BigQuery
from tests.bigquery import Dataset, recount
from tests.golden import folders
from tests.golden.test_batch import ABLE, reasons, tables

SOME = (
    "accounts-every-one",
    "conflicts",
    "day-of-25-hours",
    "decimals-half-even",
    "explode",
    "last-of-equal-keys",
    "malformed-reasons",
    "measures",
    "text-lines-by-pattern",
)
"""Those that are counted in every run of the services' tests; the campaign counts them all."""


def check(folder: Path, emulator: BigQuery) -> None:
    golden = folders.read(folder)
    made = recount(Dataset.of(emulator), golden)
    assert reasons(made) == golden.expected["ledger"]
    for found, expected in zip(tables(golden, made), golden.expected["cells"], strict=True):
        if "expired" not in expected:
            assert found["rows"] == expected["rows"]


@pytest.mark.parametrize("name", SOME)
def test_some_folders_are_counted(name, bigquery):
    """One of each kind."""
    check(next(folder for folder in ABLE if folder.name == name), bigquery)


@pytest.mark.campaign
@pytest.mark.parametrize("folder", ABLE, ids=lambda each: each.name)
def test_every_folder_is_counted(folder, bigquery):
    """Cells and account totals."""
    check(folder, bigquery)
