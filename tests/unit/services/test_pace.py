"""How often epochs are written."""

from crossfoot.services.pace import Pace


def test_quick_commits_leave_the_interval_as_it_is():
    """The least is what a setting says."""
    pace = Pace(0.25, 2.0)
    pace.committed(0.01)
    assert pace.interval_s == 0.25


def test_slow_commits_make_it_longer_at_once_and_never_longer_than_the_most():
    """Commits take a quarter of the time at most, until the bound."""
    pace = Pace(0.25, 2.0)
    pace.committed(0.2)
    assert pace.interval_s == 0.8
    pace.committed(3.0)
    assert pace.interval_s == 2.0


def test_it_shrinks_by_half_with_each_quick_commit():
    """Not at once: one quick commit says little."""
    pace = Pace(0.25, 2.0)
    pace.committed(3.0)
    found = []
    for _ in range(4):
        pace.committed(0.01)
        found.append(pace.interval_s)
    assert found == [1.0, 0.5, 0.25, 0.25]
