"""How cells lie in a table: keys that come back, in the order of values and windows, and ranges that miss nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfoot.stores.bigtable_rows import (
    ABOUT,
    SALTS,
    BigtableRows,
    Cell,
    Row,
    about_of,
    head_cell,
    key_of,
    plan_cell,
    split_key,
    state_cell,
)

PATH = b"/clicks/page,country/1h/"
GROUPS = st.binary(max_size=12)
WINDOWS = st.none() | st.integers(-(2**63) + 1, 2**63 - 1)
PLAN = {
    "fields": [{"name": "a/b"}, {"name": "c,d"}],
    "metrics": [{"name": "m é", "sets": [[0, 1], []], "grains": [{"name": "1d Europe/Paris"}, {"name": "all"}]}],
}


@given(group=GROUPS, window=WINDOWS)
def test_a_key_comes_back(group, window):
    """Whatever bytes the values are, slashes too."""
    assert split_key(key_of(PATH, group, window)) == ("clicks/page,country/1h", group, window)


@given(group=GROUPS, windows=st.lists(WINDOWS, min_size=2))
def test_the_windows_of_a_series_lie_in_their_order(group, windows):
    """All time first; windows before 1970 before those after."""
    in_order = sorted(windows, key=lambda window: -(2**63) if window is None else window)
    assert sorted(key_of(PATH, group, window) for window in windows) == [key_of(PATH, group, one) for one in in_order]


@given(keys=st.lists(st.tuples(GROUPS, WINDOWS)), prefix=st.binary(max_size=3))
def test_a_range_of_a_prefix_holds_exactly_its_keys(keys, prefix):
    """Of all salts; prefixes that end in 255 too."""
    rows = BigtableRows(PLAN)
    ranges = rows.ranges((0, 0, 0), (prefix, False), None, None)
    path = f"/{rows.path(0, 0, 0)}/".encode()
    for group, window in keys:
        key = key_of(path, group, window)
        assert any(begin <= key < end for begin, end in ranges) == (group + key[-8:]).startswith(prefix)


@given(
    group=GROUPS,
    windows=st.lists(st.integers(-100, 100)),
    since=st.none() | st.integers(-100, 100),
    until=st.none() | st.integers(-100, 100),
)
def test_a_range_of_a_series_holds_exactly_its_windows(group, windows, since, until):
    """One range, of one salt."""
    rows = BigtableRows(PLAN)
    ((begin, end),) = rows.ranges((0, 0, 0), (group, True), since, until)
    path = f"/{rows.path(0, 0, 0)}/".encode()
    for window in windows:
        is_asked = (since is None or window >= since) and (until is None or window < until)
        assert (begin <= key_of(path, group, window) < end) == is_asked


def test_names_cannot_run_into_each_other():
    """They are quoted as in a URL; the whole has no dimensions."""
    rows = BigtableRows(PLAN)
    assert rows.path(0, 0, 0) == "m%20%C3%A9/a%2Fb,c%2Cd/1d%20Europe%2FParis"
    assert rows.path(0, 1, 1) == "m%20%C3%A9//all"


def test_series_are_spread_over_all_salts():
    """And the row about the table is before all of them."""
    keys = [key_of(PATH, f"page {n}".encode(), 0) for n in range(400)]
    assert {key[:1] for key in keys} == set(SALTS)
    assert min(keys) > ABOUT


def test_what_a_table_says_of_itself_is_the_newest():
    """Whichever was written last."""
    cells = [
        head_cell("me", "1", 2, 4),
        plan_cell({"new": 1}, 5),
        plan_cell({"old": 1}, 3),
        state_cell(1, 7, {"epoch": 7}),
        state_cell(1, 6, {"epoch": 6}),
    ]
    about = about_of(Row(ABOUT, cells))
    assert about.head == {"layout": 1, "owner": "me", "making": "1", "shards": 2, "versions": 4}
    assert (about.plan, about.states) == ({"new": 1}, {1: (7, {"epoch": 7})})


@pytest.mark.parametrize("row", [None, Row(ABOUT, [])])
def test_an_empty_table_says_nothing(row):
    """There is no store in it yet."""
    assert about_of(row) == (None, None, {})


def test_the_same_version_again_is_the_same_row():
    """So a repeat changes nothing."""
    import pyarrow as pa

    part = pa.table({"window": [0, None], "__group": [b"a", b""], "__partial": [b"1", b"2"]})
    part = part.set_column(0, "window", part["window"].cast(pa.int64()))
    first, again = (list(BigtableRows(PLAN).mutations(0, 0, 0, part, 3, 9)) for _ in range(2))
    assert first == again
    assert [row.cells for row in first] == [[Cell("0003", 9, b"1")], [Cell("0003", 9, b"2")]]
