"""Kafka sources against a real broker."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from confluent_kafka import TopicPartition

from crossfoot.definition.load import load_text
from crossfoot.errors import DataError, ServiceError
from crossfoot.query.ledger import accounts_of
from crossfoot.seen.state import State
from crossfoot.services.live import LiveJob, LiveWatch, run_live
from crossfoot.settings import Settings
from crossfoot.sources.kafka import Topic
from crossfoot.sources.kafka_shown import ShownOffsets
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import CLICKS, click
from tests.kafka import offsets_come_to, written_offsets
from tests.services.broker import Broker

QUICK = Settings(epoch_seconds=0.05, idle_seconds=0.1)
BRIEF = replace(QUICK, connect_seconds=1)
SELDOM = replace(QUICK, idle_seconds=60)
"""Looks around once a minute."""


@pytest.fixture
def topic(broker: Broker) -> str:
    name = f"clicks-{uuid.uuid4().hex[:8]}"
    broker.create(name, 2, message_timestamp_type="LogAppendTime")
    return name


def put(broker: Broker, topic: str, *numbers: int, partition: int = 0, **settings) -> None:
    producer = broker.producer(**settings)
    for number in numbers:
        producer.produce(topic, json.dumps(click(number)).encode(), partition=partition)
    assert producer.flush(60) == 0


def run(broker: Broker, topic: str, folder: Path, times: Settings = QUICK, **options) -> dict[str, int]:
    watch = {name: options.pop(name) for name in ("stop", "state", "note") if name in options}
    settings = {"bootstrap.servers": broker.bootstrap, "log_level": "0"}
    job = LiveJob(load_text(CLICKS), folder / "store", (Topic(topic, settings, **options),), once=not watch)
    accounts = run_live(job, times, LiveWatch(**watch)).outcome.accounts
    return {name: records for name, records in accounts.items() if records}


def partitions(folder: Path) -> dict[int, dict]:
    known = EmbeddedStore(folder / "store").meta["partitions"]
    return {int(partition["name"].rpartition("/")[2]): partition for partition in known}


class Until:
    """Stops a run once so many are counted; does something at the first epoch at which so many were."""

    def __init__(self, counted: int, after: int = 0, do: Callable[[], None] = lambda: None) -> None:
        self.counted, self.after, self.do = counted, after, do
        self.now, self.done = 0, False

    def state(self, state: State) -> None:
        self.now = state.accounts["counted"]
        if self.now >= self.after and not self.done:
            self.done = True
            self.do()

    def stop(self) -> bool:
        return self.now >= self.counted

    def watch(self) -> dict:
        return {"state": self.state, "stop": self.stop}


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_is_read(broker, topic, tmp_path, codec):
    """The library brings them all."""
    put(broker, topic, *range(500), compression_type=codec)
    assert run(broker, topic, tmp_path) == {"counted": 500}


def test_markers_of_transactions_and_what_was_aborted_are_gaps(broker, topic, tmp_path):
    """Positions consumed = records + gaps; the last marker is passed over too."""
    producer = broker.producer(transactional_id=topic)
    producer.init_transactions(30)
    for number, commits in ((1, True), (2, False), (3, True)):
        producer.begin_transaction()
        producer.produce(topic, json.dumps(click(number)).encode(), partition=0)
        producer.flush(30)
        producer.commit_transaction(30) if commits else producer.abort_transaction(30)
    assert run(broker, topic, tmp_path) == {"counted": 2}
    found = partitions(tmp_path)[0]
    assert (found["records"], found["gaps"], found["next_offset"]) == (2, 4, 6)


def test_partitions_that_are_added_join(broker, topic, tmp_path):
    """They are found while it runs, and read from their beginning."""
    put(broker, topic, 1)

    def add() -> None:
        broker.grow(topic, 4)
        put(broker, topic, 2, partition=3)

    assert run(broker, topic, tmp_path, **Until(2, after=1, do=add).watch()) == {"counted": 2}
    assert set(partitions(tmp_path)) == {0, 1, 2, 3}


def test_a_topic_that_was_made_again_stops(broker, topic, tmp_path):
    """Also if its log is longer than what was counted."""
    put(broker, topic, 1, 2)
    run(broker, topic, tmp_path)
    broker.delete(topic)
    broker.create(topic, 2)
    put(broker, topic, *range(10))
    with pytest.raises(DataError, match="was deleted and made again since it was counted"):
        run(broker, topic, tmp_path)
    assert partitions(tmp_path)[0]["records"] == 2


def test_a_topic_that_is_made_again_while_it_runs_stops(broker, topic, tmp_path):
    """The topic's id is looked at again and again."""
    put(broker, topic, 1)

    def replace() -> None:
        broker.delete(topic)
        broker.create(topic, 2)

    with pytest.raises(DataError, match=r"made again|no such Kafka topic"):
        run(broker, topic, tmp_path, **Until(10, after=1, do=replace).watch())


@pytest.mark.parametrize(("now", "partitions_now"), [(3000, 2), (10, 2), (3000, 1)])
def test_nothing_is_counted_of_a_topic_that_is_made_again_and_filled(broker, topic, tmp_path, now, partitions_now):
    """However soon: its id is asked for before what was read is counted, not only now and then. With fewer records and
    with fewer partitions that is what is said, too.
    """
    for part in (0, 1):
        put(broker, topic, *range(500 * part, 500 * part + 500), partition=part)

    def refill() -> None:
        broker.delete(topic)
        broker.create(topic, partitions_now, message_timestamp_type="LogAppendTime")
        for part in range(partitions_now):
            put(broker, topic, *range(10_000 * (part + 1), 10_000 * (part + 1) + now), partition=part)

    with pytest.raises(DataError, match="was deleted and made again since it was counted"):
        run(broker, topic, tmp_path, SELDOM, **Until(1001, after=1000, do=refill).watch())
    assert {part: kept["records"] for part, kept in partitions(tmp_path).items()} == {0: 500, 1: 500}


def test_an_offset_that_is_gone_stops(broker, topic, tmp_path):
    """Never a silent reset."""
    put(broker, topic, 1)
    run(broker, topic, tmp_path)
    put(broker, topic, 2, 3, 4)
    broker.admin.delete_records([TopicPartition(topic, 0, 3)])[TopicPartition(topic, 0, 3)].result(20)
    with pytest.raises(DataError, match=f"offset 1 of kafka:{topic}/0 is gone: its log begins at 3"):
        run(broker, topic, tmp_path)


def test_append_time_is_demanded_by_name(broker, topic, tmp_path):
    """A topic with the producers' time is refused; one with append time is not."""
    put(broker, topic, 1)
    assert run(broker, topic, tmp_path, append_time=True) == {"counted": 1}
    broker.create(f"{topic}-created", 1)
    with pytest.raises(DataError, match="has the producers' time"):
        run(broker, f"{topic}-created", tmp_path / "other", append_time=True)


def test_a_missing_topic_is_named(broker, tmp_path):
    """It is not made."""
    with pytest.raises(DataError, match="there is no such Kafka topic: nowhere"):
        run(broker, "nowhere", tmp_path)


def test_the_group_shows_how_far_the_store_is(broker, topic, tmp_path):
    """For other tools; nothing of ours reads it."""
    put(broker, topic, 1, 2, 3)
    run(broker, topic, tmp_path)
    offsets_come_to({0: 3, 1: 0}, broker.bootstrap, "crossfoot-clicks", topic)


def test_a_killed_broker_loses_nothing_and_doubles_nothing(broker, topic, tmp_path):
    """The reader waits for it and goes on."""
    put(broker, topic, *range(1000))
    notes: list[str] = []

    def restart() -> None:
        broker.kill()
        broker.start()
        put(broker, topic, *range(1000, 2000), partition=1)

    assert run(broker, topic, tmp_path, note=notes.append, **Until(2000, after=1000, do=restart).watch()) == {
        "counted": 2000
    }
    assert any("it is tried again" in note for note in notes)


def test_a_broker_that_is_away_for_longer_than_is_waited_for(broker, topic, tmp_path):
    """What was asked of it meanwhile has failed, and hurts nobody once it is back."""
    put(broker, topic, *range(1000))
    back: list[Thread] = []

    def away() -> None:
        time.sleep(4 * BRIEF.connect_seconds)
        broker.start()
        put(broker, topic, *range(1000, 2000), partition=1)
        time.sleep(1)
        put(broker, topic, *range(2000, 3000), partition=1)

    def leave() -> None:
        broker.kill()
        back.append(Thread(target=away))
        back[0].start()

    assert run(broker, topic, tmp_path, BRIEF, **Until(3000, after=1000, do=leave).watch()) == {"counted": 3000}
    back[0].join()
    offsets_come_to({0: 1000, 1: 2000}, broker.bootstrap, "crossfoot-clicks", topic)


def test_offsets_that_could_not_be_written_are_written_once_they_can(broker, topic):
    """Also where nothing new has been counted since."""
    put(broker, topic, *range(10))
    settings = {"bootstrap.servers": broker.bootstrap, "group.id": topic, "enable.auto.commit": "false"}
    shown = ShownOffsets(topic, {**settings, "session.timeout.ms": "1000"})  # librdkafka gives up after as long
    broker.kill()
    shown.show({0: 10})
    time.sleep(3)
    broker.start()
    until = time.monotonic() + 60
    while not (found := written_offsets(broker.bootstrap, topic, topic)) and time.monotonic() < until:
        shown.show({0: 10})
        time.sleep(0.2)
    shown.close()
    assert found == {0: 10}


def test_a_killed_process_loses_nothing_and_doubles_nothing(broker, topic, tmp_path, project):
    """Killed after its first, second, … epoch with records, six times; then to the end."""
    put(broker, topic, *range(20_000))
    put(broker, topic, *range(10_000, 30_000), partition=1)
    command = [sys.executable, "-m", "tests.services.live_process", broker.bootstrap, topic, str(tmp_path / "store")]
    for epochs in range(1, 7):
        with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) as process:
            told = (int(line) for line in process.stdout or ())
            for _ in zip(range(epochs), (records for records in told if records), strict=False):
                pass
            process.kill()
    run(broker, topic, tmp_path)
    accounts = accounts_of(EmbeddedStore(tmp_path / "store"))
    assert (accounts.totals["counted"], accounts.totals["duplicate"]) == (30_000, 10_000)
    assert (accounts.records, accounts.unaccounted) == (40_000, 0)


def test_a_wrong_address_is_a_service_that_cannot_be_reached(tmp_path):
    """The wait is bounded."""
    job = LiveJob(load_text(CLICKS), tmp_path / "store", (Topic("clicks", {"bootstrap.servers": "127.0.0.1:1"}),))
    with pytest.raises(ServiceError, match="no Kafka broker answers within"):
        run_live(job, Settings(connect_seconds=0.3), LiveWatch())
