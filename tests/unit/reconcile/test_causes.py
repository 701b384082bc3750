"""Causes that need other data than a fault among events."""

import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison
from crossfoot.errors import DataError, StoreError
from crossfoot.reconcile.causes import ARCHIVE
from crossfoot.reconcile.records import engine_of
from crossfoot.reconcile.run import Reconciliation, Work, reconcile
from tests.archives import unsealed
from tests.reconciling import DEFINITION, Event, Other, Shop, open_shop

BY = ("country", "kind")
DECIMALS = DEFINITION.replace("{path: price, type: integer}", "{path: whole, type: decimal(2)}")


def compared(definition: str, store: Path, path: Path, work: Work | None = None) -> Reconciliation:
    """A table against a store."""
    comparison = Comparison("cause", Against("parquet", str(path)), "sales", "1h", BY)
    return reconcile(load_text(definition), store, comparison, work or Work(threads=1))


@pytest.mark.parametrize(("more", "said"), [(5, "they round halves up"), (0, "they cut off further places")])
def test_another_rounding_is_named(tmp_path: Path, more: int, said: str):
    """Thousandths as hundredths."""
    shop = open_shop(tmp_path, 600, definition=DECIMALS)

    def rounded(events: list[Event]) -> list[Event]:
        return [replace(event, price=(event.price + more) // 10) for event in events]

    path = shop.write(Other(edit=rounded))
    duckdb.execute(f"COPY (SELECT * REPLACE (spent / 100 AS spent) FROM '{path}') TO '{tmp_path}/cents.parquet'")
    found = compared(DECIMALS, shop.store, tmp_path / "cents.parquet")
    assert [(cause.names, cause.text) for cause in found.causes] == [(("rounding",), said)]


def test_a_part_of_the_archive_that_is_missing_is_named(small: Shop, tmp_path: Path):
    """What cannot be tried is said, and what can be is."""
    store = tmp_path / "store"
    shutil.copytree(small.store, store)
    shutil.rmtree(next((store / "archive").glob("day=2024-03-05")))
    found = compared(DEFINITION, store, small.write(Other(dedup=False)))
    named = {name for cause in found.causes for name in cause.names}
    assert {ARCHIVE, "not deduplicated"} <= named


def test_without_an_archive_no_cause_is_looked_for(small: Shop, tmp_path: Path):
    """But the files with our records can be named."""
    store = tmp_path / "store"
    shutil.copytree(small.store, store, ignore=shutil.ignore_patterns("archive*"))
    path = small.write(Other(dedup=False))
    found = compared(DEFINITION, store, path)
    assert found.causes == ()
    assert "the store has no archive" in (found.no_causes or "")
    found = compared(DEFINITION, store, path, Work(files=(str(small.folder / "events.jsonl"),), threads=1))
    assert [cause.names for cause in found.causes] == [("not deduplicated",)]


@pytest.mark.parametrize("given", ["lines", "lines/*.jsonl"])
def test_records_may_be_a_folder_or_a_pattern(small: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str):
    """Its files are counted in the order of their names, as a run does."""
    monkeypatch.chdir(tmp_path)
    lines = (small.folder / "events.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "lines").mkdir()
    for number, some in enumerate((lines[:400], lines[400:])):
        (tmp_path / "lines" / f"{number}.jsonl").write_text("".join(some))
    found = compared(DEFINITION, small.store, small.write(Other(dedup=False)), Work(files=(given,), threads=1))
    assert [cause.names for cause in found.causes] == [("not deduplicated",)]


def test_files_that_are_no_records_are_told(small: Shop, tmp_path: Path):
    path = small.write(Other(dedup=False))
    with pytest.raises(DataError, match=r"theirs\.parquet cannot be read") as refused:
        compared(DEFINITION, small.store, path, Work(files=(str(path),), threads=1))
    assert "name files whose lines" in refused.value.hint


@pytest.mark.parametrize("what", ["rows", "end"])
def test_a_damaged_part_of_the_archive_is_told(small: Shop, tmp_path: Path, what: str):
    """Its rows, or its end; with what to bring back."""
    store = tmp_path / "store"
    shutil.copytree(small.store, store)
    part = next((store / "archive").glob("day=2024-03-05/*"))
    data = part.read_bytes()
    part.write_bytes(data[:-20] if what == "end" else data[:4] + bytes(len(data) - 3004) + data[-3000:])
    with pytest.raises((DataError, StoreError), match="archive") as refused:
        compared(DEFINITION, store, small.write(Other(dedup=False)))
    assert refused.value.hint == "bring the file back from a copy"


def test_an_archive_that_is_not_sealed_yet_is_none_that_is_not_kept(tmp_path: Path):
    definition, connection = load_text(DEFINITION), duckdb.connect()
    with unsealed(tmp_path / "store", definition, b""):
        assert "is not sealed yet" in str(engine_of(connection, definition, tmp_path / "store"))
