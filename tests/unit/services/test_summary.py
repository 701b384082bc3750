"""What a summary finds remarkable."""

from crossfoot.definition.model import DAY_US
from crossfoot.services.summary import far_outside

BASE = 16_000 * DAY_US


def windows(*days_and_events: tuple[int, int]) -> list[tuple[int, int]]:
    return [(BASE + day * DAY_US, events) for day, events in days_and_events]


def test_an_even_stream_has_no_outliers():
    """Events of one year are not far from one another."""
    assert far_outside(windows(*((day, 10) for day in range(365))), DAY_US) is None


def test_a_few_events_years_away_are_named():
    """A clock that was wrong shows as events far outside the rest."""
    found = far_outside(windows((-16_000, 2), *((day, 100) for day in range(10)), (9_000, 1)), DAY_US)
    assert found is not None
    assert (found.events, found.first_us, found.last_us) == (3, 0, BASE + 9_000 * DAY_US)
    assert found.middle == (BASE, BASE + 10 * DAY_US)


def test_late_neighbours_are_not_named():
    """Some days beside the rest are not far."""
    assert far_outside(windows((-20, 1), *((day, 100) for day in range(10)), (25, 1)), DAY_US) is None


def test_nothing_has_no_outliers():
    """An empty store has no middle."""
    assert far_outside([], DAY_US) is None
