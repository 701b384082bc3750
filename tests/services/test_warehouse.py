"""The feeds of a warehouse against a BigQuery emulator: parts once, columns added, faults in one line."""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery as google

from crossfoot.bigquery import HOST, STORAGE_HOST
from crossfoot.dev.bigquery import PROJECT, BigQuery
from crossfoot.dev.broker import free_ports
from crossfoot.errors import DataError, ServiceError
from crossfoot.services.export import export
from crossfoot.settings import Settings
from crossfoot.warehouse.bigquery import BigQueryWarehouse, Place
from crossfoot.warehouse.store import FileNote
from crossfoot.warehouse.tables import Column, accounts, counted_events
from tests.backfilling import ARCHIVED, build
from tests.counting import STAMPED, click, count, count_records, lines
from tests.crash.processes import call, records
from tests.crash.test_feed_kill import QUICK, run_and_kill
from tests.unit.warehouse.test_counted import check_cells
from tests.unit.warehouse.test_outbox import rows
from tests.warehouses import CLOCK, asked, check_counted, fed, opened, positions

EVENTS = counted_events()


@pytest.fixture
def client(bigquery: BigQuery) -> google.Client:
    options = {"api_endpoint": bigquery.address}
    return google.Client(PROJECT, credentials=AnonymousCredentials(), client_options=options)


@pytest.fixture
def note(tmp_path: Path) -> FileNote:
    return FileNote(tmp_path / "note")


@pytest.fixture
def warehouse(dataset: str) -> BigQueryWarehouse:
    return BigQueryWarehouse(Place(PROJECT, dataset), (EVENTS,), os.environ, CLOCK)


def with_sink(text: str, dataset: str) -> str:
    return text + f"sinks: [{{bigquery: {{project: {PROJECT}, dataset: {dataset}}}}}]\n"


def uuids(warehouse: BigQueryWarehouse) -> list[int]:
    return sorted(int(row["uuid"], 16) for row in asked(warehouse, "SELECT uuid FROM counted_events"))


def test_the_same_part_again_adds_nothing(warehouse, note):
    warehouse.ensure(EVENTS, "owner")
    for _ in range(3):
        warehouse.put(EVENTS, "owner-1", EVENTS.conform(rows(1, 2)[EVENTS.name]), note)
    assert uuids(warehouse) == [1, 2]


def test_a_part_whose_stream_was_not_noted_is_written_anew(warehouse, tmp_path):
    """A process that ends between writing and committing leaves a stream that nobody sees."""
    warehouse.ensure(EVENTS, "owner")
    part = EVENTS.conform(rows(1, 2)[EVENTS.name])
    with pytest.raises(FileNotFoundError):
        warehouse.put(EVENTS, "owner-1", part, FileNote(tmp_path / "nowhere" / "note"))
    assert uuids(warehouse) == []
    warehouse.put(EVENTS, "owner-1", part, FileNote(tmp_path / "note"))
    assert uuids(warehouse) == [1, 2]


def test_tables_are_divided_by_day(warehouse, client, dataset):
    warehouse.ensure(EVENTS, "owner")
    assert client.get_table(f"{PROJECT}.{dataset}.counted_events").time_partitioning.field == "day"


def test_a_table_that_was_left_without_its_view_gets_it(warehouse, client, dataset):
    """Whoever made the table ended before the view."""
    table = accounts()
    first = warehouse.ensure(table, "owner")
    view = f"{PROJECT}.{dataset}.{table.name}_latest"
    client.query_and_wait(f"DROP VIEW `{view}`", retry=None, job_retry=None)
    again = BigQueryWarehouse(Place(PROJECT, dataset), (table,), os.environ, CLOCK)
    assert again.ensure(table, "owner") == first
    assert client.get_table(view, retry=None).table_type == "VIEW"


def test_a_new_column_is_added(warehouse, note):
    first = warehouse.ensure(EVENTS, "owner")
    wider = replace(EVENTS, columns=(*EVENTS.columns, Column("more", "integer")))
    assert warehouse.ensure(wider, "owner") == first
    warehouse.put(wider, "owner-1", wider.conform(rows(1)[EVENTS.name]), note)
    assert asked(warehouse, "SELECT more FROM counted_events") == [{"more": None}]


def test_a_removed_column_is_named(warehouse, client, dataset):
    warehouse.ensure(EVENTS, "owner")
    path = f"{PROJECT}.{dataset}.counted_events"
    made = client.get_table(path)
    client.delete_table(path)
    again = google.Table(path, [field for field in made.schema if field.name != "content"])
    again.description = made.description
    client.create_table(again)
    with pytest.raises(DataError, match="the column content of the table counted_events was removed"):
        warehouse.ensure(EVENTS, "owner")


def test_a_table_of_others_is_refused(warehouse, client, dataset):
    client.create_table(google.Table(f"{PROJECT}.{dataset}.counted_events", [google.SchemaField("a", "STRING")]))
    with pytest.raises(DataError, match="the table counted_events was not made by crossfoot"):
        warehouse.ensure(EVENTS, "owner")


def test_a_dataset_that_is_not_there_is_named(bigquery):
    warehouse = BigQueryWarehouse(Place(PROJECT, "nowhere"), (EVENTS,), {HOST: bigquery.address}, CLOCK)
    with pytest.raises(DataError, match="there is no such BigQuery dataset: crossfoot-dev"):
        warehouse.ensure(EVENTS, "owner")


def test_a_service_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("crossfoot.warehouse.bigquery.TIMEOUT_S", 0.5)
    place = {HOST: f"127.0.0.1:{free_ports(0)[0]}"}
    warehouse = BigQueryWarehouse(Place(PROJECT, "nowhere"), (EVENTS,), place, CLOCK)
    with pytest.raises(ServiceError, match="BigQuery does not answer for the table counted_events"):
        warehouse.ensure(EVENTS, "owner")


def test_all_feeds_of_a_run(dataset, tmp_path):
    """Raw events, counted events, the ledger and cells."""
    text = with_sink(STAMPED, dataset)
    (tmp_path / "clicks.jsonl").write_bytes(lines(records(300)))
    summary = count(tmp_path, text, settings=Settings(sink_wait_seconds=120))
    assert summary.hints == (), summary.hints[0]
    fed(tmp_path, text, **os.environ)
    warehouse = opened(tmp_path, text, **os.environ)
    assert len(positions(warehouse)) == len(records(300))
    check_counted(warehouse, tmp_path / "store")
    check_cells(warehouse, tmp_path / "store")


def test_views_leave_out_the_cells_of_a_superseded_generation(dataset, tmp_path):
    """Tables and views that were there before are widened."""
    before = with_sink(ARCHIVED, dataset)
    after = before.replace("  clicks:\n", "  clicks:\n    where: page <> 'b'\n")
    store = count_records(
        tmp_path, [click(seq, page="ab"[seq % 2], got="2015-09-12T10:00:01Z") for seq in range(6)], before
    )
    build(tmp_path, after)
    count(tmp_path, after)
    check_cells(opened(tmp_path, after, **os.environ), store)
    (found,) = asked(opened(tmp_path, after, **os.environ), "SELECT count(*) AS n FROM cells_clicks WHERE is_removed")
    assert found["n"] == 6


def test_an_export_writes_the_same_tables(dataset, tmp_path):
    """Of a store whose definition names no warehouse; a repeat adds nothing."""
    (tmp_path / "clicks.jsonl").write_bytes(lines(records(300)))
    count(tmp_path, STAMPED)
    folders, place = (tmp_path / "store", tmp_path), f"bigquery:{PROJECT}/{dataset}"
    assert export(folders, place, Settings(), os.environ, CLOCK).cells
    assert export(folders, place, Settings(), os.environ, CLOCK).cells == 0
    check_cells(opened(tmp_path, with_sink(STAMPED, dataset), **os.environ), tmp_path / "store")


def kill_and_check(folder: Path, dataset: str, seed: int, kills: int) -> None:
    text, made = with_sink(STAMPED.replace("lateness: 1h", "lateness: 100h"), dataset), records(20 * kills + 200)
    (folder / "clicks.yaml").write_text(text)
    (folder / "clicks.jsonl").write_bytes(lines(made))
    moments = random.Random(seed)
    quick = {**QUICK, **{name: os.environ[name] for name in (HOST, STORAGE_HOST)}, "CROSSFOOT_FEED_BYTES": "64K"}
    for _ in range(kills):
        run_and_kill(folder, moments, moments.choice(["run", "feed"]), "clicks.yaml", environment=quick)
    patient = {**quick, "CROSSFOOT_SINK_WAIT_SECONDS": "120"}
    for command in (("run", "clicks.yaml"), ("feed", "clicks.yaml", "--once")):
        code, _, error = call(folder, *command, environment=patient)
        assert code == 0, error
    warehouse = opened(folder, text, **os.environ)
    assert set(positions(warehouse).values()) == {1}
    assert len(positions(warehouse)) == len(made)
    check_counted(warehouse, folder / ".crossfoot")


def test_feeds_that_are_killed_lose_and_double_nothing(dataset, tmp_path):
    kill_and_check(tmp_path, dataset, 1, 20)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10))
def test_feeds_that_are_killed_by_the_hundred(seed, dataset, tmp_path):
    kill_and_check(tmp_path, dataset, 100 + seed, 20)
