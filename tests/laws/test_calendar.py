"""Windows: every instant is in exactly one, and days are those that the clocks of a zone show."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossfoot.calendar import EARLIEST_US, LATEST_US, day_of, edge_us, local_us, window_of, zone_info
from crossfoot.definition.grains import parse_grain
from tests.times import EPOCH, us

ZONES = st.sampled_from(
    ["UTC", "Europe/Paris", "America/New_York", "America/St_Johns", "America/Havana", "America/Scoresbysund",
     "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Kwajalein", "Asia/Manila", "Asia/Kathmandu", "Asia/Tehran",
     "Africa/Cairo", "Africa/Casablanca", "Antarctica/Troll", "Australia/Lord_Howe", "America/Juneau", "Etc/GMT+12"]
)  # fmt: skip
SECONDS = st.integers(us("1830-01-01") // 10**6, us("2060-01-01") // 10**6)
INSTANTS = SECONDS.map(lambda second: second * 10**6) | st.integers(EARLIEST_US, LATEST_US)
UNITS = st.sampled_from(["1d", "1w", "1mo"])


@settings(max_examples=300)
@given(grain=st.sampled_from(["1m", "15m", "1h", "6h"]) | st.builds("{} {}".format, UNITS, ZONES), instant=INSTANTS)
def test_windows_cover_time_without_gap_or_overlap(grain: str, instant: int):
    """The window of an instant holds it; its first and last instant are in it, the next one is in the next."""
    rule = parse_grain(grain)
    start, end = window_of(rule, instant)
    assert start is not None
    assert end is not None
    assert start <= instant < end
    inside = [moment for moment in (start, end - 1) if EARLIEST_US <= moment <= LATEST_US]
    assert {window_of(rule, moment) for moment in inside} <= {(start, end)}
    assert end > LATEST_US or window_of(rule, end)[0] == end


@settings(max_examples=300)
@given(zone=ZONES, instant=INSTANTS)
def test_edges_never_go_back(zone: str, instant: int):
    """Days follow each other; only a day that was skipped has no length."""
    day = day_of(zone, instant)
    edges = [edge_us(zone, number) for number in range(day - 2, day + 3)]
    assert edges == sorted(edges)
    assert edges[2] <= instant < edges[3]


@settings(max_examples=60)
@given(zone=ZONES, second=SECONDS)
@example(zone="America/St_Johns", second=us("2010-11-07T03:00") // 10**6)
@example(zone="Pacific/Apia", second=us("2011-12-30T10:00") // 10**6)
@example(zone="America/Juneau", second=us("1867-10-19T12:00") // 10**6)
def test_a_day_is_the_latest_date_that_the_clocks_have_shown(zone: str, second: int):
    """The local date, or a later one that was there before the clocks went back: looked up minute by minute."""
    rules = zone_info(zone)

    def date_at(at_s: int) -> int:
        local = (EPOCH + timedelta(seconds=at_s)).astimezone(rules)
        return (local.replace(tzinfo=UTC) - EPOCH).days

    shown = max(date_at(at_s) for at_s in [*range(second - 26 * 3600, second, 60), second])
    assert day_of(zone, second * 10**6) == shown


@settings(max_examples=300)
@given(zone=ZONES, second=SECONDS, micros=st.integers(0, 999_999))
def test_local_times_come_back(zone: str, second: int, micros: int):
    """The clocks show what was asked for, unless it is in a gap; of two such instants it is the earlier one."""
    wall = (EPOCH + timedelta(seconds=second, microseconds=micros)).replace(tzinfo=None)
    instant = local_us(zone, wall)
    local = (EPOCH + timedelta(microseconds=instant)).astimezone(zone_info(zone))
    if local.replace(tzinfo=None) == wall:
        assert local.fold == 0
    else:
        assert local.replace(tzinfo=None) > wall


@pytest.mark.parametrize("grain", ["1d", "1w", "1mo"])
@settings(max_examples=100)
@given(instant=INSTANTS)
def test_utc_is_the_zone_of_a_grain_without_one(grain: str, instant: int):
    """`1d` and `1d UTC` are the same windows."""
    assert window_of(parse_grain(grain), instant) == window_of(parse_grain(f"{grain} UTC"), instant)


@given(instant=st.integers(us("0002-01-01"), us("9999-01-01")))
def test_days_weeks_and_months_of_utc_are_those_of_the_calendar(instant: int):
    """As `datetime` has them."""
    moment = EPOCH + timedelta(microseconds=instant)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    expected = [midnight, midnight - timedelta(days=midnight.weekday()), midnight.replace(day=1)]
    found = [window_of(parse_grain(grain), instant)[0] for grain in ("1d", "1w", "1mo")]
    assert found == [(start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for start in expected]
