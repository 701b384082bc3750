"""Each variation changes what it says, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.batch import BatchEngine, Hours, Recount, Variation
from crossfoot.errors import CallError, DataError

DEFINITION = """
crossfoot: 1
namespace: visits
event:
  time: {field: at, unit: iso}
  received: {field: got, unit: iso}
  id: seq
  where: "page <> 'z'"
  fields: {page: {path: page, type: text}, price: {path: price, type: decimal(1)}}
metrics:
  visits: {by: [[]], measures: {visits: count, price: sum(price)}, grains: [1h, 1d]}
"""
RECORDS = [
    b'{"seq": 1, "at": "2025-03-01T10:10:00Z", "got": "2025-03-01T10:10:01Z", "page": "a", "price": 0.25}',
    b'{"seq": 1, "at": "2025-03-01T10:10:00Z", "got": "2025-03-01T11:20:00Z", "page": "a", "price": 0.25}',
    b'{"seq": 2, "at": "2025-03-01T23:50:00Z", "got": "2025-03-02T01:00:00Z", "page": "b", "price": 1}',
    b'{"seq": 3, "at": "2025-03-02T01:10:00Z", "got": "2025-03-02T01:10:00Z", "page": "z", "price": 1}',
]


def raw(records: list[bytes]) -> pa.Table:
    clock = pa.array([datetime(2030, 1, 1, tzinfo=UTC)] * len(records), pa.timestamp("us", "UTC"))
    places = pa.array(range(len(records)), pa.int64())
    return pa.table({"partition": ["p"] * len(records), "position": places, "record": records, "clock": clock})


@pytest.fixture(scope="module")
def engine() -> BatchEngine:
    made = BatchEngine(load_text(DEFINITION))
    made.add_raw(raw(RECORDS))
    return made


def visits(found: Recount, grain: str = "1h") -> dict[str, int]:
    rows = found.cells("visits", (), grain).to_pylist()
    return {row["window"].strftime("%d %H"): row["visits"] for row in rows}


@pytest.mark.parametrize(
    ("variation", "accounts"),
    [
        (Variation(), {"counted": 2, "duplicate": 1, "filtered": 1}),
        (Variation(dedup="none"), {"counted": 3, "filtered": 1}),
        (Variation(dedup="per_window"), {"counted": 3, "filtered": 1}),
        (Variation(drop_late=timedelta(hours=1)), {"counted": 1, "duplicate": 1, "filtered": 1, "too_late": 1}),
        (Variation(where="true"), {"counted": 3, "duplicate": 1}),
        (Variation(until=datetime(2025, 3, 1, 12, tzinfo=UTC)), {"counted": 1, "duplicate": 1}),
        (
            Variation(without=(Hours((int(datetime(2025, 3, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000,)),)),
            {"counted": 1, "filtered": 1},
        ),
    ],
)
def test_accounts(engine: BatchEngine, variation: Variation, accounts: dict[str, int]):
    """What counts under a hypothesis."""
    assert engine.run(variation).accounts() == accounts


def test_thousands_of_missing_hours_are_one_condition(engine: BatchEngine):
    """A condition for each would take gigabytes: a planner copies them into every step that follows."""
    hours = tuple(hour * 3_600_000_000 for hour in range(100_000))
    few, many = (engine.run(Variation(without=(Hours(some),))) for some in (hours[:2], hours))
    assert many.rendered.query("judged").count("event_us") == few.rendered.query("judged").count("event_us")
    assert many.accounts() == engine.run().accounts()


def test_another_zone_moves_the_edges_of_days(engine: BatchEngine):
    """A day of Tokyo begins at 15:00 UTC."""
    assert visits(engine.run(), "1d") == {"01 00": 2}
    assert visits(engine.run(Variation(zone="Asia/Tokyo")), "1d") == {"28 15": 1, "01 15": 1}


@pytest.mark.parametrize(("rounding", "price"), [("half_even", "1.2"), ("half_up", "1.3"), ("truncate", "1.2")])
def test_rounding(engine: BatchEngine, rounding: Any, price: str):
    """0.25 with one place."""
    found = engine.run(Variation(rounding=rounding)).cells("visits", (), "1d").to_pylist()
    assert [str(row["price"]) for row in found] == [price]


def test_a_filter_of_a_metric_leaves_the_accounts(engine: BatchEngine):
    """Only its cells differ."""
    found = engine.run(Variation(where="page = 'b'", metric="visits"))
    assert visits(found) == {"01 23": 1}
    assert found.accounts() == engine.run().accounts()


def test_cells_are_the_same_before_and_after_the_verdicts(engine: BatchEngine):
    """The short way and the long one."""
    found = engine.run()
    before = found.cells("visits", (), "1h")
    assert found.judged
    assert found.cells("visits", (), "1h").equals(before)


def test_every_record_has_an_account_and_its_id(engine: BatchEngine):
    """What `why` and the causes read."""
    found = engine.run()
    rows = engine.connection.execute(
        f"SELECT position, account, reason, part, id, epoch_us(t) - epoch_us(event_time) FROM {found.judged} ORDER BY 1"
    ).fetchall()
    assert rows == [
        (0, "counted", "", "", "1", 1_000_000),
        (1, "duplicate", "under_1d", "", "1", 4_200_000_000),
        (2, "counted", "", "", "2", 4_200_000_000),
        (3, "filtered", "", "", "3", -600_000_000),
    ]


def test_lines_of_files(tmp_path):
    """A file is a partition; blank lines are no records."""
    path = tmp_path / "visits.jsonl"
    path.write_bytes(b"\r\n".join([*RECORDS[:2], b"", RECORDS[2]]))
    engine = BatchEngine(load_text(DEFINITION.replace("received: {field: got, unit: iso}", "received: none")))
    engine.add_files([str(path)])
    assert engine.run().accounts() == {"counted": 2, "duplicate": 1}


def test_a_relation_without_its_columns_is_refused():
    """The missing one is named."""
    engine = BatchEngine(load_text(DEFINITION), duckdb.connect())
    with pytest.raises(DataError, match="there is no position"):
        engine.add_raw("SELECT 'p' AS partition, 'x' AS record")


def test_nothing_to_count_is_refused():
    """Not an empty result."""
    with pytest.raises(CallError, match="no raw records"):
        BatchEngine(load_text(DEFINITION)).run()
