"""Parts that an earlier version has written: their records are read, a recount is refused by name."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossfoot.archive.parts import parts_of
from crossfoot.archive.reading import read_part, recount
from crossfoot.definition.load import load_text
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.errors import StoreError
from tests.counting import CLICKS


@pytest.fixture
def store(tmp_path) -> Path:
    """With a part of form 1."""
    stamp = datetime(2025, 1, 2, tzinfo=UTC)
    times = pa.timestamp("us", tz="UTC")
    table = pa.table(
        {
            "partition": pa.array(["socket:x"]).dictionary_encode(),
            "position": pa.array([4], pa.int64()),
            "stamp": pa.array([stamp], times),
            "received": pa.array([None], times),
            "record": pa.array([b"{}"], pa.binary()),
        }
    )
    file = tmp_path / "archive" / "socket%3Ax" / f"{4:020d}-{5:020d}.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(table.replace_schema_metadata({b"crossfoot.newest_us": b"1735776000000000"}), file)
    return tmp_path


def test_their_records_are_read(store):
    """What they do not say is null."""
    (row,) = read_part(parts_of(store)[0]).to_pylist()
    assert (row["kind"], row["partition"], row["position"], row["record"]) == ("record", "socket:x", 4, b"{}")
    assert row["t"] == row["stamp"]
    assert (row["epoch"], row["step"], row["clock"]) == (None, None, None)


def test_they_are_not_enough_for_a_recount(store):
    """Nobody knows what joined, beat and finished."""
    definition = load_text(CLICKS)
    with pytest.raises(StoreError, match=r"the archive holds parts of an older form: .*parquet"):
        recount(store, ReferenceEngine(definition), definition)
