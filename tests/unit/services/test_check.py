"""The `tests:` blocks of a definition."""

import pytest

from crossfoot.definition.load import load_text
from crossfoot.services.check import run_tests
from tests.counting import CLICKS

EVENT = '{seq: 1, at: "2015-09-12T10:00:30Z", page: a, country: FR, paid: 0.10, ms: 5}'


def problems(events: str, expect: str, text: str = CLICKS) -> tuple[str, ...]:
    block = f"tests:\n  - name: it\n    events: [{events}]\n    expect: {expect}\n"
    (result,) = run_tests(load_text(text + block))
    return result.problems


@pytest.mark.parametrize(
    "row",
    [
        "{page: a, clicks: 1}",
        '{page: a, clicks: 1, paid: "0.10", ms: 5, slowest: 5, mean: 5.0}',
        "{page: a, paid: 0.1}",
        '{page: a, country: FR, grain: 1m, window: "2015-09-12T10:00:00Z", clicks: 1}',
        '{grain: 1d Europe/Paris, window: "2015-09-11T22:00:00Z", clicks: 1}',
    ],
)
def test_a_row_that_is_there_holds(row):
    """A row holds when a cell of its set and grain has its values."""
    assert problems(f"{EVENT}, {EVENT}", f"{{clicks: [{row}]}}") == ()


def test_a_row_that_is_not_there_is_said():
    """What was expected, what was found, and where the records went."""
    assert problems(EVENT, "{clicks: [{page: a, clicks: 2}]}") == (
        "clicks: expected {page: a, clicks: 2}",
        "clicks: found {window: 2015-09-11T22:00:00Z, page: a, clicks: 1, paid: 0.10, ms: 5, slowest: 5, mean: 5.0}",
        "the records went to counted 1",
    )


def test_rows_that_were_not_expected_are_said():
    """Every row of a table that a test speaks of must be expected."""
    other = EVENT.replace("seq: 1", "seq: 2").replace("page: a", "page: b")
    assert problems(f"{EVENT}, {other}", "{clicks: [{page: a, clicks: 1}]}")[0].startswith("clicks: found {")


def test_the_total_is_asked_of_the_grain_all():
    """Without a grain the coarsest is meant."""
    assert problems(EVENT, "{totals: [{clicks: 1}]}") == ()


def test_numbers_are_not_texts():
    """A count is a number."""
    assert problems(EVENT, '{clicks: [{page: a, clicks: "1"}]}') != ()


def test_events_of_a_csv_definition_are_texts():
    """Numbers of a test's events stand for the texts of a CSV file."""
    text = CLICKS.replace("format: json", "format: csv")
    assert problems(EVENT, "{clicks: [{page: a, ms: 5}]}", text) == ()


LIVE = CLICKS.replace(
    "{files: clicks.jsonl, format: json}", "{kafka: {topic: clicks, bootstrap.servers: 'localhost:9092'}}"
).replace("received: none", "received: broker")


def test_a_live_definition_is_tested_without_its_source():
    """Its stamps come beside the records, which a test does not have: nothing is late."""
    text = LIVE + "accept: {lateness: 1h}\nsinks: [{parquet: out}]\narchive: {}\n"
    assert problems(f"{EVENT}, {EVENT}", "{clicks: [{page: a, clicks: 1}]}", text) == ()


def test_the_elements_of_a_list_are_tested():
    """A test's event is a record; what it explodes into is counted."""
    text = CLICKS.replace("path: page", "path: pages.of") + "preprocess: {explode: pages}\n"
    event = '{seq: 1, at: "2015-09-12T10:00:30Z", pages: [{of: a}, {of: b}]}'
    assert problems(event, "{clicks: [{page: a, clicks: 1}, {page: b, clicks: 1}]}", text) == ()


def test_retention_does_not_hide_rows_of_a_test():
    """Without stamps no window is dropped."""
    text = LIVE.replace("[1m, 1h, 1d Europe/Paris]", "[1m]\n    retain: {1m: 2d}") + "accept: {lateness: 1h}\n"
    later = EVENT.replace("seq: 1", "seq: 2").replace("09-12", "09-30")
    rows = "{clicks: [{page: a, clicks: 1, window: 2015-09-12T10:00:00Z}, {page: a, clicks: 1}]}"
    assert problems(f"{EVENT}, {later}", rows, text) == ()
