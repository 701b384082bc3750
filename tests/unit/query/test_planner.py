"""Which stored table answers a question, and what is refused."""

import json
from datetime import datetime

import pytest

from crossfoot.calendar import local_us
from crossfoot.definition.compile import compile_plan
from crossfoot.definition.grains import parse_grain
from crossfoot.definition.load import load_text
from crossfoot.errors import CallError
from crossfoot.query.model import Query, stored_of
from crossfoot.query.planner import nests, on_edge, plan
from crossfoot.query.times import read_time
from tests.counting import CLICKS

STORED = stored_of(json.loads(compile_plan(load_text(CLICKS))))


def planned(metric: str = "clicks", **query):
    times = {f"{name}_us": read_time(query.pop(name)) for name in ("since", "until") if name in query}
    return plan(Query(metric, **query, **times), STORED, None)


def chosen(**query) -> tuple[tuple[str, ...], list[str]]:
    """The set that is read, and the grains that would do, the best first."""
    found = planned(**query)
    return found.metric.sets[found.scans[0].set], [found.grain_of(scan).text for scan in found.scans]


@pytest.mark.parametrize(
    ("names", "expected"),
    [((), ()), (("page",), ("page",)), (("country",), ("page", "country")), (("country", "page"), ("page", "country"))],
)
def test_the_smallest_set_is_read(names, expected):
    """A set that is not stored is added up from the smallest that holds its dimensions."""
    assert chosen(by=names)[0] == expected


def test_a_condition_needs_its_dimensions():
    """What `where` names must be in the set that is read."""
    assert chosen(by=("page",), where="country = 'FR'")[0] == ("page", "country")


@pytest.mark.parametrize(
    ("grain", "range_", "expected"),
    [
        ("1m", {}, ["1m"]),
        ("5m", {}, ["1m"]),
        ("1h", {}, ["1h", "1m"]),
        ("6h", {}, ["1h", "1m"]),
        ("1d Europe/Paris", {}, ["1d Europe/Paris", "1h", "1m"]),
        ("1w Europe/Paris", {}, ["1d Europe/Paris", "1h", "1m"]),
        ("1mo Europe/Paris", {}, ["1d Europe/Paris", "1h", "1m"]),
        ("1d", {}, ["1h", "1m"]),
        ("all", {}, ["1d Europe/Paris", "1h", "1m"]),
        ("all", {"since": "2015-09-11T22:00Z"}, ["1d Europe/Paris", "1h", "1m"]),
        ("all", {"since": "2015-09-12T00:00Z"}, ["1h", "1m"]),
        ("all", {"since": "2015-09-11T22:00Z", "until": "2015-09-12T10:01Z"}, ["1m"]),
        ("1h", {"since": "2015-09-12T10:30Z"}, ["1m"]),
    ],
)
def test_the_coarsest_grain_that_fits_is_read(grain, range_, expected):
    """Windows and range must fall on the stored windows' edges."""
    assert chosen(grain=grain, **range_)[1] == expected


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ({"metric": "click"}, "there is no metric click", "did you mean clicks"),
        ({"by": ("pgae",)}, "clicks is not counted by pgae", "did you mean page"),
        ({"by": ("page", "page")}, "page is named twice", "once"),
        ({"where": "user = 'x'"}, "clicks is not counted by user", "page, country"),
        ({"where": "page = 5"}, "the condition can never hold", "one type"),
        ({"where": "page"}, "'page' is no condition", "comparison"),
        ({"where": "page ="}, "this expression cannot be read", ""),
        ({"grain": "hourly"}, "this is no grain: hourly", "1h"),
        ({"grain": "1d Asia/Kolkata"}, "the rules of Asia/Kolkata are not stored", "1d"),
        ({"metric": "totals", "grain": "1h"}, "1h cannot be built exactly from the stored grains all", "one of them"),
        ({"metric": "totals", "since": "2015-09-12"}, "only totals of all time are stored", "leave since out"),
        ({"since": "2015-09-12T10:00:30Z"}, "since is inside a window of the finest stored grain, 1m", "10:01:00Z"),
        ({"grain": "1d Europe/Paris", "until": "2015-09-12T10:00:01Z"}, "until is inside a window", "10:00:00Z"),
        ({"since": "2015-09-13", "until": "2015-09-12"}, "the range is empty", "swap"),
    ],
)
def test_what_cannot_be_answered_exactly_is_refused(query, message, hint):
    """A refusal says what is stored, or what was meant."""
    with pytest.raises(CallError, match=message) as caught:
        planned(**query)
    assert hint in caught.value.hint


def test_names_that_stand_in_no_common_set_are_refused():
    """Two dimensions that were never counted together cannot be combined."""
    text = CLICKS.replace("by: [[page, country], [page], []]", "by: [[page], [country]]")
    stored = stored_of(json.loads(compile_plan(load_text(text))))
    with pytest.raises(CallError, match="no stored set of clicks holds country and page together") as caught:
        plan(Query("clicks", by=("page", "country")), stored, None)
    assert caught.value.hint == "stored are [page], [country]"


def test_a_scan_names_positions():
    """Dimensions and conditions are told to the core by their places in the set."""
    (scan,) = planned(by=("country",), where="page = 'a'", grain="1m").scans
    assert (scan.dims, scan.where, scan.into) == ((1,), ["eq", ["field", 0], ["text", "a"]], None)


@pytest.mark.parametrize(
    ("inner", "outer", "probe", "expected"),
    [
        ("1m", "1h", "2015-09-12", True),
        ("15m", "20m", "2015-09-12", False),
        ("1h", "1d Asia/Kolkata", "2015-09-12", False),
        ("30m", "1d Asia/Kolkata", "2015-09-12", True),
        ("1h", "1d Europe/Paris", "2015-09-12", True),
        ("1h", "1d Europe/Paris", "1900-01-01", False),
        ("1d", "1d UTC", "2015-09-12", True),
        ("1d Europe/Paris", "1d Europe/London", "2015-09-12", False),
        ("1w", "1mo", "2015-09-12", False),
        ("all", "1d", "2015-09-12", False),
        ("1w", "all", "2015-09-12", True),
    ],
)
def test_windows_inside_windows(inner, outer, probe, expected):
    """A coarser window is made of finer ones only where its edges fall on theirs."""
    assert nests(parse_grain(inner), parse_grain(outer), read_time(probe)) is expected


def test_edges_of_days_move_with_the_zone():
    """Midnight in Paris is an edge of Paris' days and of hours, not of days in UTC."""
    midnight = local_us("Europe/Paris", datetime(2015, 9, 12))
    assert [on_edge(parse_grain(text), midnight) for text in ("1d Europe/Paris", "1h", "1d")] == [True, True, False]
