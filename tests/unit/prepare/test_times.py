"""What is read as an instant."""

import pytest

from crossfoot.definition.model import TimeSpec
from crossfoot.definition.number import NumberLiteral
from crossfoot.prepare.invalid import Invalid
from crossfoot.prepare.times import read_time
from tests.times import us

PARIS = "Europe/Paris"


def read(value: object, unit: str = "iso", pattern: str | None = None, zone: str | None = None, untyped: bool = False):
    """The instant, or the reason for none."""
    try:
        return read_time(value, TimeSpec(("t",), unit, pattern, zone), untyped)  # type: ignore[arg-type]
    except Invalid as invalid:
        return invalid.reason


@pytest.mark.parametrize(
    ("literal", "unit", "expected"),
    [
        ("1", "s", 1_000_000),
        ("1443.5", "s", 1_443_500_000),
        ("1.4435e3", "s", 1_443_500_000),
        ("-1", "ms", -1000),
        ("1", "us", 1),
        ("1.9", "us", 1),
        ("-1.1", "us", -2),
        ("1999", "ns", 1),
        ("-1", "ns", -1),
        ("-1000", "ns", -1),
        ("-1001", "ns", -2),
        ("0.0000001", "s", 0),
        ("-0.0000001", "s", -1),
        ("-1e-400", "s", -1),
        ("0", "ns", 0),
        ("-0.0e9999999999", "s", 0),
        ("1700000000.123456789", "s", 1_700_000_000_123_456),
    ],
)
def test_numbers_are_exact_and_floored(literal: str, unit: str, expected: int):
    """No float on the way; what is finer than a microsecond goes down, also before 1970."""
    assert read(NumberLiteral(literal), unit) == expected


@pytest.mark.parametrize(
    "literal", ["1e30", "-1e30", "1e400", "1e999999999999999999999", "253402214400000", "-99999999999"]
)
def test_times_outside_the_calendar_are_out_of_range(literal: str):
    """A value of another unit often shows itself so."""
    assert read(NumberLiteral(literal), "s") == "range"


def test_the_range_of_times_is_exact():
    """From the start of 0001-01-03 to the end of 9999-12-29."""
    first, last = us("0001-01-03T00:00"), us("9999-12-29T23:59:59.999999")
    assert read(NumberLiteral(str(first)), "us") == first
    assert read(NumberLiteral(str(last)), "us") == last
    assert read(NumberLiteral(str(first - 1)), "us") == read(NumberLiteral(str(last + 1)), "us") == "range"


@pytest.mark.parametrize("value", ["1", True, {}, []])
def test_a_number_is_no_text(value: object):
    """In formats that have numbers."""
    assert read(value, "s") == "type"


@pytest.mark.parametrize(
    ("text", "expected"), [("1.5", 1_500_000), ("1.", "type"), (" 1", "type"), ("", "type"), ("١", "type")]
)
def test_texts_are_numbers_where_there_are_only_texts(text: str, expected: object):
    """CSV and regular expressions: a text in JSON's number grammar."""
    assert read(text, "s", untyped=True) == expected


@pytest.mark.parametrize("unit", ["s", "iso"])
def test_no_value_is_missing(unit: str):
    """Null is no time."""
    assert read(None, unit) == "missing"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015-09-12T00:46:58.771Z", "2015-09-12T00:46:58.771"),
        ("2015-09-12 00:46Z", "2015-09-12T00:46:00"),
        ("2015-09-12T00:46:58+02:00", "2015-09-11T22:46:58"),
        ("2015-09-12T00:46:58-0930", "2015-09-12T10:16:58"),
        ("2015-09-12T00:46:58+02", "2015-09-11T22:46:58"),
        ("2015-09-12T00:46:58.1234569Z", "2015-09-12T00:46:58.123456"),
        ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999"),
        ("2024-02-29T24:00:00Z", None),
        ("0001-01-03T00:00:00Z", "0001-01-03T00:00:00"),
    ],
)
def test_iso_texts(text: str, expected: str | None):
    """Date, T or space, time to any precision, offset."""
    assert read(text) == ("range" if expected is None else us(expected))


@pytest.mark.parametrize(
    "text",
    ["2023-13-01T00:00Z", "2023-02-29T00:00Z", "2023-01-01T00:00:60Z", "2023-01-01T00:60Z", "0000-01-01T00:00Z",
     "0001-01-01T00:00Z", "9999-12-31T00:00Z", "2023-01-01T00:00+24:00", "2023-01-01T00:00+01:60"],
)  # fmt: skip
def test_iso_texts_that_name_no_instant_are_out_of_range(text: str):
    """The form is right, the number is not."""
    assert read(text) == "range"


@pytest.mark.parametrize(
    "text",
    ["", "2023", "2023-1-1", "2023-01-01T", "2023-01-01T00", "2023-01-01t00:00Z", "2023-01-01T00:00z", "20230101T0000Z",
     "2023-01-01T00:00:00,5Z", "2023-01-01T00:00:00.Z", " 2023-01-01T00:00Z", "2023-01-01Z", "2023-01-01T00:00 Z",
     "٢٠٢٣-01-01T00:00Z", "2023-01-01T00:00Z\n"],
)  # fmt: skip
def test_other_texts_are_of_the_wrong_type(text: str):
    """Exactly the documented forms."""
    assert read(text) == "type"


def test_a_number_is_no_iso_text():
    """Numbers need a unit."""
    assert read(NumberLiteral("2023")) == "type"


@pytest.mark.parametrize("text", ["2023-01-01T00:00:00", "2023-01-01 00:00", "2023-01-01"])
def test_a_local_time_needs_a_zone(text: str):
    """Never the machine's own."""
    assert read(text) == "zone"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-07-01T12:00", "2023-07-01T10:00"),
        ("2023-07-01", "2023-06-30T22:00"),
        ("2023-03-26T01:59:59", "2023-03-26T00:59:59"),
        ("2023-03-26T02:30", "2023-03-26T01:30"),
        ("2023-10-29T02:30", "2023-10-29T00:30"),
        ("2023-10-29T03:00", "2023-10-29T02:00"),
        ("2023-10-29T02:30+01:00", "2023-10-29T01:30"),
    ],
)
def test_local_times_of_a_zone(text: str, expected: str):
    """In a gap the later instant (the offset before it), in a fold the earlier one; an offset in the text decides."""
    assert read(text, zone=PARIS) == us(expected)


LOG = "%d/%b/%Y:%H:%M:%S %z"


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("17/May/2015:10:05:03 +0000", LOG, "2015-05-17T10:05:03"),
        ("17/May/2015:10:05:03 -01:30", LOG, "2015-05-17T11:35:03"),
        ("17/May/2015:10:05:03 Z", LOG, "2015-05-17T10:05:03"),
        ("2015.05.17 100% .5", "%Y.%m.%d 100%% .%f", None),
        ("20150517T100503.123456789+0000", "%Y%m%dT%H%M%S.%f%z", "2015-05-17T10:05:03.123456"),
        ("2015+05+17 +0000", "%Y+%m+%d %z", "2015-05-17T00:00"),
    ],
)
def test_patterns(text: str, pattern: str, expected: str | None):
    """Directives of fixed width, English months, other characters as themselves."""
    assert read(text, "pattern", pattern) == ("zone" if expected is None else us(expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("17/may/2015:10:05:03 +0000", "type"),
        ("7/May/2015:10:05:03 +0000", "type"),
        ("17/May/2015:10:05:03", "type"),
        ("31/Feb/2015:10:05:03 +0000", "range"),
        ("17/May/2015:10:05:60 +0000", "range"),
    ],
)
def test_texts_that_a_pattern_refuses(text: str, expected: str):
    """Another form is of the wrong type, an impossible date out of range."""
    assert read(text, "pattern", LOG) == expected
