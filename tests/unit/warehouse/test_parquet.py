"""Tables as Parquet files: a part is there once, columns are added, what others have changed is named."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from crossfoot.errors import DataError
from crossfoot.testing.clocks import ManualClock
from crossfoot.warehouse.parquet import MADE, ParquetWarehouse
from crossfoot.warehouse.tables import Column, Table, accounts, counted_events

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
MIDNIGHT = datetime(2025, 3, 2, tzinfo=UTC)
EVENTS = counted_events()


def opened(folder: Path, *tables: Table) -> ParquetWarehouse:
    return ParquetWarehouse(folder, tables or (EVENTS,), ManualClock(1_700_000_000_000_000))


def events(*times: datetime | None, table: Table = EVENTS) -> pa.Table:
    rows = {"uuid": [f"{n:032x}" for n in range(len(times))], "event_time": list(times)}
    types = {"uuid": pa.string(), "event_time": pa.timestamp("us", "UTC")}
    return table.conform(pa.table({name: pa.array(values, types[name]) for name, values in rows.items()}))


def test_a_part_has_a_file_for_each_day(tmp_path):
    opened(tmp_path).put(EVENTS, "one", events(NOON, MIDNIGHT, None))
    found = sorted(path.relative_to(tmp_path / EVENTS.name).as_posix() for path in tmp_path.rglob("*.parquet"))
    days = ["day=2025-03-01", "day=2025-03-02", "day=__HIVE_DEFAULT_PARTITION__"]
    assert found == [f"{day}/one.parquet" for day in days]


def test_the_same_part_again_adds_nothing(tmp_path):
    store = opened(tmp_path)
    for _ in range(2):
        store.put(EVENTS, "one", events(NOON, MIDNIGHT))
    assert store.query("SELECT count(*) AS n FROM counted_events").to_pylist() == [{"n": 2}]


def test_a_table_without_files_is_empty(tmp_path):
    assert opened(tmp_path).query("SELECT uuid, day FROM counted_events").num_rows == 0


def test_the_newest_epoch_wins(tmp_path):
    table = accounts()
    store = opened(tmp_path, table)
    for epoch, records in ((1, 5), (2, 7)):
        row = {"partition": ["p"], "account": ["counted"], "records": [records], "epoch": [epoch]}
        none = pa.array([None], pa.timestamp("us", "UTC"))
        store.put(table, f"{epoch}", table.conform(pa.table(row).append_column("minute", none)))
    assert store.query("SELECT records FROM accounts_latest").to_pylist() == [{"records": 7}]


def test_other_tools_read_the_files(tmp_path):
    opened(tmp_path).put(EVENTS, "one", events(NOON))
    files = f"read_parquet('{tmp_path}/counted_events/*/*.parquet', hive_partitioning = true)"
    assert duckdb.sql(f"SELECT day FROM {files}").fetchall() == [(date(2025, 3, 1),)]


def test_a_new_column_is_null_in_older_parts(tmp_path):
    opened(tmp_path).ensure(EVENTS, "owner")
    opened(tmp_path).put(EVENTS, "one", events(NOON))
    wider = replace(EVENTS, columns=(*EVENTS.columns[:-1], Column("more", "decimal(2)"), EVENTS.columns[-1]))
    store = opened(tmp_path, wider)
    store.ensure(wider, "owner")
    store.put(wider, "two", events(NOON, table=wider))
    assert store.query("SELECT more FROM counted_events").to_pylist() == [{"more": None}] * 2


def test_a_table_keeps_its_making(tmp_path):
    first = opened(tmp_path).ensure(EVENTS, "owner")
    assert opened(tmp_path).ensure(EVENTS, "owner") == first


def test_a_table_of_another_owner_is_refused(tmp_path):
    opened(tmp_path).ensure(EVENTS, "owner")
    with pytest.raises(DataError, match="counted_events is that of another feed"):
        opened(tmp_path).ensure(EVENTS, "another")


def test_a_changed_column_is_named(tmp_path):
    store = opened(tmp_path)
    store.ensure(EVENTS, "owner")
    changed = events(NOON).drop_columns(["day", "epoch"]).append_column("epoch", pa.array(["x"]))
    folder = tmp_path / EVENTS.name / "day=2025-03-01"
    folder.mkdir()
    parquet.write_table(changed, folder / "theirs.parquet")
    with pytest.raises(DataError, match="the column epoch of the table counted_events was changed: it is string"):
        store.ensure(EVENTS, "owner")


def test_a_column_that_is_not_ours_is_named(tmp_path):
    store = opened(tmp_path)
    store.ensure(EVENTS, "owner")
    folder = tmp_path / EVENTS.name / "day=2025-03-01"
    folder.mkdir()
    parquet.write_table(events(NOON).append_column("theirs", pa.array([1])).drop_columns(["day"]), folder / "a.parquet")
    with pytest.raises(DataError, match="a column that is not ours: theirs"):
        store.ensure(EVENTS, "owner")


@pytest.mark.parametrize("keeps_metadata", [True, False])
def test_a_column_that_was_removed_is_named(tmp_path, keeps_metadata):
    """Whoever wrote the file anew."""
    store = opened(tmp_path)
    store.ensure(EVENTS, "owner")
    store.put(EVENTS, "one", events(NOON))
    store.ensure(EVENTS, "owner")
    file = tmp_path / EVENTS.name / "day=2025-03-01" / "one.parquet"
    rows = parquet.read_table(file, partitioning=None).drop_columns(["content"])
    parquet.write_table(rows if keeps_metadata else rows.replace_schema_metadata(None), file)
    with pytest.raises(DataError, match="the column content of the table counted_events was removed"):
        store.ensure(EVENTS, "owner")


def test_a_file_from_before_a_column_lacks_nothing(tmp_path):
    """The column was added, and no row was written since."""
    opened(tmp_path).ensure(EVENTS, "owner")
    opened(tmp_path).put(EVENTS, "one", events(NOON))
    wider = replace(EVENTS, columns=(*EVENTS.columns[:-1], Column("more", "integer"), EVENTS.columns[-1]))
    assert len({opened(tmp_path, wider).ensure(wider, "owner") for _ in range(2)}) == 1
    assert opened(tmp_path).ensure(EVENTS, "owner")


def test_a_file_is_no_warehouse(tmp_path):
    """Neither it nor what would be in it."""
    (tmp_path / "taken").write_text("mine")
    for folder in ("taken", "taken/below"):
        with pytest.raises(DataError, match="the warehouse is no folder: "):
            opened(tmp_path / folder).ensure(EVENTS, "owner")


def test_another_type_for_a_column_is_refused(tmp_path):
    opened(tmp_path).ensure(EVENTS, "owner")
    other = replace(EVENTS, columns=(Column("uuid", "integer"), *EVENTS.columns[1:]))
    with pytest.raises(DataError, match="the column uuid of the table counted_events would be integer now, it is text"):
        opened(tmp_path).ensure(other, "owner")


def test_a_folder_of_others_is_refused(tmp_path):
    (tmp_path / EVENTS.name).mkdir()
    (tmp_path / EVENTS.name / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds what is not ours: notes\.txt"):
        opened(tmp_path).ensure(EVENTS, "owner")
    assert not (tmp_path / EVENTS.name / MADE).exists()
