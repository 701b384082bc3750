"""The picture: what is over its limit is seen, in a file and in a terminal."""

from decimal import Decimal
from xml.etree import ElementTree as ET

from crossfoot.monitor.picture import points, svg, terminal
from crossfoot.monitor.report import Counts, Report

HOUR_US = 3_600_000_000
LIMITS = {"duplicates": 10.0, "left": 0.0, "late": None, "too_late": None}


def report(*copies: int, about: str = "a store") -> Report:
    """Spans of a hundred events, with so many copies each; less than none: no events."""
    spans = []
    for number, share in enumerate(copies):
        counts = Counts(events=100 if share >= 0 else 0)
        counts.causes["redelivery"] = max(share, 0)
        spans.append((number * HOUR_US, counts))
    return Report(about, 0, len(copies) * HOUR_US, HOUR_US, Counts(), tuple(spans), ())


def test_neighbouring_spans_share_a_column_that_shows_the_highest():
    assert points(report(1, 8, 3, -1, 5), "duplicates", 3) == [(0, 8.0), (2 * HOUR_US, 3.0), (4 * HOUR_US, 5.0)]


def test_a_span_without_events_is_no_zero():
    assert points(report(-1, 0), "duplicates", 9) == [(0, None), (HOUR_US, 0.0)]


def test_the_file_marks_what_is_over_its_limit():
    tree = ET.fromstring(svg(report(5, 20, 10), LIMITS))
    found = [(each.get("class"), each.get("height")) for each in tree.iter("{http://www.w3.org/2000/svg}rect")]
    assert found == [("column", "16.00"), ("over", "64.00"), ("column", "32.00")]


def test_names_cannot_become_markup():
    text = svg(report(1, about="<script>&"), LIMITS)
    assert "<script>" not in text
    assert ET.fromstring(text).get("aria-label") == "copies and late events of <script>&"


def test_the_terminal_shows_what_is_not_zero():
    lines = list(terminal(report(0, 50, 100)))
    assert lines == [
        "copies before, in percent of a span: from 1970-01-01T00:00:00Z to 1970-01-01T02:00:00Z",
        "100 %     █",
        "          █",
        "        █ █",
        "    0   █ █",
    ]
    assert Decimal(50) == report(50).spans[0][1].percent("duplicates")
