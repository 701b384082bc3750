"""What the search of causes claims, and what it does not."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison
from crossfoot.reconcile.causes import ARCHIVE, STORE, UNEXPLAINED
from crossfoot.reconcile.report import as_html, as_json, lines
from crossfoot.reconcile.run import Reconciliation, Work, reconcile
from crossfoot.reconcile.sides import EVERYTHING, Range
from tests.reconciling import DEFINITION, HOUR, START, Event, Other, Shop, open_shop

BY = ("country", "kind")
Edit = Callable[[list[Event]], list[Event]]


def compared(
    shop: Shop, other: Other, by: tuple[str, ...] = BY, store: Path | None = None, within: Range = EVERYTHING
) -> Reconciliation:
    """The other pipeline's table against the store."""
    comparison = Comparison("search", Against("parquet", str(shop.write(other, by))), "sales", "1h", by)
    if other.grain != HOUR:
        comparison = replace(comparison, grain="1d")
    return reconcile(load_text(DEFINITION), store or shop.store, comparison, Work(within, threads=2))


def named(found: Reconciliation) -> list[tuple[tuple[str, ...], int]]:
    """Causes with their cells."""
    return [(cause.names, cause.cells) for cause in found.causes]


def differing(found: Reconciliation) -> int:
    """Cells that are not equal."""
    return found.compared.cells - found.compared.equal


PAIRS = {
    "not deduplicated and late events dropped": Other(dedup=False, late_after=HOUR),
    "deduplicated per window and late events dropped": Other(dedup="per window", late_after=2 * HOUR),
    "not deduplicated and another filter": Other(
        dedup=False, keeps=lambda event: event.kind != "test" and event.price < 4000
    ),
    "another time zone and not deduplicated": Other(dedup=False, shift=9 * HOUR, grain=24 * HOUR),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_two_causes_at_once_are_a_pair(shop: Shop, pair: str):
    """They have opposite signs, and hide each other in many cells: the pair explains all of them."""
    found = compared(shop, PAIRS[pair])
    assert {frozenset(name.split(" and ")) for name in found.causes[0].names} == {frozenset(pair.split(" and "))}
    assert [cause.cells for cause in found.causes] == [differing(found)]


@pytest.mark.parametrize("by", [(), BY])
def test_a_pair_is_found_where_every_cell_has_both(shop: Shop, by: tuple[str, ...]):
    """No cell shows one of them alone: days."""
    found = compared(shop, Other(dedup=False, late_after=HOUR, grain=24 * HOUR), by)
    assert named(found) == [(("not deduplicated and late events dropped",), differing(found))]
    assert "arrive 1h or more" in found.causes[0].text or "between" in found.causes[0].text


def renamed(events: list[Event]) -> list[Event]:
    """A country has another name."""
    return [replace(event, country=event.country.lower()) for event in events]


def test_other_names_are_no_missing_hours(shop: Shop):
    """They have rows in all of those hours, under other keys."""
    found = compared(shop, Other(edit=renamed))
    assert named(found) == [(("another name",), differing(found))]
    assert "FR is fr there" in found.causes[0].text


def test_rows_of_theirs_refute_what_would_leave_none(shop: Shop):
    """The keys are others and the prices too, so that nothing explains them; least of all hours that are missing."""

    def dearer(events: list[Event]) -> list[Event]:
        return [replace(event, price=event.price + 1) for event in renamed(events)]

    said = {name for cause in compared(shop, Other(edit=dearer)).causes for name in cause.names}
    assert not said & {"missing hours", "data ends earlier", "late events dropped", "another time zone"}


FILTERS: dict[str, Callable[[Event], bool]] = {
    "price >= 4900": lambda event: event.price < 4900,
    "price < 200": lambda event: event.price >= 200,
    "price in (700, 1701, 2703)": lambda event: event.price % 5000 not in (700, 1701, 2703),
    "country in ('JP', 'US')": lambda event: event.country not in ("JP", "US"),
}


@pytest.mark.parametrize("said", FILTERS)
def test_filters_by_ranges_and_lists_are_named(large: Shop, said: str):
    """A threshold, or more values than two."""
    found = compared(large, Other(keeps=lambda event: event.kind != "test" and FILTERS[said](event)))
    assert named(found) == [(("another filter",), differing(found))]
    assert said in found.causes[0].text


def lost(events: list[Event], many: int, seed: int = 3) -> list[Event]:
    """Some are lost, without a rule."""
    gone = set(Random(seed).sample(range(len(events)), many))
    return [event for nth, event in enumerate(events) if nth not in gone]


def test_many_lost_events_without_a_rule_are_told_as_such(shop: Shop):
    """They are no cause."""
    found = compared(shop, Other(edit=lambda events: lost(events, 60)))
    assert {name for cause in found.causes for name in cause.names} <= {"events lost, no rule found", UNEXPLAINED}
    assert found.causes[0].names == ("events lost, no rule found",)
    assert found.causes[0].cells > 40


def test_a_few_lost_events_are_named(shop: Shop):
    """Each by itself."""
    found = compared(shop, Other(edit=lambda events: lost(events, 3)))
    assert named(found) == [(("one event lost",), 3)]
    whys = [event.why for example in found.causes[0].examples for event in example.events]
    assert len([why for why in whys if why.startswith("they lack it")]) >= 3


def test_a_lone_lost_cell_is_named_by_its_events(small: Shop):
    """A row of theirs that is missing, one event or several."""
    rows = sorted({(event.at // HOUR, event.country, event.kind) for event in small.events if event.kind != "test"})
    sizes = {row: [e for e in small.events if (e.at // HOUR, e.country, e.kind) == row] for row in rows}
    gone = next(row for row in rows if len({event.id for event in sizes[row]}) == 3)
    found = compared(small, Other(edit=lambda made: [e for e in made if (e.at // HOUR, e.country, e.kind) != gone]))
    assert named(found) == [(("whole cell lost",), 1)]
    shown = {event.id for example in found.causes[0].examples for event in example.events}
    assert {f'"{event.id}"' for event in sizes[gone]} == shown or {event.id for event in sizes[gone]} == shown


def test_one_odd_cell_is_no_cause_of_the_others(shop: Shop):
    """The search is made, and claims nothing where the data is clean but for one number."""

    def dearer(events: list[Event]) -> list[Event]:
        return [*events[:99], replace(events[99], price=events[99].price + 1), *events[100:]]

    assert named(compared(shop, Other(edit=dearer))) == [((UNEXPLAINED,), 1)]


def test_only_the_windows_that_are_compared_speak_against_a_cause(shop: Shop):
    """A cause holds everywhere: what it would change outside was not compared."""
    middle = Range((START + 30 * HOUR) * 1000, (START + 34 * HOUR) * 1000)
    found = compared(shop, Other(dedup=False), within=middle)
    assert named(found) == [(("not deduplicated",), differing(found))]


def test_what_the_archive_and_theirs_lack_has_two_explanations(small: Shop, tmp_path: Path):
    """A day of theirs and of the archive is missing: they agree, and the store may be right or wrong."""
    store = tmp_path / "store"
    shutil.copytree(small.store, store)
    shutil.rmtree(next((store / "archive").glob("day=2024-03-05")))
    day = range(START + 24 * HOUR, START + 48 * HOUR)
    found = compared(small, Other(edit=lambda events: [e for e in events if e.at not in day]), store=store)
    assert found.causes[0].names == (ARCHIVE, STORE)


@pytest.mark.parametrize("is_new", [False, True])
def test_a_store_that_counted_more_than_its_records_say_is_named(small: Shop, tmp_path: Path, is_new: bool):
    """In a cell that is there, and in one that is not: A or B, with what to do in the text, in JSON and in HTML."""
    kind = "other" if is_new else "view"
    more = Event("more", small.events[-1].at, small.events[-1].got, "FR", kind, 5)
    store = open_shop(tmp_path, 1_000, edit=lambda made: [*made, more]).store
    shutil.rmtree(store / "archive")
    shutil.copytree(small.store / "archive", store / "archive")
    found = compared(small, Other(), store=store, within=Range(None, (START + 96 * HOUR) * 1000))
    assert named(found) == [((ARCHIVE, STORE), 1)]
    shown = ["\n".join(lines(found)), json.dumps(as_json(found, ""), ensure_ascii=False), as_html(found, "")]
    for each in shown:
        assert all(said in each for said in ("in our archive", "crossfoot verify", "--repair"))
    assert f"{ARCHIVE} or {STORE}: " in shown[0]
