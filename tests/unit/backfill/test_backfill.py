"""A generation that is built from the archive, and put in force."""

from __future__ import annotations

from pathlib import Path

from crossfoot.generations import number_in_force
from crossfoot.query.client import Store
from tests.archives import Stored
from tests.backfilling import ARCHIVED, CHANGED, build
from tests.counting import click, count, count_records, lines

RECORDS = [
    click(seq, f"2015-09-12T10:0{seq % 7}:00Z", page=f"p{seq % 3}", got="2015-09-12T10:08:00Z") for seq in range(9)
]
MORE = [click(20, got="2015-09-12T10:09:00Z"), RECORDS[0], b"garbage\n"]


def as_counted(store: Path) -> tuple[object, ...]:
    """All that a store says, but its epochs."""
    held = Stored(store)
    status = held.status()
    return (
        held.cells(),
        sorted(held.ledger(), key=repr),
        held.side_log(),
        status.clock_us,
        status.watermark_us,
        status.partitions,
    )


def test_a_rebuilt_generation_is_the_store_that_was_counted_so_from_the_beginning(tmp_path: Path):
    for name, text in (("changed", ARCHIVED), ("fresh", CHANGED)):
        (tmp_path / name).mkdir()
        count_records(tmp_path / name, RECORDS, text)
    report = build(tmp_path / "changed")
    assert report.switched
    rebuilt = tmp_path / "changed" / "store" / "generations" / "1"
    assert as_counted(rebuilt) == as_counted(tmp_path / "fresh" / "store")


def test_counting_goes_on_in_the_generation_that_was_put_in_force(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    build(tmp_path)
    (tmp_path / "clicks.jsonl").write_bytes(lines([*RECORDS, *MORE]))
    summary = count(tmp_path, CHANGED)
    assert (summary.outcome.accounts["counted"], summary.outcome.accounts["duplicate"]) == (1, 1)
    assert Store.open(store).query("by_country", by=["country"]).to_arrow().to_pylist()[0]["clicks"] == 10
    assert number_in_force(store) == 1
