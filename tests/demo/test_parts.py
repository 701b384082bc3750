"""The small parts: drawing, comparing, the folder, the exit code."""

from pathlib import Path

import pytest

from crossfoot.cli.demo import demo
from crossfoot.demo import telling
from crossfoot.demo.comparison import compare
from crossfoot.demo.folder import Folder
from crossfoot.demo.items import Check, Text, equal
from crossfoot.errors import CallError
from crossfoot.query.drawing import columns


def test_the_largest_value_has_full_height():
    """Eighths of a line are drawn, zero is empty."""
    assert columns([16, 8, 1, 0], ["a", "b", "c", "d"], height=2, width=1) == ["16 █", " 0 █ █ ▁", "   a b c d"]


def test_no_values_draw_an_empty_frame():
    """Nothing is divided by zero."""
    assert columns([], [], height=2) == ["1", "0", ""]


def test_equal_cells_are_counted():
    """Two of two."""
    found = compare({("a",): (1,), ("b",): (2,)}, {("b",): (2,), ("a",): (1,)})
    assert (found.cells, found.equal, found.holds) == (2, 2, True)


def test_another_value_is_a_difference():
    """It is named with both values."""
    found = compare({("a",): (1,)}, {("a",): (2,)})
    assert (found.holds, found.different) == (False, ("('a',): (1,) and (2,)",))


@pytest.mark.parametrize("sides", [({("a",): (1,)}, {}), ({}, {("a",): (1,)})])
def test_a_cell_of_one_side_only_is_a_difference(sides):
    """Absent is no value."""
    assert not compare(*sides).holds


def test_nothing_compared_does_not_hold():
    """Two empty results prove nothing."""
    assert not compare({}, {}).holds


def test_a_wrong_number_is_told_with_the_right_one():
    """The check fails and says both."""
    assert equal("edits:", 1, 2) == Check(False, "edits: 1, not 2")


def test_a_folder_of_someone_else_is_refused(tmp_path: Path):
    """Nothing in it is touched."""
    (tmp_path / "mine").write_text("x")
    with pytest.raises(CallError, match="did not make it"):
        Folder(tmp_path).prepare()
    assert (tmp_path / "mine").read_text() == "x"


def test_a_folder_beside_of_someone_else_is_refused(tmp_path: Path):
    """The demo begins in a folder beside the store, and that may be taken too."""
    taken = tmp_path / "store.files"
    taken.mkdir()
    (taken / "mine").write_text("x")
    with pytest.raises(CallError, match="did not make it"):
        Folder(tmp_path / "store").prepare()
    assert (taken / "mine").read_text() == "x"


def test_what_a_killed_demo_left_is_replaced(tmp_path: Path):
    """A demo that ended before its store was there left its files beside it."""
    Folder(tmp_path / "store").prepare()
    folder = Folder(tmp_path / "store")
    (folder.delivered / "old").write_text("x")
    folder.prepare()
    assert list(folder.delivered.iterdir()) == []


def test_without_duckdb_the_recount_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    """One line; nothing fails."""
    monkeypatch.setattr(telling, "available", lambda: False)
    (line,) = [item for item in telling.recounted({}) if isinstance(item, Text)]
    assert "pip install 'crossfoot[demo]'" in line.text


@pytest.mark.parametrize(("holds", "code"), [(True, 0), (False, 1)])
def test_a_check_that_fails_is_exit_code_1(holds, code, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """And 0 if all hold."""
    monkeypatch.setattr(telling, "tell", lambda *_: iter([Check(True, "a"), Check(holds, "b")]))
    assert demo(store=tmp_path) == code
