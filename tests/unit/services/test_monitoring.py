"""The monitor beside a run: its alerts are in the state, in a log line, among the metrics, and posted."""

import json
import subprocess
import sys
from contextlib import contextmanager, nullcontext

import pytest

from crossfoot.definition.load import load_text
from crossfoot.monitor.report import Counts, Report
from crossfoot.monitor.schedule import Scheduled
from crossfoot.reconcile.schedule import Schedule
from crossfoot.seen.changes import Changes
from crossfoot.seen.metrics import families
from crossfoot.services import live
from crossfoot.services.live import LiveJob, LiveWatch, run_live
from crossfoot.services.monitoring import monitoring
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.sources.openers import openers_of
from crossfoot.testing.clocks import ManualClock
from tests.counting import CLICKS, STAMPED, click, lines
from tests.monitoring import NOON, SINK, WATCHED, arrived, written
from tests.unit.monitor.test_webhook import server
from tests.unit.seen.states import state

NOW_US = int(NOON.timestamp()) * 1_000_000 + 60_000_000
EVERY = "monitor: {duplicates: {alert_above: 1%}, every: 1h, webhook: 'http://HOST/hook'}\n"
SCHEDULED = "reconcile: {nightly: {against: {csv: old.csv}, metric: totals, schedule: 1d}}\n"
FOLLOWED = CLICKS.replace("format: json}", "format: json, follow: true}")


def test_a_look_at_the_last_day_posts_what_is_over_its_limit(tmp_path):
    with server(200) as (host, got):
        definition = written(
            tmp_path, [arrived("a"), arrived("a", position=1)], text=WATCHED + EVERY.replace("HOST", host)
        )
        folders = (tmp_path / "store", tmp_path)
        with monitoring(definition, folders, Settings(webhook_hosts=host), {}, ManualClock(NOW_US)) as scheduled:
            scheduled.once()
    assert scheduled.problems() == []
    assert scheduled.found.numbers["monitor_duplicates_percent"] == 50
    assert scheduled.found.alerts["duplicates"].startswith("copies of events: 50 %")
    assert [body["alerts"][0]["watched"] for _, _, body in got] == ["duplicates"]


def test_nothing_is_looked_at_where_the_definition_does_not_say_how_often(tmp_path):
    with monitoring(load_text(WATCHED), (tmp_path, tmp_path), Settings(), {}, ManualClock(0)) as scheduled:
        assert scheduled is None


def test_nobody_has_fed_the_warehouse_yet(tmp_path):
    text = WATCHED + "monitor: {every: 1h}\n"
    with monitoring(load_text(text), (tmp_path, tmp_path), Settings(), {}, ManualClock(NOW_US)) as scheduled:
        scheduled.once()
    assert scheduled.problems() == ["the warehouse warehouse:warehouse has no raw events"]


@pytest.fixture
def doubled() -> Scheduled:
    """It has looked once, at a span with one of two counted events doubled."""
    definition = load_text(WATCHED + "monitor: {}\n")
    counts = Counts(raw=2, events=2, counted=2, doubled=1)
    report = Report("a store", 0, 1, 1, counts, ((0, counts),), ())
    scheduled = Scheduled(3600, lambda _: (report, report.alerts(definition.monitor)), lambda *_: None)
    scheduled.once()
    return scheduled


def test_a_run_publishes_what_the_monitor_has_found(tmp_path, monkeypatch, doubled):
    @contextmanager
    def looked(*_):
        yield doubled

    monkeypatch.setattr(live, "monitoring", looked)
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1)]))
    definition, states = load_text(FOLLOWED), []
    sources = openers_of(definition, Place(tmp_path, tmp_path, ()), {})
    run_live(
        LiveJob(definition, tmp_path / "store", sources, True, tmp_path), Settings(), LiveWatch(state=states.append)
    )
    assert states[-1].alerts["left"].startswith("copies among the counted events: 50 %")
    assert states[-1].more["monitor_left_percent"] == 50
    assert doubled.hold.is_broken  # asked to end before the sinks were waited for


def test_a_run_publishes_what_comparisons_have_found(tmp_path, monkeypatch):
    """A check that does not hold is an alert; a comparison that cannot be done is a place that fails."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1)]))
    definition, states, notes = load_text(FOLLOWED + SCHEDULED), [], []
    past = {"at": "2000-01-01T00:00:00Z", "holds": False, "exact_keys": 62.5, "exact_volume": 50.0, "cells": 8}
    (tmp_path / "other" / "reconcile").mkdir(parents=True)
    (tmp_path / "other" / "reconcile" / "nightly.jsonl").write_text(json.dumps(past))
    compared = Schedule(definition, (tmp_path / "other", tmp_path), ManualClock(NOW_US), print)
    compared._attempt(definition.reconcile[0])
    monkeypatch.setattr(live, "Schedule", lambda *_: nullcontext(compared))
    sources = openers_of(definition, Place(tmp_path, tmp_path, ()), {})
    run_live(
        LiveJob(definition, tmp_path / "store", sources, True, tmp_path),
        Settings(),
        LiveWatch(state=states.append, note=notes.append),
    )
    assert states[-1].alerts == {"reconcile nightly": "62.500 % of 8 cells are exact"}
    assert states[-1].more == {"reconcile_nightly_exact_percent": 62.5}
    [retry] = states[-1].retrying
    assert (retry.place, retry.attempts) == ("reconcile nightly", 1)
    assert notes == [f"reconcile nightly: {retry.reason}"]


ENDLESS = """
import sys
from crossfoot.cli.app import main
from crossfoot.monitor import look
from crossfoot.monitor.schedule import Scheduled
from crossfoot.services import monitoring

def endless(side, *_):
    print("looking", flush=True)
    side.query("SELECT count(*) FROM range(10_000_000_000_000) AS numbers(n) WHERE n % 7 = 3")

look.measure = endless
monitoring.Scheduled = lambda _, *others: Scheduled(0.1, *others)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("side", ["archive: {}\n", SINK.replace("}}", ", feeds: [raw, counted]}}")])
def test_a_run_that_looks_ends_in_time(tmp_path, side):
    """The look is broken off, in the archive or in a warehouse: no thread is left inside DuckDB when it ends."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1, got="2015-09-12T10:00:01Z")]))
    text = STAMPED.replace("format: json}", "format: json, follow: true}") + side
    (tmp_path / "clicks.yaml").write_text(text + "monitor: {every: 1h}\n")
    command = [sys.executable, "-c", ENDLESS, "run", str(tmp_path / "clicks.yaml")]
    subprocess.run([*command, "--once"], check=True, capture_output=True, timeout=120)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "looking\n"
        process.terminate()
        assert process.wait(10) == 0


def test_an_alert_is_told_when_it_begins_and_when_it_ends():
    changes = Changes()
    told = [event for alerts in ({}, {"left": "x"}, {"left": "y"}, {}) for event in changes.of(state(alerts=alerts))]
    found = [(event.name, event.facts, event.warns) for event in told if event.name.startswith("alert")]
    assert found == [
        ("alert_begins", {"watched": "left", "says": "x"}, True),
        ("alert_ends", {"watched": "left"}, False),
    ]


def test_alerts_and_percentages_are_metrics():
    found = state(alerts={"left": "x"}, more={"monitor_left_percent": 0.5})
    samples = {(each.name, *each.labels.values()): each.value for family in families(found) for each in family.samples}
    assert samples["crossfoot_alert", "left"] == 1
    assert samples["crossfoot_monitor_left_percent",] == 0.5
