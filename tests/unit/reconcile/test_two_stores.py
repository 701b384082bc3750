"""A store against a store whose names and types are others."""

from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison
from crossfoot.errors import DataError
from crossfoot.reconcile.run import Reconciliation, Work, reconcile
from tests.reconciling import DEFINITION, Shop, open_shop

BY = ("country", "kind")
PRICE = "{path: price, type: integer}"
NUMBERED = ("country: {path: country, type: text}", f"country: {PRICE}")


def against(
    ours: Shop, other: Path, definition: str = DEFINITION, columns: tuple[tuple[str, str], ...] = ()
) -> Reconciliation:
    comparison = Comparison("side", Against("store", str(other)), "sales", "1h", BY, columns=columns)
    return reconcile(load_text(definition), ours.store, comparison, Work(causes=False, threads=2))


def shop_of(folder: Path, *changes: tuple[str, str]) -> tuple[Shop, str]:
    """A shop of the same events whose definition is another one."""
    text = DEFINITION
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir()
    return open_shop(folder, 1_000, definition=text), text


@pytest.mark.parametrize("scales", [(3, 2), (2, 3)])
def test_decimals_of_other_places_are_the_same_numbers(tmp_path: Path, scales: tuple[int, int]):
    (ours, text), (theirs, _) = (
        shop_of(tmp_path / str(scale), (PRICE, f"{{path: price, type: decimal({scale})}}")) for scale in scales
    )
    found = against(ours, theirs.store, text).compared
    assert found.equal == found.cells > 0


def test_more_places_than_ours_are_refused(tmp_path: Path):
    ours, text = shop_of(tmp_path / "ours", (PRICE, "{path: whole, type: decimal(2)}"))
    theirs, _ = shop_of(tmp_path / "theirs", (PRICE, "{path: whole, type: decimal(3)}"))
    with pytest.raises(DataError, match=r"values of spent in .*theirs.* are not decimal\(2\): "):
        against(ours, theirs.store, text)


def test_an_integer_against_a_decimal_is_the_same_number(small: Shop, tmp_path: Path):
    theirs, _ = shop_of(tmp_path / "theirs", (PRICE, "{path: price, type: decimal(2)}"))
    assert against(small, theirs.store).holds


def test_other_names_are_mapped(small: Shop, tmp_path: Path):
    """Of a measure and of a dimension; without that they are refused."""
    theirs, _ = shop_of(tmp_path / "theirs", ("spent:", "total:"), ("country:", "land:"), ("[[country", "[[land"))
    assert against(small, theirs.store, columns=(("spent", "total"), ("country", "land"))).holds
    with pytest.raises(DataError, match="has no column spent") as refused:
        against(small, theirs.store, columns=(("country", "land"),))
    assert "columns: {spent: " in refused.value.hint


def test_a_number_is_no_text(small: Shop, tmp_path: Path):
    """All its cells would be missing on both sides."""
    theirs, _ = shop_of(
        tmp_path / "theirs", ("country: {path: country, type: text}", "country: {path: price, type: integer}")
    )
    with pytest.raises(DataError, match=r"country of .* is bigint, and country of ours is text"):
        against(small, theirs.store)


def test_a_text_that_is_no_number_is_refused(small: Shop, tmp_path: Path):
    ours, text = shop_of(tmp_path / "ours", NUMBERED)
    with pytest.raises(DataError, match=r"values of country in .* are not integer: "):
        against(ours, small.store, text)


@pytest.mark.parametrize("place", ["page.txt", "tables", "nothing"])
def test_what_is_no_store_is_told(small: Shop, tmp_path: Path, place: str):
    """With what can be named instead."""
    (tmp_path / "page.txt").write_text("hour,n\n")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.csv").write_text("hour,n\n")
    with pytest.raises(DataError, match=f"no store.* {tmp_path}/{place}|{place} is no store") as refused:
        against(small, tmp_path / place)
    assert place != "tables" or "tables/*.csv" in refused.value.hint
