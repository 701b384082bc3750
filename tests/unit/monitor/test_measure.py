"""Copies of each cause and age, late events and doubled counted events, by numbers made by hand."""

from datetime import timedelta
from decimal import Decimal

import pytest

from crossfoot.definition.model import HOUR_US, MINUTE_US, Monitor
from crossfoot.errors import CallError, DataError
from tests.monitoring import NOON, WATCHED, account, after, arrived, counted, found, written

PREPARED = {"origin_source": "raw", "origin_partition": 3, "origin_position": 7}
NOON_US = int(NOON.timestamp()) * 1_000_000


def test_an_id_that_came_once_is_no_copy(tmp_path):
    report = found(tmp_path, written(tmp_path, [arrived("a"), arrived("b", position=1)]))
    assert (report.total.raw, report.total.ids, report.total.copies) == (2, 2, 0)
    assert report.total.percent("duplicates") == 0


@pytest.mark.parametrize(
    ("cause", "first", "copy"),
    [
        ("redelivery", {}, {}),
        ("redelivery", {"position": 1, **PREPARED, "attempt": 1}, {"position": 2, **PREPARED, "attempt": 1}),
        ("producer_retry", {}, {"position": 1}),
        ("producer_retry", {}, {"partition": "q"}),
        ("producer_retry", {**PREPARED}, {"position": 1, **PREPARED, "origin_position": 8}),
        ("producer_retry", {"element": 0}, {"element": 1}),
        ("relay_retry", {"attempt": 1, **PREPARED}, {"position": 1, "attempt": 2, **PREPARED}),
        ("relay_retry", {"attempt": 1}, {"position": 1, "attempt": 2}),
        ("unknown", {"attempt": 1}, {"position": 1, "attempt": 1}),
        ("other_source", {}, {"source": "views"}),
        ("conflict", {}, {"content": "d"}),
        ("conflict", {}, {"event_time": after(seconds=-1)}),
    ],
)
def test_a_copy_has_its_cause(tmp_path, cause, first, copy):
    rows = [arrived("a", **first), arrived("a", after(seconds=2), **copy), arrived("b", position=9)]
    report = found(tmp_path, written(tmp_path, rows))
    assert +report.total.causes == {cause: 1}
    assert report.total.ids == 2
    assert report.total.copies == (cause != "conflict")


def test_what_was_redelivered_is_told_from_what_was_sent_again(tmp_path):
    """A copy is compared with everything before it, not with the first alone."""
    times = [after(seconds=second) for second in range(4)]
    rows = [arrived("a", at, position) for at, position in zip(times, (1, 2, 2, 1), strict=True)]
    report = found(tmp_path, written(tmp_path, rows))
    assert +report.total.causes == {"producer_retry": 1, "redelivery": 2}


@pytest.mark.parametrize(
    ("age", "length"),
    [
        ("1s", {"milliseconds": 999}),
        ("1m", {"seconds": 1}),
        ("1m", {"seconds": 59}),
        ("1h", {"minutes": 1}),
        ("1d", {"hours": 1}),
        ("horizon", {"days": 1}),
        ("horizon", {"days": 2}),
        ("beyond", {"days": 2, "microseconds": 1}),
    ],
)
def test_a_copy_has_its_age(tmp_path, age, length):
    report = found(tmp_path, written(tmp_path, [arrived("a"), arrived("a", after(**length))]))
    assert +report.total.ages == {age: 1}


def test_spans_have_no_gaps(tmp_path):
    rows = [arrived("a"), arrived("b", after(minutes=61)), arrived("a", after(minutes=150))]
    report = found(tmp_path, written(tmp_path, rows))
    assert [at_us for at_us, _ in report.spans] == [NOON_US + hour * HOUR_US for hour in range(3)]
    assert [(counts.events, counts.ids) for _, counts in report.spans] == [(1, 1), (1, 1), (1, 0)]
    assert [counts.percent("duplicates") for _, counts in report.spans] == [0, 0, 100]


def test_a_span_without_events_has_no_percentage(tmp_path):
    report = found(tmp_path, written(tmp_path, [arrived("a"), arrived("b", after(hours=2))]))
    assert report.spans[1][1].percent("duplicates") is None


def test_partitions_are_told_apart(tmp_path):
    rows = [arrived("a"), arrived("a", after(seconds=1)), arrived("b", source="views", partition="v")]
    report = found(tmp_path, written(tmp_path, rows))
    shares = {(source, name): counts.percent("duplicates") for source, name, counts in report.partitions}
    assert shares == {("clicks", "p"): 50, ("views", "v"): 0}


def test_records_that_are_no_events_are_raw_and_no_copies(tmp_path):
    broken = {"account": "malformed", "event_time": None, "content": None}
    rows = [arrived("a"), *({**arrived("", position=at, **broken), "uuid": None} for at in (1, 2))]
    report = found(tmp_path, written(tmp_path, rows))
    assert (report.total.raw, report.total.events, report.total.copies) == (3, 1, 0)


def test_late_is_after_an_hour_and_inside_the_allowed_lateness(tmp_path):
    lengths = (timedelta(hours=1), timedelta(hours=1, microseconds=1), timedelta(days=2), timedelta(days=3))
    rows = [arrived(f"{n}", NOON + length, n) for n, length in enumerate(lengths)]
    ledger = [account("counted", 3, after(hours=1)), account("too_late", 1, after(days=3))]
    report = found(tmp_path, written(tmp_path, rows, ledger=ledger))
    assert (report.total.late, report.total.percent("late")) == (2, 50)
    assert (report.total.too_late, report.total.percent("too_late")) == (1, 25)
    assert [at_us for at_us, counts in report.spans if counts.too_late] == [NOON_US + 72 * HOUR_US]


def test_a_doubled_counted_event_is_measured_in_the_span_of_its_id(tmp_path):
    rows = [arrived("a"), arrived("b", after(hours=1)), arrived("b", after(hours=2))]
    report = found(tmp_path, written(tmp_path, rows, [counted("a"), counted("b"), counted("b", after(days=9))]))
    assert (report.total.counted, report.total.doubled) == (3, 1)
    assert [counts.percent("left") for _, counts in report.spans] == [0, 50, None]
    (alert,) = report.alerts(Monitor())
    assert (alert.name, alert.percent, alert.at_us) == ("left", 50, NOON_US + HOUR_US)


def test_counted_events_that_no_raw_event_has_are_named(tmp_path):
    report = found(tmp_path, written(tmp_path, [arrived("a")], [counted("a"), counted("z")]))
    assert (report.total.counted, report.total.unseen) == (2, 1)


@pytest.mark.parametrize("accept", ["lateness: 2d", "out_of_order: 1m"])
def test_an_event_that_came_after_the_end_has_a_raw_event(tmp_path, accept):
    """It happened in the time that is asked for, and is of the time in which it came."""
    text = WATCHED.replace("lateness: 2d", accept)
    rows = [arrived("a"), arrived("b", after(hours=5))]
    definition = written(tmp_path, rows, [counted("a"), counted("b"), counted("lost")], text=text)
    report = found(tmp_path, definition, until_us=NOON_US + HOUR_US)
    assert (report.total.raw, report.total.counted, report.total.unseen) == (1, 2, 1)
    report = found(tmp_path, definition)
    assert (report.total.raw, report.total.counted, report.total.unseen) == (2, 3, 1)


def test_the_newest_value_of_a_ledger_row_wins(tmp_path):
    older = {**account("too_late", 1), "epoch": 0}
    report = found(tmp_path, written(tmp_path, [arrived("a")], ledger=[older, account("too_late", 5)]))
    assert report.total.too_late == 5


def test_a_warehouse_without_counted_events_says_so(tmp_path):
    text = WATCHED.replace("folder: warehouse", "folder: warehouse, feeds: [raw]")
    report = found(tmp_path, written(tmp_path, [arrived("a")], text=text))
    assert report.total.percent("left") is None
    assert report.notes == ("warehouse:warehouse is not fed with counted events: add it to its feeds",)


def test_the_first_of_an_id_may_lie_before_the_time_that_is_asked_for(tmp_path):
    rows = [arrived("a"), arrived("a", after(hours=5))]
    report = found(tmp_path, written(tmp_path, rows), since_us=NOON_US + 4 * HOUR_US)
    assert (report.total.raw, report.total.copies) == (1, 1)
    assert report.since_us == NOON_US + 4 * HOUR_US


def test_an_alert_names_the_worst_span(tmp_path):
    rows = [arrived("a"), arrived("a", after(minutes=1)), arrived("b", after(hours=1)), arrived("b", after(hours=1))]
    rows += [arrived("b", after(hours=1), 5)]
    report = found(tmp_path, written(tmp_path, rows))
    (alert,) = report.alerts(Monitor(duplicates_above=Decimal("49.9")))
    assert (alert.at_us, alert.spans) == (NOON_US + HOUR_US, 2)
    assert str(alert) == ("copies of events: 66.7 % in the span of 2025-03-01T13:00:00Z, the limit is 49.9 % (2 spans)")
    assert report.alerts(Monitor(duplicates_above=Decimal(67))) == ()


def test_no_raw_events_at_all(tmp_path):
    with pytest.raises(DataError, match="the warehouse warehouse:warehouse has no raw events") as caught:
        found(tmp_path, written(tmp_path))
    assert caught.value.hint == "feed it: crossfoot feed DEFINITION"


@pytest.mark.parametrize("asked", [{"since_us": NOON_US + 1}, {"until_us": NOON_US}])
def test_a_time_outside_of_the_data(tmp_path, asked):
    definition = written(tmp_path, [arrived("a")])
    with pytest.raises(CallError, match="has no raw events in that time") as caught:
        found(tmp_path, definition, **asked)
    assert "it has some from 2025-03-01T12:00:00Z to" in caught.value.hint


def test_too_many_spans(tmp_path):
    rows = [arrived("a"), arrived("b", after(days=365))]
    with pytest.raises(CallError, match="that are 525,601 spans"):
        found(tmp_path, written(tmp_path, rows), Monitor(span_us=MINUTE_US))
