"""Times of questions and answers."""

import pytest

from crossfoot.errors import CallError
from crossfoot.query.times import read_time, read_zone, show_time


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("1970-01-02", None, 86_400_000_000),
        ("1970-01-01T00:00:00.000001Z", None, 1),
        ("1970-01-01T02:00+02:00", "Europe/Paris", 0),
        ("2015-09-12", "Europe/Paris", 1_442_008_800_000_000),
        ("2015-03-29T02:30", "Europe/Paris", 1_427_592_600_000_000),
    ],
)
def test_texts_are_instants(text, zone, expected):
    """A time without an offset is local to the zone, else UTC."""
    assert read_time(text, zone) == expected


@pytest.mark.parametrize("text", ["yesterday", "", "2015-13-01", "12/09/2015"])
def test_other_texts_are_refused(text):
    """What is no ISO time is said, with examples."""
    with pytest.raises(CallError, match="this is no time"):
        read_time(text)


def test_zones_are_those_of_the_list():
    """A zone that does not exist is refused with the nearest name."""
    assert read_zone("Europe/Paris") == "Europe/Paris"
    with pytest.raises(CallError, match="there is no time zone Europe/Pariss") as caught:
        read_zone("Europe/Pariss")
    assert caught.value.hint == "did you mean Europe/Paris?"


@pytest.mark.parametrize(
    ("at_us", "zone", "expected"),
    [
        (None, None, None),
        (0, None, "1970-01-01T00:00:00Z"),
        (1_442_008_800_000_000, "Europe/Paris", "2015-09-12T00:00:00+02:00"),
        (-62_135_596_800_000_000, None, "0001-01-01T00:00:00Z"),
        (-62_135_683_200_000_000, None, "0000-12-31T00:00:00Z"),
        (253_402_300_800_000_000, None, "10000-01-01T00:00:00Z"),
    ],
)
def test_instants_are_texts(at_us, zone, expected):
    """Windows may begin a little outside of the years that Python knows."""
    assert show_time(at_us, zone) == expected
