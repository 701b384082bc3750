"""What counts for the limits of a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.errors import DataError
from tests.engines import FAR_FUTURE_US

DEFINITION = """
crossfoot: 1
namespace: limits
source: {files: x.jsonl}
event: {time: {field: t, unit: s}, received: {field: t, unit: s}, id: n, fields: {k: k}}
metrics: {m: {by: [[k]], measures: {events: count}, grains: [all]}}
limits: {cells_max: 20}
"""
GARBAGE = [b"nonsense\n" * 10] * 10
MINUTES = [b'{"n": %d, "t": %d}\n' % (number, number * 60) for number in range(50)]
CELLS = [b'{"n": %d, "t": 1, "k": "%d"}\n' % (number, number) for number in range(21)]


def count(folder: Path, feeds: list[bytes]) -> EmbeddedEngine:
    """An epoch and a checkpoint for each feed."""
    engine = EmbeddedEngine(folder, load_text(DEFINITION), checkpoint_bytes=1, merge_segments=2)
    for data in feeds:
        engine.feed("a", data, FAR_FUTURE_US)
        engine.commit()
    return engine


@pytest.mark.parametrize(("feeds", "events"), [([MINUTES[0], *GARBAGE], 1), (MINUTES, 50)], ids=["garbage", "minutes"])
def test_only_cells_are_cells(feeds: list[bytes], events: int, tmp_path: Path):
    """Entries of the side log and rows of the ledger stop no engine."""
    engine = count(tmp_path, feeds)
    assert [row["events"] for cells in engine.cells() for row in cells.rows] == [events]
    engine.abandon()


def test_more_cells_than_the_limit_stop_the_engine(tmp_path: Path):
    """The message says what to raise."""
    with pytest.raises(DataError, match=r"more stored cells than limits\.cells_max = 20"):
        count(tmp_path, CELLS)
