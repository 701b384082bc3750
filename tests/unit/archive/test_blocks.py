"""Archived inputs by columns: runs of alike rows, and their records as blocks."""

from array import array
from typing import Any

import pyarrow as pa
import pytest

from crossfoot.archive.blocks import Run, runs
from crossfoot.archive.parts import Parts, parts_of
from crossfoot.archive.reading import rows
from crossfoot.archive.schema import schema
from crossfoot.definition.model import DAY_US, Archive
from crossfoot.event import ABSENT_US, PositionedRecord, records_of

LIMIT = 8


def row(step: int, **other: Any) -> dict[str, Any]:
    """A record at a position that is its step."""
    plain = {"epoch": 1, "step": step, "kind": "record", "partition": "a", "position": step, "t": step, "clock": 7}
    return plain | {"record": b"r%d" % step} | other


def table(*of: dict[str, Any]) -> pa.Table:
    """Rows as they lie in a part."""
    columns = {name: [each.get(name) for each in of] for name in schema().names}
    arrays = [pa.array(values, schema().field(name).type) for name, values in columns.items()]
    return pa.Table.from_arrays(arrays, schema=schema())


def places(found: list[Run]) -> list[list[int]]:
    return [[each["step"] for each in run.rows()] for run in found]


@pytest.mark.parametrize(
    "other", [{"epoch": 2}, {"kind": "skip"}, {"source": "s"}, {"partition": "b"}, {"clock": 8}, {"clock": None}]
)
def test_a_run_ends_where_a_row_differs(other):
    """Its own values are those of its rows."""
    found = list(runs(table(row(0), row(1), row(2, **other), row(3))))
    assert places(found) == [[0, 1], [2], [3]]
    shown = [(run.epoch, run.kind, run.source, run.partition, run.clock_us) for run in found]
    different = row(2, **other)
    assert shown[0] == shown[2] == (1, "record", None, "a", 7)
    assert shown[1] == tuple(different.get(name) for name in ("epoch", "kind", "source", "partition", "clock"))


def test_parts_of_a_table_may_name_their_texts_in_another_order():
    both = pa.concat_tables([table(row(0), row(1, partition="b")), table(row(2, partition="b"), row(3))])
    assert [run.partition for run in runs(both)] == ["a", "b", "b", "a"]


def test_a_block_holds_its_records_wherever_the_run_lies():
    given = [row(0, partition="x"), row(1, stamp=5), row(2, record=b""), row(3, stamp=6, received=4)]
    _, found = runs(table(*given))
    assert records_of(*found.block(LIMIT)) == [
        PositionedRecord(b"r1", 1, 5, None),
        PositionedRecord(b"", 2, None, None),
        PositionedRecord(b"r3", 3, 6, 4),
    ]


def test_a_column_of_times_that_no_record_has_is_empty():
    (found,) = runs(table(row(0), row(1)))
    assert found.block(LIMIT) == (b"r0r1", (array("I", [2, 4]).tobytes(), array("Q", [0, 1]).tobytes(), b"", b""))


@pytest.mark.parametrize(("length", "bytes_"), [(5, 5), (9, 9), (1000, 9)])
def test_a_record_of_which_the_beginning_is_kept_is_as_long_as_matters(length, bytes_):
    (found,) = runs(table(row(0), row(1, length=length), row(2)))
    assert [len(record.data) for record in records_of(*found.block(LIMIT))] == [2, bytes_, 2]


def test_the_recorded_times_are_beside_it():
    _, found = runs(table(row(0, partition="x"), row(1), row(2, t=None)))
    assert found.recorded() == array("q", [1, ABSENT_US]).tobytes()


@pytest.mark.parametrize("days", [[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 2, 0]])
def test_parts_of_several_days_are_read_in_the_order_of_their_steps(tmp_path, days):
    """Of two files of the journal, each of which makes a part a day."""
    parts = Parts(tmp_path, Archive())
    for epoch in (1, 2):
        parts.write(table(*(row(step, epoch=epoch, t=day * DAY_US + step) for step, day in enumerate(days))))
    everything = [(epoch, step) for epoch in (1, 2) for step in range(4)]
    found = parts_of(tmp_path)
    assert len(found) == 2 * len(set(days))
    assert [(each["epoch"], each["step"]) for each in rows(found)] == everything
    assert [(each["epoch"], each["step"]) for each in rows(found, after=1)] == everything[4:]
