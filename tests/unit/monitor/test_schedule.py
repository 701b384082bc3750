"""Looks that come by themselves: an alert is posted once, a failure is said and survived."""

import threading
from decimal import Decimal

from crossfoot.errors import DataError, ServiceError
from crossfoot.monitor.report import Alert, Counts, Report
from crossfoot.monitor.schedule import Scheduled

REPORT = Report("a store", 0, 1, 1, Counts(raw=10, events=10), (), ())
ALERT = Alert("duplicates", Decimal(3), Decimal(1), 0, 1)


class Looks:
    """Alerts, or an error, look by look; and what was posted."""

    def __init__(self, *each, post=()):
        self.each, self.post_errors, self.posted = list(each), list(post), []

    def look(self, _):
        found = self.each.pop(0)
        if isinstance(found, Exception):
            raise found
        return REPORT, found

    def post(self, _, alerts):
        if self.post_errors and (error := self.post_errors.pop(0)):
            raise error
        self.posted.append([alert.name for alert in alerts])


def seen(looks: Looks) -> Scheduled:
    scheduled = Scheduled(3600, looks.look, looks.post)
    while looks.each:
        scheduled.once()
    return scheduled


def test_the_numbers_of_a_look():
    scheduled = seen(Looks(()))
    assert scheduled.found.numbers == {
        "monitor_duplicates_percent": 0,
        "monitor_late_percent": 0,
        "monitor_raw": 10,
        "monitor_copies": 0,
    }


def test_an_alert_is_posted_when_it_begins_and_when_it_begins_again():
    looks = Looks((ALERT,), (ALERT,), (), (ALERT,))
    assert list(seen(looks).found.alerts) == ["duplicates"]
    assert looks.posted == [["duplicates"], ["duplicates"]]


def test_an_alert_that_could_not_be_posted_is_posted_the_next_time():
    looks = Looks((ALERT,), (ALERT,), (ALERT,), post=[ServiceError("no answer", "")])
    scheduled = seen(looks)
    assert looks.posted == [["duplicates"]]
    assert scheduled.problems() == ["no answer"]
    assert scheduled.found.problem is None


def test_a_look_that_fails_is_said_once_and_keeps_the_numbers():
    scheduled = seen(Looks((ALERT,), DataError("no raw events", ""), ZeroDivisionError("ours")))
    assert scheduled.found.problem == "ZeroDivisionError: ours"
    assert list(scheduled.found.alerts) == ["duplicates"]
    assert scheduled.problems() == ["no raw events", "ZeroDivisionError: ours"]
    assert scheduled.problems() == []


def test_the_end_breaks_a_look_off():
    """Between two pieces that nobody can interrupt; it is no failure."""
    looked = threading.Event()

    def look(hold):
        looked.set()
        while True:
            hold.check()

    with Scheduled(0.001, look, lambda *_: None) as scheduled:
        assert looked.wait(60)
    assert not scheduled.is_alive
    assert scheduled.problems() == []


def test_a_look_that_nobody_can_break_off_is_left_sooner_where_it_was_asked_before(monkeypatch):
    """One that waits for a network: what the run did meanwhile was its time to end."""
    monkeypatch.setattr("crossfoot.beside._LET_GO_S", 600)
    monkeypatch.setattr("crossfoot.beside._LET_GO_AGAIN_S", 0.1)
    looked, goes_on = threading.Event(), threading.Event()

    def look(hold):
        looked.set()
        goes_on.wait(60)
        hold.check()

    with Scheduled(0.001, look, lambda *_: None) as scheduled:
        assert looked.wait(60)
        scheduled.let_go()
    assert scheduled.is_alive
    goes_on.set()
    scheduled.__exit__(None, None, None)
    assert not scheduled.is_alive
    assert scheduled.problems() == []


def test_it_looks_by_itself_until_it_is_closed():
    looked = threading.Event()

    def look(_):
        looked.set()
        return REPORT, ()

    with Scheduled(0.001, look, lambda *_: None) as scheduled:
        assert looked.wait(60)
    assert not scheduled.is_alive
