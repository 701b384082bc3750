"""Subscriptions as sources, against a Pub/Sub emulator; and the whole way from a topic to there."""

import json
from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.errors import DataError, ServiceError
from crossfoot.query.ledger import accounts_of
from crossfoot.services.relay.job import job_of, relay
from crossfoot.services.relay.state import RelayWatch
from crossfoot.sources.pubsub_client import HOST
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import CLICKS, click
from tests.real.data import edits
from tests.services.edits import EDITS, tables, tables_of
from tests.services.pulling import count, count_and_kill
from tests.services.relaying import PROJECT, QUICK, Place
from tests.services.way import Way


@pytest.fixture
def place(pubsub) -> Place:
    return Place(pubsub.address)


def ingested(place: Place) -> str:
    """Clicks as JSON, stamped where they are appended."""
    source = f"{{pubsub: {{project: {PROJECT}, subscription: {place.name}}}, format: json}}"
    text = CLICKS.replace("{files: clicks.jsonl, format: json}", source)
    return text.replace("received: none", "received: ingest") + "accept: {lateness: 10000d}\n"


def test_messages_are_counted_with_the_stamp_of_our_log(place, tmp_path):
    """What cannot be decoded has an account too."""
    place.publish(*(json.dumps(click(number)).encode() for number in range(5)), b"nonsense")
    found = count(ingested(place), tmp_path / "store", place.address, until=5)
    assert found.pop("malformed", 1) == 1
    assert found == {"counted": 5}


def test_what_is_counted_is_acknowledged(place, tmp_path):
    """A later run gets nothing of it again."""
    place.publish(*(json.dumps(click(number)).encode() for number in range(5)))
    count(ingested(place), tmp_path / "store", place.address, until=5)
    assert list(place.arrived()) == []


def test_a_storm_of_redeliveries_counts_nothing_twice(place, tmp_path):
    """Each message is delivered, not acknowledged in time, and delivered again; copies are published beside."""
    records = [json.dumps(click(number)).encode() for number in range(200)]
    place.publish(*records)
    for _ in range(3):
        place.refuse()
    place.publish(*records[:100])
    place.publish(json.dumps(click(999)).encode())
    found = count(ingested(place), tmp_path / "store", place.address, until=201)
    assert found["counted"] == 201
    assert set(found) <= {"counted", "duplicate"}


def test_a_subscription_that_delivers_exactly_once_is_read_too(pubsub, tmp_path):
    """It is accepted, not needed."""
    place = Place(pubsub.address, enable_exactly_once_delivery=True)
    place.publish(*(json.dumps(click(number)).encode() for number in range(20)))
    assert count(ingested(place), tmp_path / "store", place.address, until=20) == {"counted": 20}


def test_a_killed_run_loses_nothing_and_doubles_nothing(place, tmp_path, project):
    """Killed after its first, third epoch with records; then to the end."""
    records = [json.dumps(click(number)).encode() for number in range(1_000)]
    place.publish(*records)
    definition = tmp_path / "pull.yaml"
    definition.write_text(ingested(place))
    kill_runs(definition, tmp_path / "store", project, place.address, 1_000)
    place.publish(*records[:100])
    place.publish(json.dumps(click(9_999)).encode())
    count(ingested(place), tmp_path / "store", place.address, until=1_001 - counted(tmp_path / "store"))
    accounts = accounts_of(EmbeddedStore(tmp_path / "store"))
    assert (accounts.totals["counted"], accounts.unaccounted) == (1_001, 0)
    assert {name for name, records in accounts.totals.items() if records} <= {"counted", "duplicate"}


def kill_runs(definition: Path, store: Path, project: Path, address: str, events: int) -> None:
    """Two runs, killed after their first and third epoch with records; one alone where it has counted all events."""
    command = ["tests.services.pull_process", str(definition), str(store)]
    count_and_kill(command, project, address, 1)
    if counted(store) < events:
        count_and_kill(command, project, address, 3)


def counted(store: Path) -> int:
    """What a store has counted."""
    return accounts_of(EmbeddedStore(store)).totals["counted"]


def test_a_missing_subscription_is_named(place, tmp_path):
    """Before anything is counted."""
    text = ingested(place).replace(place.name, "nowhere")
    with pytest.raises(DataError, match=r"there is no such Pub/Sub subscription: projects/.*/nowhere"):
        count(text, tmp_path / "store", place.address)


def test_a_service_that_is_not_there_is_named(place, tmp_path):
    """With the next step."""
    with pytest.raises(ServiceError, match="Pub/Sub does not answer for the subscription") as raised:
        count(ingested(place), tmp_path / "store", "127.0.0.1:1")
    assert HOST in raised.value.hint


@pytest.mark.parametrize(("blocks", "most"), [(False, 1_000), (True, None)])
def test_edits_of_wikipedia_come_through_the_whole_way(broker, pubsub, tmp_path, project, blocks, most):
    """Kafka, preprocess, Kafka, relay, Pub/Sub, run, both of the last killed: the same cells as counted directly."""
    lines = edits()[:most]
    way = Way(broker, pubsub.address, EDITS, blocks)
    way.stage.put(*lines[::2])
    way.stage.put(*lines[1::2], *lines[: len(lines) // 10], partition=1)
    way.stage.prepare()
    definition, store = tmp_path / "way.yaml", tmp_path / "live"

    definition.write_text(way.relay)
    count_and_kill(["tests.services.relay_process", str(definition)], project, pubsub.address, 1)
    found = relay(job_of(load_text(way.relay), way.hop.environment, once=True), QUICK, RelayWatch())
    assert (found.totals.refused, found.totals.unaccounted) == (0, 0)

    definition.write_text(way.pull)
    kill_runs(definition, store, project, pubsub.address, len(set(lines)))
    count(way.pull, store, pubsub.address, until=len(set(lines)) - counted(tmp_path / "live"))

    assert tables(store, way.pull) == tables_of(lines, way.stage.name, tmp_path)
