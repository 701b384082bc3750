"""Whether a definition's sources can be reached, asked of real services."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from crossfoot.bigquery import HOST as BIGQUERY_HOST
from crossfoot.definition.load import load_text
from crossfoot.dev.doctor import Check
from crossfoot.dev.reach import reach
from crossfoot.sources.pubsub_client import HOST
from tests.bigquery import Dataset

EVENT = "event: {time: {field: at, unit: iso}, id: seq, fields: {page: page}, received: %s}\n"
REST = """
crossfoot: 1
namespace: clicks
accept: {lateness: 1h}
metrics: {clicks: {by: [[]], measures: {clicks: count}, grains: [1m]}}
"""


@pytest.fixture
def name() -> str:
    return f"clicks-{uuid.uuid4().hex[:8]}"


def checks(source: str, received: str, **variables: str) -> Iterator[Check]:
    definition = load_text(f"{REST}source: {{{source}, format: json}}\n{EVENT % received}")
    return reach(definition, Path(), variables, 5)


def kafka(broker, name: str, received: str = "broker") -> tuple[str, str]:
    source = f"kafka: {{topic: {name}, bootstrap.servers: '{broker.bootstrap}'}}"
    (check,) = checks(source, received)
    return check.state, check.found


def test_a_topic_is_reached(broker, name):
    """With the number of its partitions."""
    broker.create(name, 3, message_timestamp_type="LogAppendTime")
    assert kafka(broker, name) == ("ok", "3 partitions")


def test_a_topic_that_is_not_there_is_missing(broker, name):
    """The broker answers."""
    assert kafka(broker, name) == ("missing", f"there is no such Kafka topic: {name}")


def test_a_topic_with_the_wrong_time_is_found_out(broker, name):
    """Before anything is counted."""
    broker.create(name)
    assert kafka(broker, name) == ("missing", "it has the producers' time, not the broker's append time")
    assert kafka(broker, name, "{field: got, unit: iso}") == ("ok", "1 partition")


BIGQUERY = """
source: {bigquery: {table: crossfoot-dev.DATASET.raw, position: place}, format: json}
event: {time: {field: at, unit: iso}, received: none, id: seq, fields: {page: page}}
sinks: [{bigquery: {project: crossfoot-dev, dataset: DATASET, location: US}}]
reconcile: {old: {against: {bigquery: crossfoot-dev.DATASET.hourly}, metric: clicks, grain: 1m}}
"""


def bigquery_checks(dataset: str, **variables: str) -> list[tuple[str, str, str, str]]:
    text = REST.replace("accept: {lateness: 1h}\n", "") + BIGQUERY.replace("DATASET", dataset)
    found = reach(load_text(text), Path(), variables, 5)
    return [(check.purpose, check.state, check.found, check.how) for check in found]


def test_bigquery_is_reached_and_may_be_read_and_written(bigquery):
    """A source, a sink and the other side of a comparison. Nothing is made by looking."""
    dataset, variables = Dataset.of(bigquery), {BIGQUERY_HOST: bigquery.address}
    dataset.put("raw", pa.table({"place": [0], "record": ["{}"]}))
    dataset.put("hourly", pa.table({"window": [0], "clicks": [1]}))
    there = [f"bigquery crossfoot-dev.{dataset.name}.raw can be read", "can be written, 0 of 4 tables are there"]
    there.append(f"bigquery crossfoot-dev.{dataset.name}.hourly can be read, 2 columns")
    assert [each[1:3] for each in bigquery_checks(dataset.name, **variables)] == [("ok", found) for found in there]
    assert {table.table_id for table in dataset.client.list_tables(dataset.name)} == {"raw", "hourly"}


def test_what_bigquery_lacks_is_said_with_what_to_do(bigquery):
    """Tables, a column, the dataset; then a table that is not ours."""
    dataset, variables = Dataset.of(bigquery), {BIGQUERY_HOST: bigquery.address}
    source, sink, side = bigquery_checks("nowhere", **variables)
    assert (source[1], side[1], source[3]) == ("missing", "missing", "make it, or name another")
    assert sink[1:] == ("missing", "there is no such BigQuery dataset: crossfoot-dev.nowhere",
                        "make it: bq mk --dataset crossfoot-dev:nowhere")  # fmt: skip
    dataset.put("raw", pa.table({"position": [0], "record": ["{}"]}))
    dataset.put("accounts", pa.table({"position": [0]}))
    source, sink, _ = bigquery_checks(dataset.name, **variables)
    assert source[1:3] == ("missing", f"bigquery crossfoot-dev.{dataset.name}.raw has no column place")
    assert sink[1:3] == ("missing", "the table accounts was not made by crossfoot")


def test_a_bigquery_that_does_not_answer_is_not_reached():
    """Nobody listens there."""
    variables = {BIGQUERY_HOST: "127.0.0.1:9"}
    assert {each[1] for each in bigquery_checks("d", **variables)} == {"not reached"}


def test_a_subscription_is_reached_or_missing(pubsub, name):
    """At the emulator that the variable names."""
    source = f"pubsub: {{project: local, subscription: {name}}}"
    (before,) = checks(source, "ingest", **{HOST: pubsub.address})
    pubsub.need_topic("local", name, name)
    (after,) = checks(source, "ingest", **{HOST: pubsub.address})
    assert (before.state, before.found) == ("missing", f"there is no such Pub/Sub subscription: {name}")
    assert (after.state, after.found) == ("ok", f"the emulator at {pubsub.address}")
