"""A random single fault in the other pipeline: the right cause is named, and explains all that differs."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison
from crossfoot.reconcile.causes import UNEXPLAINED
from crossfoot.reconcile.run import Reconciliation, Work, reconcile
from tests.reconciling import DEFINITION, HOUR, START, Event, Other, Shop, open_shop

MINUTE = 60_000
BY = ("country", "kind")


@st.composite
def faults(draw, number: int = 800) -> tuple[str, Other]:
    """A fault, and what it is called."""
    at = draw(st.integers(0, number))
    hour = START + draw(st.integers(0, 71)) * HOUR
    delay = draw(st.integers(0, 12 * 60)) * MINUTE
    country = draw(st.sampled_from(["FR", "DE", "US", "JP"]))
    hours = draw(st.sampled_from([-8, -5, 1, 9]))

    def moved(events: list[Event]) -> list[Event]:
        return [*events[:at], replace(events[at], at=events[at].at + HOUR), *events[at + 1 :]]

    return draw(
        st.sampled_from(
            [
                ("one event lost", Other(edit=lambda events: events[:at] + events[at + 1 :])),
                ("one event doubled", Other(edit=lambda events: [*events, events[at]])),
                ("one event moved", Other(edit=moved)),
                ("missing hours", Other(edit=lambda events: [e for e in events if not hour <= e.at < hour + HOUR])),
                ("late events dropped", Other(late_after=delay)),
                ("another filter", Other(keeps=lambda event: event.kind != "test" and event.country != country)),
                ("another filter", Other(keeps=lambda _: True)),
                ("not deduplicated", Other(dedup=False)),
                ("deduplicated per window", Other(dedup="per window")),
                ("data ends earlier", Other(edit=lambda events: [e for e in events if e.got < hour + 12 * HOUR])),
                ("another time zone", Other(shift=hours * HOUR, grain=24 * HOUR)),
            ]
        )
    )


@st.composite
def pairs(draw) -> tuple[set[str], Other]:
    """Two faults of opposite signs: copies count, and something is missing."""
    dedup, copies = draw(st.sampled_from([(False, "not deduplicated"), ("per window", "deduplicated per window")]))
    country = draw(st.sampled_from(["FR", "DE", "US", "JP"]))
    hour = START + draw(st.integers(0, 71)) * HOUR
    delay = draw(st.integers(0, 12 * 60)) * MINUTE
    missing, other = draw(
        st.sampled_from(
            [
                ("late events dropped", Other(late_after=delay)),
                ("another filter", Other(keeps=lambda event: event.kind != "test" and event.country != country)),
                ("missing hours", Other(edit=lambda events: [e for e in events if not hour <= e.at < hour + HOUR])),
            ]
        )
    )
    return {copies, missing}, replace(other, dedup=dedup)


def against(shop: Shop, other: Other) -> Reconciliation:
    """The comparison with a pipeline."""
    path = shop.write(other, BY)
    grain = "1d" if other.grain != HOUR else "1h"
    comparison = Comparison("fault", Against("parquet", str(path)), "sales", grain, BY)
    return reconcile(load_text(DEFINITION), shop.store, comparison, Work(threads=1))


def assert_named(shop: Shop, cause: str, other: Other) -> None:
    """Nothing is left unexplained, and the cause is the first or the second of two that are equally good."""
    found = against(shop, other)
    if found.compared.cells > found.compared.equal:
        assert cause in found.causes[0].names, [(each.names, each.text, each.cells) for each in found.causes]
        assert len(found.causes) == 1, [(each.names, each.text, each.cells) for each in found.causes]


@settings(max_examples=10, deadline=None)
@given(fault=faults())
def test_a_random_fault_is_named(small: Shop, fault: tuple[str, Other]):
    """In a small store."""
    assert_named(small, *fault)


def assert_only(shop: Shop, causes: set[str], other: Other) -> None:
    """Every cell is explained by one of two causes, or by both."""
    found = against(shop, other)
    for each in found.causes:
        assert any(set(name.split(" and ")) <= causes for name in each.names), [
            (each.names, each.text, each.cells) for each in found.causes
        ]


@settings(max_examples=5, deadline=None)
@given(pair=pairs())
def test_a_random_pair_is_named(small: Shop, pair: tuple[set[str], Other]):
    """In a small store."""
    assert_only(small, *pair)


@pytest.mark.campaign
@settings(max_examples=100, deadline=None)
@given(pair=pairs())
def test_many_random_pairs_are_named(small: Shop, pair: tuple[set[str], Other]):
    """The same, with many more."""
    assert_only(small, *pair)


@settings(max_examples=5, deadline=None)
@given(at=st.integers(0, 800), more=st.integers(1, 9))
def test_clean_data_has_no_cause(small: Shop, at: int, more: int):
    """One number is wrong, so the search is made; it claims nothing else."""

    def dearer(events: list[Event]) -> list[Event]:
        return [*events[:at], replace(events[at], price=events[at].price + more), *events[at + 1 :]]

    found = against(small, Other(edit=dearer))
    assert [(cause.names, cause.cells) for cause in found.causes] == [((UNEXPLAINED,), 1)]


@pytest.mark.campaign
@settings(max_examples=300, deadline=None)
@given(fault=faults())
def test_many_random_faults_are_named(small: Shop, fault: tuple[str, Other]):
    """The same, with many more."""
    assert_named(small, *fault)


@pytest.mark.campaign
def test_planted_faults_among_a_million_events(tmp_path_factory: pytest.TempPathFactory):
    """One lost, one doubled and one moved event, a missing hour, copies, a zone: each by its name."""
    from tests.unit.reconcile.test_planted import PLANTED

    shop = open_shop(tmp_path_factory.mktemp("large"), 1_000_000)
    for cause, other in PLANTED.items():
        assert_named(shop, cause, other)
    assert_named(shop, "another time zone", Other(shift=9 * HOUR, grain=24 * HOUR))
    assert_named(shop, "none", Other())
