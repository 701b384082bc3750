"""A store that has lost something that its archive has is repaired from it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison
from crossfoot.errors import StoreError
from crossfoot.generations import number_in_force
from crossfoot.query.client import Store
from crossfoot.reconcile.run import Work, reconcile
from crossfoot.services.backfill.repair import Faulty, Repair, repair
from crossfoot.services.backfill.switch import BackfillWatch
from crossfoot.settings import Settings
from crossfoot.testing.clocks import ManualClock
from tests.backfilling import ARCHIVED
from tests.counting import NOW_US, click, count_records

GOT = "2015-09-12T10:30:00Z"
RECORDS = [click(seq, f"2015-09-12T10:{seq:02}:00Z", page=f"p{seq % 3}", got=GOT) for seq in range(9)]
DAMAGED = [*RECORDS[:4], click(4, "2015-09-12T10:04:00Z", page="p2", got=GOT), *RECORDS[5:]]


def faulty(folder: Path, *, lost: bool = True) -> Faulty:
    """A store that has an event in another cell than its archive says, beside a right one."""
    for name, records in (("right", RECORDS), ("ours", DAMAGED if lost else RECORDS)):
        (folder / name).mkdir()
        count_records(folder / name, records, ARCHIVED)
    store = folder / "ours" / "store"
    shutil.rmtree(store / "archive")
    shutil.copytree(folder / "right" / "store" / "archive", store / "archive")
    against = Against("store", str(folder / "right" / "store"))
    return Faulty(
        load_text(ARCHIVED), store, Comparison("right", against, "clicks", "1m", ("page",)), Work(causes=False)
    )


def repaired(found: Faulty, *, switches: bool) -> Repair:
    before = reconcile(found.definition, found.store, found.comparison, found.work)
    return repair(found, before, Settings(), BackfillWatch(clock=ManualClock(NOW_US)), switches=switches)


def test_what_would_change_is_shown_before_anything_is_switched(tmp_path: Path):
    found = faulty(tmp_path)
    made = repaired(found, switches=False)
    by_page = next(t for t in made.report.tables if (t.by, t.grain) == (("page",), "1m"))
    assert (by_page.compared.missing_here, by_page.compared.missing_there) == (1, 1)
    assert made.after.compared.equal == made.after.compared.cells == 9
    assert number_in_force(found.store) == 0


def test_a_repair_is_one_switch(tmp_path: Path):
    found = faulty(tmp_path)
    assert repaired(found, switches=True).report.switched
    after = reconcile(found.definition, found.store, found.comparison, found.work)
    assert after.compared.equal == after.compared.cells == 9
    assert Store.open(found.store).query("totals").rows()[0]["clicks"] == 9


def test_a_store_that_is_what_its_archive_says_has_nothing_to_repair(tmp_path: Path):
    found = faulty(tmp_path, lost=False)
    assert repaired(found, switches=True).after is None
    assert number_in_force(found.store) == 0


def test_a_repair_that_brings_nothing_nearer_is_refused(tmp_path: Path):
    found = faulty(tmp_path)
    shutil.rmtree(tmp_path / "right" / "store")
    shutil.copytree(tmp_path / "ours" / "store", tmp_path / "right" / "store")
    other = reconcile(found.definition, found.store, found.comparison, found.work)
    with pytest.raises(StoreError, match="does not bring the store nearer the other side"):
        repair(found, other, Settings(), BackfillWatch(clock=ManualClock(NOW_US)), switches=True)
