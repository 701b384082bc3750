"""The monitor's questions to a BigQuery emulator: the same answers as to Parquet."""

import uuid

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery as google

from crossfoot.bigquery import HOST, STORAGE_HOST
from crossfoot.definition.model import DAY_US, Monitor
from crossfoot.dev.bigquery import PROJECT, BigQuery
from crossfoot.monitor.measure import Asked, measure
from crossfoot.monitor.shadow import Shadow, shadowed
from tests.monitoring import NOON, SINK, WATCHED, account, after, arrived, counted, side_of, written

TODAY = int(NOON.timestamp()) * 1_000_000 // DAY_US * DAY_US


@pytest.fixture
def text(bigquery: BigQuery, monkeypatch: pytest.MonkeyPatch) -> str:
    """A definition whose warehouse is a dataset of its own."""
    options = {"api_endpoint": bigquery.address}
    dataset = f"d{uuid.uuid4().hex[:8]}"
    google.Client(PROJECT, credentials=AnonymousCredentials(), client_options=options).create_dataset(dataset)
    monkeypatch.setenv(HOST, bigquery.address)
    monkeypatch.setenv(STORAGE_HOST, bigquery.storage_address)
    return WATCHED.replace(SINK, f"sinks: [{{bigquery: {{project: {PROJECT}, dataset: {dataset}}}}}]\n")


def test_bigquery_answers_as_parquet_does(text, tmp_path):
    """Causes, ages, what is left, the ledger, and the shadow."""
    origin = {"origin_source": "raw", "origin_partition": 3, "origin_position": 7}
    rows = [
        *(arrived("a", after(seconds=second), position) for second, position in enumerate((1, 2, 2))),
        *(arrived("b", after(hours=1 + attempt), 10 + attempt, attempt=attempt, **origin) for attempt in (1, 2)),
        arrived("a", after(days=4), source="views", partition="v"),
        {**arrived("x", account="malformed"), "uuid": None, "event_time": None, "content": None},
    ]
    tables = (rows, [counted("a"), counted("b"), counted("b")], [account("counted", 3), account("too_late", 2)])
    found = []
    for definition in (written(tmp_path, *tables, text=text), written(tmp_path, *tables)):
        side = side_of(tmp_path, definition)
        report = measure(side, definition, Asked(Monitor()))
        shadow = Shadow(tmp_path / f"shadow-{len(found)}", Monitor())
        beyond = shadowed(shadow, side, TODAY, TODAY + 5 * DAY_US, 2 * DAY_US)
        found.append((report.total, report.spans, report.partitions, beyond))
    assert found[0] == found[1]
    assert +found[0][0].causes == {"producer_retry": 1, "redelivery": 1, "relay_retry": 1, "other_source": 1}
    assert (found[0][0].doubled, found[0][3].ids) == (1, 1)
