"""Whether a definition's sources can be reached, asked of real services."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.dev.doctor import Check
from crossfoot.dev.reach import reach
from crossfoot.sources.pubsub_client import HOST

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


def test_a_subscription_is_reached_or_missing(pubsub, name):
    """At the emulator that the variable names."""
    source = f"pubsub: {{project: local, subscription: {name}}}"
    (before,) = checks(source, "ingest", **{HOST: pubsub.address})
    pubsub.need_topic("local", name, name)
    (after,) = checks(source, "ingest", **{HOST: pubsub.address})
    assert (before.state, before.found) == ("missing", f"there is no such Pub/Sub subscription: {name}")
    assert (after.state, after.found) == ("ok", f"the emulator at {pubsub.address}")
