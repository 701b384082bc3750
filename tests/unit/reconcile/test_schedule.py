"""Comparisons while counting goes on."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.model import DAY_US, HOUR_US
from crossfoot.errors import StoreError
from crossfoot.reconcile import run as runs
from crossfoot.reconcile import schedule as schedules
from crossfoot.reconcile.history import file_of, history, remember
from crossfoot.reconcile.run import reconcile
from crossfoot.reconcile.schedule import Schedule, compare_once, last_us, placed
from crossfoot.testing.clocks import ManualClock
from tests.live import LiveRun
from tests.reconciling import DEFINITION, Other, Shop, events

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
    assert schedule._attempt(LOADED.reconcile[0]) == (DAY_US - HOUR_US) / 1e6


def test_one_that_fails_is_told_and_tried_again_later(small: Shop, tmp_path: Path):
    """The service goes on."""
    schedule = Schedule(LOADED, (small.store, tmp_path), ManualClock(AT_US + 9 * DAY_US), print)
    assert schedule._attempt(LOADED.reconcile[0]) == DAY_US / 1e6
    [(name, says)] = schedule.problems()
    assert name == "nightly"
    assert says.startswith("there is no parquet at")
    assert schedule.works() == []
    assert schedule._attempt(LOADED.reconcile[0]) == DAY_US / 1e6
    assert schedule.problems() == []


def test_whatever_goes_wrong_is_told(small: Shop, monkeypatch: pytest.MonkeyPatch):
    """No error ends the thread."""
    monkeypatch.setattr(schedules, "compare_once", lambda *_: {}["nothing"])
    schedule = Schedule(LOADED, (small.store, small.folder), ManualClock(AT_US + 9 * DAY_US), print)
    assert schedule._attempt(LOADED.reconcile[0]) == DAY_US / 1e6
    assert schedule.problems() == [("nightly", "KeyError: 'nothing'")]


def test_the_end_breaks_a_comparison_off(small: Shop, monkeypatch: pytest.MonkeyPatch):
    """No thread is left inside DuckDB, which would abort the process; nothing is kept, and it is no failure."""
    small.write(Other())
    began = threading.Event()

    def endless(connection, *_):
        began.set()
        connection.execute("SELECT count(*) FROM range(10_000_000_000_000) AS numbers(n) WHERE n % 7 = 3")

    monkeypatch.setattr(runs, "compare", endless)
    broken = replace(LOADED.reconcile[0], name="broken")
    definition = replace(LOADED, reconcile=(broken,))
    with Schedule(definition, (small.store, small.folder), ManualClock(AT_US), print) as schedule:
        assert began.wait(120)
    assert not schedule.is_alive
    assert schedule.problems() == []
    assert history(small.store, "broken") == []


def test_a_check_that_does_not_hold_is_an_alert(small: Shop):
    """Of the newest result, after a restart too."""
    small.write(Other(dedup=False))
    file_of(small.store, "nightly").unlink(missing_ok=True)
    compare_once(LOADED, (small.store, small.folder), LOADED.reconcile[0], AT_US)
    schedule = Schedule(LOADED, (small.store, small.folder), ManualClock(AT_US), print)
    schedule._attempt(LOADED.reconcile[0])
    newest = schedule.newest["nightly"]
    assert 0 < newest.exact_keys < 100
    assert newest.alert.startswith(f"{int(newest.exact_keys)}.")


def test_a_store_in_which_nothing_is_complete_waits(tmp_path: Path):
    """It is said once, nothing is kept, no check fails, and it is tried again soon."""
    (tmp_path / "events.jsonl").touch()
    text = DEFINITION.replace("format: json}", "format: json, follow: true}") + NIGHTLY
    LiveRun(tmp_path, text).run(once=True)
    shop = Shop(tmp_path, events(10))
    shop.write(Other())
    said: list[str] = []
    schedule = Schedule(LOADED, (tmp_path / "store", tmp_path), ManualClock(AT_US), said.append)
    assert [schedule._attempt(LOADED.reconcile[0]) for _ in range(2)] == [300, 300]
    assert said == ["reconcile nightly: no window of the store is complete yet"]
    assert (schedule.problems(), schedule.works()) == ([], ["nightly"])
    assert history(tmp_path / "store", "nightly") == []


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[]",
        b'{"at": "2024',
        b"\xff",
        b'{"at": "soon", "holds": true, "exact_keys": 1, "exact_volume": 1, "cells": 1}',
    ],
)
def test_a_line_that_is_no_result_is_passed_over(small: Shop, line: bytes):
    """The next result begins a line of its own."""
    small.write(Other())
    torn = replace(LOADED.reconcile[0], name="torn")
    path = file_of(small.store, "torn")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(line)
    assert last_us(small.store, "torn") == 0
    compare_once(LOADED, (small.store, small.folder), torn, AT_US)
    assert [found["exact_keys"] for found in history(small.store, "torn")] == [100.0]


def test_a_history_that_cannot_be_written_is_told(tmp_path: Path, small: Shop):
    """As a fault of the store."""
    small.write(Other())
    found = reconcile(LOADED, small.store, placed(LOADED.reconcile[0], small.folder))
    (tmp_path / "reconcile").touch()
    with pytest.raises(StoreError, match="the result cannot be kept in "):
        remember(tmp_path, found, "2024-03-09T16:00:00Z")
