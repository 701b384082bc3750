"""What a summary finds remarkable."""

import pytest

from crossfoot.cli import main
from crossfoot.definition.model import DAY_US
from crossfoot.services.summary import far_outside
from tests.counting import CLICKS, click, count, lines

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


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([click(None)], "nothing was counted: 1 record is invalid (id: missing)"),
        (
            [click(None), click(None), click(1, at="x")],
            "nothing was counted: 3 records are invalid (most often id: missing)",
        ),
    ],
)
def test_a_run_of_which_nothing_is_valid_says_so(records, said, tmp_path):
    """With the reason."""
    (tmp_path / "clicks.jsonl").write_bytes(lines(records))
    (hint,) = count(tmp_path).hints
    assert hint == said


def test_a_run_that_had_nothing_new_does_not_blame_the_store(tmp_path):
    """What an earlier run has refused is no reason; nor is one bad record among copies."""
    file = tmp_path / "clicks.jsonl"
    file.write_bytes(lines([click(None), click(1)]))
    count(tmp_path)
    assert count(tmp_path).hints == ()
    file.write_bytes(file.read_bytes() + lines([click(1), click(1), click(None)]))
    again = count(tmp_path)
    assert (again.outcome.accounts["duplicate"], again.outcome.accounts["invalid"], again.hints) == (2, 1, ())


def test_reasons_that_are_not_shown_are_counted(tmp_path, capsys):
    """The five most frequent are shown."""
    wrong = [{"at": "x"}, {"seq": None}, {"at": None}, {"page": 1}, {"country": 1}, {"paid": "x"}, {"ms": "x"}]
    records = [{**click(number), **values} for number, values in enumerate(wrong)]
    (tmp_path / "clicks.jsonl").write_bytes(lines([*records, *records[:5], b"?\n"]))
    (tmp_path / "clicks.yaml").write_text(CLICKS)
    assert main(["run", str(tmp_path / "clicks.yaml")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len([line for line in told if line.startswith("2 invalid: ")]) == 5
    assert "3 for 3 more reasons: `crossfoot ledger --minutes` lists them" in told
