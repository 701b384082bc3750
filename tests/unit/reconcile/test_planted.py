"""A fault that is planted in the other pipeline is found and named, and nothing else is."""

from dataclasses import replace
from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison
from crossfoot.reconcile.run import Reconciliation, Work, reconcile
from tests.reconciling import DEFINITION, HOUR, START, Event, Other, Shop


def compared(shop: Shop, other: Other, grain: str = "1h", by: tuple[str, ...] = ("country", "kind")) -> Reconciliation:
    """The other pipeline's table against the store."""
    path = shop.write(other, by)
    comparison = Comparison("planted", Against("parquet", str(path)), "sales", grain, by)
    return reconcile(load_text(DEFINITION), shop.store, comparison, Work(threads=2))


def names(found: Reconciliation) -> list[tuple[str, ...]]:
    """The causes."""
    return [cause.names for cause in found.causes]


def test_a_right_table_is_exact(shop: Shop):
    """All cells are equal, and there is no cause."""
    found = compared(shop, Other())
    assert (found.compared.exact_keys, found.compared.exact_volume, found.causes) == (100.0, 100.0, ())


def without_one(events: list[Event]) -> list[Event]:
    """One is lost."""
    return events[:4321] + events[4322:]


def with_one_twice(events: list[Event]) -> list[Event]:
    """One is there twice."""
    return [*events, events[4321]]


def with_one_moved(events: list[Event]) -> list[Event]:
    """One is an hour later than it was."""
    return [*events[:4321], replace(events[4321], at=events[4321].at + HOUR), *events[4322:]]


def without_an_hour(events: list[Event]) -> list[Event]:
    """A whole hour is missing."""
    return [event for event in events if not START + 30 * HOUR <= event.at < START + 31 * HOUR]


PLANTED = {
    "one event lost": Other(edit=without_one),
    "one event doubled": Other(edit=with_one_twice),
    "one event moved": Other(edit=with_one_moved),
    "missing hours": Other(edit=without_an_hour),
    "another filter": Other(keeps=lambda event: event.kind != "test" and event.country != "JP"),
    "not deduplicated": Other(dedup=False),
    "deduplicated per window": Other(dedup="per window"),
    "late events dropped": Other(late_after=HOUR),
}


@pytest.mark.parametrize("cause", PLANTED)
def test_a_planted_fault_is_named(shop: Shop, cause: str):
    """The one cause explains all cells that differ."""
    found = compared(shop, PLANTED[cause])
    assert names(found) == [(cause,)]
    assert found.causes[0].cells == found.compared.cells - found.compared.equal
    assert found.causes[0].examples[0].events


def test_a_filter_that_lets_more_pass_is_named(shop: Shop):
    """What our filter leaves out is counted there."""
    found = compared(shop, Other(keeps=lambda _: True))
    assert names(found) == [("another filter",)]
    assert "kind = 'test'" in found.causes[0].text


def test_a_wrong_zone_is_named(shop: Shop):
    """Days that begin at the midnight of another zone."""
    found = compared(shop, Other(shift=9 * HOUR, grain=24 * HOUR), "1d")
    assert names(found) == [("another time zone",)]
    assert "Asia/Tokyo" in found.causes[0].text


def test_the_cut_off_is_inferred(shop: Shop):
    """Not from a list: by how late the events are that are missing."""
    found = compared(shop, Other(late_after=2 * HOUR + 1_020_000))
    assert names(found) == [("late events dropped",)]
    assert "2h 17m or more" in found.causes[0].text or "between" in found.causes[0].text


def test_several_causes_are_told_apart(shop: Shop):
    """A missing hour and a value that is left out, in other cells, and both in some."""
    other = Other(keeps=lambda event: event.kind != "test" and event.country != "JP", edit=without_an_hour)
    found = compared(shop, other)
    assert {name for cause in found.causes for name in cause.names} >= {"another filter", "missing hours"}
    assert found.unexplained == 0


def test_a_difference_without_a_cause_is_unexplained(shop: Shop):
    """Numbers that nothing gives are a line of their own."""

    def dearer(events: list[Event]) -> list[Event]:
        return [replace(event, price=event.price + 1) if event.kind == "buy" else event for event in events]

    found = compared(shop, Other(edit=dearer))
    assert names(found) == [("unexplained",)]


def test_the_whole_is_compared_too(shop: Shop, tmp_path: Path):
    """Without dimensions."""
    found = compared(shop, Other(dedup=False), by=())
    assert names(found) == [("not deduplicated",)]
