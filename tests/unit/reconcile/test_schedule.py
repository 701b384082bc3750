"""Comparisons while counting goes on."""

import threading
from dataclasses import replace
from pathlib import Path

from crossfoot.definition.load import load_text
from crossfoot.definition.model import DAY_US, HOUR_US
from crossfoot.reconcile.history import file_of, history
from crossfoot.reconcile.schedule import Schedule, compare_once, last_us
from crossfoot.testing.clocks import ManualClock
from tests.reconciling import DEFINITION, Other, Shop

AT_US = 1_710_000_000_000_000
NIGHTLY = """
reconcile:
  nightly: {against: {parquet: theirs.parquet}, metric: sales, grain: 1h, by: [country, kind], schedule: 1d}
"""
LOADED = load_text(DEFINITION + NIGHTLY)


def test_a_comparison_that_is_due_is_done(small: Shop):
    """At once where none was done before, and it is kept with its report."""
    small.write(Other())
    file_of(small.store, "nightly").unlink(missing_ok=True)
    said, told = [], threading.Event()

    def tell(line: str) -> None:
        said.append(line)
        told.set()

    with Schedule(LOADED, (small.store, small.folder), ManualClock(AT_US), tell):
        assert told.wait(120)
    assert said[0].startswith("reconcile nightly: 100.000 % of ")
    assert last_us(small.store, "nightly") == AT_US
    assert "100.000 %" in (small.store / "reconcile" / "nightly.html").read_text()


def test_one_that_is_not_due_waits(small: Shop):
    """Until a day after the last one."""
    small.write(Other())
    compare_once(LOADED, (small.store, small.folder), LOADED.reconcile[0], AT_US)
    schedule = Schedule(LOADED, (small.store, small.folder), ManualClock(AT_US + HOUR_US), print)
    assert schedule._attempt(LOADED.reconcile[0], {}) == (DAY_US - HOUR_US) / 1e6


def test_one_that_fails_is_told_and_tried_again_later(small: Shop, tmp_path: Path):
    """The service goes on."""
    said: list[str] = []
    schedule = Schedule(LOADED, (small.store, tmp_path), ManualClock(AT_US + 9 * DAY_US), said.append)
    failed: dict[str, int] = {}
    assert schedule._attempt(LOADED.reconcile[0], failed) == DAY_US / 1e6
    assert "there is no parquet at" in said[0]
    assert failed == {"nightly": AT_US + 9 * DAY_US}


def test_a_torn_line_of_the_history_is_passed_over(small: Shop):
    """The next result begins a line of its own."""
    small.write(Other())
    torn = replace(LOADED.reconcile[0], name="torn")
    path = file_of(small.store, "torn")
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"at": "2024')
    compare_once(LOADED, (small.store, small.folder), torn, AT_US)
    assert [found["exact_keys"] for found in history(small.store, "torn")] == [100.0]
