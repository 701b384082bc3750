"""Windows at the edges that zones have."""

import pytest

from crossfoot.calendar import EARLIEST_US, LATEST_US, edge_us, window_of
from crossfoot.definition.model import DAY_US, Grain
from tests.times import us

HOUR_US = 3_600_000_000


def grain(text: str) -> Grain:
    """``15m``, ``1h``, ``1d Europe/Paris`` as a value."""
    length, _, zone = text.partition(" ")
    unit = length.lstrip("0123456789")
    return Grain(text, unit, int(length.removesuffix(unit) or 1), zone or None)


def window(text: str, moment: str) -> tuple[int, int]:
    start, end = window_of(grain(text), us(moment))
    assert start is not None
    assert end is not None
    return start, end


@pytest.mark.parametrize(
    ("text", "moment", "start", "end"),
    [
        ("1m", "2024-02-29T12:34:56.789", "2024-02-29T12:34", "2024-02-29T12:35"),
        ("15m", "2024-02-29T12:44:59.999999", "2024-02-29T12:30", "2024-02-29T12:45"),
        ("6h", "2024-02-29T06:00", "2024-02-29T06:00", "2024-02-29T12:00"),
        ("1h", "1969-12-31T23:59:59", "1969-12-31T23:00", "1970-01-01T00:00"),
        ("1d", "2024-02-29T00:00", "2024-02-29T00:00", "2024-03-01T00:00"),
        ("1w", "2024-03-03T23:59:59", "2024-02-26T00:00", "2024-03-04T00:00"),
        ("1mo", "2024-02-29T12:00", "2024-02-01T00:00", "2024-03-01T00:00"),
        ("1mo", "2023-12-31T23:59", "2023-12-01T00:00", "2024-01-01T00:00"),
        ("1d Asia/Kolkata", "2024-02-29T18:30", "2024-02-29T18:30", "2024-03-01T18:30"),
        ("1d Europe/Paris", "2023-03-26T12:00", "2023-03-25T23:00", "2023-03-26T22:00"),
        ("1d Europe/Paris", "2023-10-29T12:00", "2023-10-28T22:00", "2023-10-29T23:00"),
        ("1w Europe/Paris", "2023-10-29T22:59", "2023-10-22T22:00", "2023-10-29T23:00"),
        ("1mo Europe/Paris", "2023-10-31T23:00", "2023-10-31T23:00", "2023-11-30T23:00"),
    ],
)
def test_a_window_holds_its_instant(text: str, moment: str, start: str, end: str):
    """Minutes and hours are aligned in UTC; days, weeks and months in their zone."""
    assert window(text, moment) == (us(start), us(end))


def test_all_has_no_bounds():
    """One window holds everything."""
    assert window_of(grain("all"), 0) == (None, None)


@pytest.mark.parametrize(("day", "hours"), [("2023-03-26", 23), ("2023-10-29", 25), ("2023-06-01", 24)])
def test_days_have_23_24_or_25_hours(day: str, hours: int):
    """A zone with summer time."""
    start, end = window("1d Europe/Paris", f"{day}T12:00")
    assert end - start == hours * HOUR_US


def test_a_skipped_day_has_no_window():
    """Samoa went from 29 to 31 December 2011: both edges of the 30th are one instant."""
    skipped = us("2011-12-30T00:00") // DAY_US
    assert edge_us("Pacific/Apia", skipped) == edge_us("Pacific/Apia", skipped + 1) == us("2011-12-30T10:00")
    assert window("1d Pacific/Apia", "2011-12-30T09:59:59.999999")[1] == us("2011-12-30T10:00")
    assert window("1d Pacific/Apia", "2011-12-30T10:00")[0] == us("2011-12-30T10:00")


def test_clocks_that_go_back_over_midnight_stay_in_the_new_day():
    """In St. John's, at 00:01 on 2010-11-07, it became 23:01 of the 6th again: the 7th has begun all the same."""
    zone = "1d America/St_Johns"
    assert window(zone, "2010-11-07T02:29:59")[1] == us("2010-11-07T02:30")
    for moment in ("2010-11-07T02:30", "2010-11-07T03:00", "2010-11-08T03:29:59"):
        assert window(zone, moment) == (us("2010-11-07T02:30"), us("2010-11-08T03:30"))


def test_a_day_that_came_twice_is_one_window():
    """Alaska had 18 October 1867 twice, when it came from Russia's side of the date line."""
    start, end = window("1d America/Juneau", "1867-10-19T12:00")
    assert (end - start) // HOUR_US == 48


@pytest.mark.parametrize("zone", ["Asia/Manila", "America/Juneau", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("unit", ["1d", "1w", "1mo"])
@pytest.mark.parametrize("instant", [EARLIEST_US, LATEST_US])
def test_the_first_and_the_last_event_time_have_windows(zone: str, unit: str, instant: int):
    """Even where a window reaches beyond the years 1 and 9999."""
    start, end = window_of(grain(f"{unit} {zone}"), instant)
    assert start is not None
    assert end is not None
    assert start <= instant < end
