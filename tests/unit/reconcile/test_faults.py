"""A random single fault in the other pipeline: the right cause is named, and explains all that differs."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison
from crossfoot.reconcile.run import Work, reconcile
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
                ("data ends earlier", Other(edit=lambda events: [e for e in events if e.got < hour + 12 * HOUR])),
                ("another time zone", Other(shift=hours * HOUR, grain=24 * HOUR)),
            ]
        )
    )


def assert_named(shop: Shop, cause: str, other: Other) -> None:
    """Nothing is left unexplained, and the cause is the first or the second of two that are equally good."""
    grain = "1d" if other.grain != HOUR else "1h"
    path = shop.write(other, BY)
    comparison = Comparison("fault", Against("parquet", str(path)), "sales", grain, BY)
    found = reconcile(load_text(DEFINITION), shop.store, comparison, Work(threads=1))
    if found.compared.cells > found.compared.equal:
        assert cause in found.causes[0].names, [(each.names, each.text, each.cells) for each in found.causes]
        assert len(found.causes) == 1, [(each.names, each.text, each.cells) for each in found.causes]


@settings(max_examples=10, deadline=None)
@given(fault=faults())
def test_a_random_fault_is_named(small: Shop, fault: tuple[str, Other]):
    """In a small store."""
    assert_named(small, *fault)


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
