"""The long shadow: what the exact memory sees no more, about."""

import pytest

from crossfoot.definition.model import DAY_US, Monitor
from crossfoot.errors import StoreError
from crossfoot.monitor.shadow import Shadow, shadowed
from tests.monitoring import NOON, after, arrived, side_of, written

TODAY = int(NOON.timestamp()) * 1_000_000 // DAY_US * DAY_US


def names(since: int, until: int) -> list[str]:
    return [f"{n:032x}" for n in range(since, until)]


def test_ids_that_come_again_after_the_horizon_are_estimated(tmp_path):
    """300 of 100,000 ids of ten days before: the estimate holds the true number between its bounds."""
    shadow = Shadow(tmp_path, Monitor(shadow_ids=1 << 14))
    shadow.add(TODAY - 10 * DAY_US, names(0, 100_000))
    shadow.add(TODAY, names(99_700, 150_000))
    found = shadow.again([TODAY], 2 * DAY_US)
    assert found.low <= 300 <= found.high
    assert 0 < found.low < found.high < 600
    assert found.remembered == pytest.approx(100_000, rel=0.05)


def test_a_small_set_is_exact(tmp_path):
    shadow = Shadow(tmp_path, Monitor())
    shadow.add(TODAY - 3 * DAY_US, names(0, 100))
    shadow.add(TODAY, names(98, 200))
    found = shadow.again([TODAY], 2 * DAY_US)
    assert (found.ids, found.low, found.high) == (2, 2, 2)


def test_days_inside_the_horizon_are_not_compared(tmp_path):
    shadow = Shadow(tmp_path, Monitor())
    shadow.add(TODAY - 2 * DAY_US, names(0, 100))
    shadow.add(TODAY, names(0, 100))
    assert shadow.again([TODAY], 2 * DAY_US) is None


def test_a_day_that_is_shown_again_changes_nothing(tmp_path):
    shadow = Shadow(tmp_path, Monitor())
    for _ in range(2):
        shadow.add(TODAY - 3 * DAY_US, names(0, 5))
        shadow.add(TODAY, names(0, 5))
    assert shadow.again([TODAY], 2 * DAY_US).ids == 5


def test_a_sketch_has_its_size_whatever_is_in_it(tmp_path):
    shadow = Shadow(tmp_path, Monitor(shadow_ids=1024))
    shadow.add(TODAY, names(0, 50_000))
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size < 1024 * 8 * 1.1


def test_old_days_are_forgotten(tmp_path):
    shadow = Shadow(tmp_path, Monitor(shadow_keep_us=5 * DAY_US))
    for days in (6, 5):
        shadow.add(TODAY - days * DAY_US, names(0, 5))
    shadow.forget(TODAY)
    assert [path.name for path in tmp_path.iterdir()] == ["day=2025-02-24.theta"]


def test_a_damaged_sketch_is_named(tmp_path):
    shadow = Shadow(tmp_path, Monitor())
    (tmp_path / "day=2025-03-01.theta").write_bytes(b"?")
    with pytest.raises(StoreError, match=r"this is no sketch of ids: .*day=2025-03-01.theta"):
        shadow.add(TODAY, names(0, 5))


def test_the_ids_of_a_warehouse_are_shown_to_it(tmp_path):
    rows = [arrived("a"), arrived("b"), arrived("b", after(days=4)), arrived("c", after(days=4))]
    side = side_of(tmp_path, written(tmp_path, rows))
    found = shadowed(Shadow(tmp_path / "shadow", Monitor()), side, TODAY, TODAY + 5 * DAY_US, 2 * DAY_US)
    assert (found.ids, found.remembered) == (1, 2)
