"""A Kafka topic of cells, and a service that is looked at, against a real broker."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from crossfoot.errors import DataError, DefinitionError, ServiceError
from crossfoot.seen.socket import NAME, ask
from crossfoot.seen.state import State
from crossfoot.sinks.cell_feed import CellFeed
from crossfoot.sinks.cells import changed
from crossfoot.sinks.kafka import KafkaTarget
from crossfoot.sinks.target import GivenUpError
from crossfoot.stores.embedded import EmbeddedStore
from tests.backfilling import ARCHIVED, build
from tests.counting import CLICKS, click, count, count_records, lines
from tests.services.broker import Broker
from tests.unit.sinks.folding import fold, queried

QUICK = {"CROSSFOOT_EPOCH_SECONDS": "0.05", "CROSSFOOT_SINK_SECONDS": "0.05", "CROSSFOOT_IDLE_SECONDS": "0.1"}


@pytest.fixture
def cells(broker: Broker) -> str:
    name = f"cells-{uuid.uuid4().hex[:8]}"
    broker.create(name, 2, cleanup_policy="compact")
    return name


@pytest.fixture
def topic(broker: Broker) -> str:
    name = f"clicks-{uuid.uuid4().hex[:8]}"
    broker.create(name, 2)
    return name


def with_sink(broker: Broker, cells: str) -> str:
    sink = f"sinks: [{{kafka: {{topic: {cells}, bootstrap.servers: '{broker.bootstrap}', message.timeout.ms: 2000}}}}]"
    return CLICKS.replace("metrics:", f"{sink}\nmetrics:", 1)


def definition(broker: Broker, topic: str, cells: str, folder: Path) -> Path:
    source = f"{{kafka: {{topic: {topic}, bootstrap.servers: '{broker.bootstrap}'}}, format: json}}"
    text = with_sink(broker, cells).replace("{files: clicks.jsonl, format: json}", source)
    text = text.replace("received: none", "received: {field: got, unit: iso}") + "accept: {lateness: 9000d}\n"
    path = folder / "clicks.yaml"
    path.write_text(text)
    return path


def put(broker: Broker, topic: str, numbers: range) -> None:
    producer = broker.producer()
    for n in numbers:
        record = click(n, f"2015-09-12T1{n % 5}:00:00Z", page=f"p{n % 200}", got="2015-09-12T15:00:00Z")
        producer.produce(topic, json.dumps(record).encode(), partition=n % 2)
    assert producer.flush(60) == 0


def sent(broker: Broker, cells: str) -> list[tuple[bytes, bytes | None]]:
    """Everything that the topic of cells has, partition by partition."""
    return [(message.key(), message.value()) for message in _messages(broker, cells)]


def headers(broker: Broker, cells: str) -> set[tuple[tuple[str, bytes], ...]]:
    """Those of messages without a value."""
    return {tuple(message.headers()) for message in _messages(broker, cells) if message.value() is None}


def _messages(broker: Broker, cells: str) -> list[Message]:
    settings = {"bootstrap.servers": broker.bootstrap, "group.id": "reader", "enable.partition.eof": True}
    consumer = Consumer({**settings, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.assign([TopicPartition(cells, partition, 0) for partition in range(2)])
    found, ends = [], set()
    while len(ends) < 2:
        for message in consumer.consume(10_000, 1.0):
            if message.error() is None:
                found.append(message)
            else:
                ends.add(message.partition())
    consumer.close()
    return found


@contextmanager
def down(broker: Broker) -> Iterator[None]:
    """The broker is away."""
    broker.kill()
    try:
        yield
    finally:
        broker.start()


@contextmanager
def running(path: Path, *options: str) -> Iterator[subprocess.Popen]:
    """`crossfoot run` beside the test; its log is in a file."""
    command = [sys.executable, "-m", "crossfoot", "run", str(path), *options]
    with (path.parent / "log").open("a") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=os.environ | QUICK | {"CROSSFOOT_LOG": "json"}
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def until(path: Path, holds: Callable[[State], bool]) -> State:
    """The first state of the running service for which something holds."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            state = ask(path.parent / ".crossfoot" / NAME)
        except ServiceError:
            continue
        if holds(state):
            return state
    raise AssertionError((path.parent / "log").read_text()[-2000:])


def is_even(state: State, records: int) -> bool:
    """Everything is counted and in the sink."""
    return state.records >= records and all(sink.behind == 0 for sink in state.sinks)


def events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (path.parent / "log").read_text().splitlines()]


def test_a_topic_of_cells_is_what_the_store_says(broker, topic, cells, tmp_path):
    """While it runs, and after what comes later."""
    path = definition(broker, topic, cells, tmp_path)
    put(broker, topic, range(2000))
    with running(path) as process:
        until(path, lambda state: is_even(state, 2000))
        put(broker, topic, range(1000, 3000))
        until(path, lambda state: is_even(state, 4000))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    found = sent(broker, cells)
    assert fold(found) == queried(tmp_path / ".crossfoot")
    assert len(found) > len(fold(found))
    assert (events(path)[0], events(path)[-1]) == ("started", "stop")


def test_a_run_that_is_killed_loses_and_doubles_nothing_in_its_sink(broker, topic, cells, tmp_path):
    """Six times while cells are on their way; then to the end."""
    path = definition(broker, topic, cells, tmp_path)
    for kill in range(6):
        put(broker, topic, range(kill * 2000, kill * 2000 + 3000))
        with running(path) as process:
            until(path, lambda state: state.sinks[0].cells > 0 or state.sinks[0].behind == 0 < state.records)
            process.kill()
    with running(path, "--once") as process:
        assert process.wait(60) == 0
    assert fold(sent(broker, cells)) == queried(tmp_path / ".crossfoot")


def test_a_broker_that_is_killed_delays_the_sink_only(broker, topic, cells, tmp_path):
    """It is tried again; what was down gets the newest values."""
    path = definition(broker, topic, cells, tmp_path)
    put(broker, topic, range(500))
    with running(path) as process:
        until(path, lambda state: is_even(state, 500))
        with down(broker):
            until(path, lambda state: state.retrying != ())
        put(broker, topic, range(500, 3000))
        until(path, lambda state: is_even(state, 3000))
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    assert fold(sent(broker, cells)) == queried(tmp_path / ".crossfoot")


def test_counting_goes_on_while_a_sink_is_down(broker, cells, tmp_path):
    """Several runs without it; the one that finds it again brings the newest values only."""
    text, written = with_sink(broker, cells), b""
    with down(broker):
        for n in range(2):
            written += lines([click(n, page="a")])
            (tmp_path / "clicks.jsonl").write_bytes(written)
            summary = count(tmp_path, text)
            assert summary.totals == {"counted": n + 1}
            assert "has the cells of epoch 0 only (no Kafka broker answers" in summary.hints[0]
    count(tmp_path, text)
    found = sent(broker, cells)
    assert fold(found) == queried(tmp_path / "store")
    assert len(found) == len(fold(found))


def test_a_topic_that_was_made_again_gets_everything(broker, cells, tmp_path):
    """Its id is another one."""
    text = with_sink(broker, cells)
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1)]))
    count(tmp_path, text)
    broker.delete(cells)
    broker.create(cells, 2)
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1), click(2, page="b")]))
    count(tmp_path, text)
    assert fold(sent(broker, cells)) == queried(tmp_path / "store")


def test_a_missing_topic_is_named_and_never_made(broker, tmp_path):
    """Counting goes on."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1)]))
    summary = count(tmp_path, with_sink(broker, "nowhere"))
    assert "there is no such Kafka topic: nowhere" in summary.hints[0]
    with pytest.raises(DataError, match="no such Kafka topic"):
        KafkaTarget("kafka:nowhere", "nowhere", {"bootstrap.servers": broker.bootstrap}, 1, 5).identity()


def test_a_setting_that_librdkafka_does_not_know_is_refused(broker, cells, tmp_path):
    """Before anything is counted."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1)]))
    with pytest.raises(DefinitionError, match=r"no\.such\.setting"):
        count(tmp_path, with_sink(broker, cells).replace("message.timeout.ms: 2000", "no.such.setting: 1"))
    assert EmbeddedStore(tmp_path / "store").meta["epoch"] == 0


def test_a_run_is_seen(broker, topic, cells, tmp_path):
    """By `watch`, by Prometheus, in its log."""
    path = definition(broker, topic, cells, tmp_path)
    put(broker, topic, range(1000))
    with running(path, "--metrics-port", "0") as process:
        state = until(path, lambda state: is_even(state, 1000))
        watch = [sys.executable, "-m", "crossfoot", "watch", "--once", "--format", "json"]
        told = json.loads(subprocess.run(watch, cwd=tmp_path, capture_output=True, check=True).stdout)
        with urllib.request.urlopen(state.metrics) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    samples = list(itertools.chain.from_iterable(family.samples for family in families))
    lags = {sample.labels["partition"] for sample in samples if sample.name == "crossfoot_lag_records"}
    assert lags == {f"kafka:{topic}/0", f"kafka:{topic}/1"}
    assert told["accounts"]["counted"] == 1000
    assert {"started", "joined", "stop"} <= set(events(path))
    assert not (tmp_path / ".crossfoot" / NAME).exists()


def test_cells_of_a_superseded_generation_are_deleted(broker, cells, tmp_path):
    """Cut off while they are on their way, then to the end: a message without a value has its epoch in a header."""
    records = [click(n, page=f"p{n % 200}", ms=n % 7, got="2015-09-12T10:00:01Z") for n in range(2000)]
    store = count_records(tmp_path, records, ARCHIVED)
    settings = {"bootstrap.servers": broker.bootstrap}

    def catch_up(given_up: Callable[[], bool]) -> int:
        return CellFeed(store, KafkaTarget("cells", cells, settings, 0.0, 10), changed).catch_up(given_up)

    catch_up(lambda: False)
    before = fold(sent(broker, cells))
    epoch = build(tmp_path, ARCHIVED.replace("  clicks:\n", "  clicks:\n    where: page > 'p15' and ms < 3\n")).epoch
    with pytest.raises(GivenUpError):
        catch_up(lambda: True)
    catch_up(lambda: False)
    found = sent(broker, cells)
    assert fold(found) == queried(store)
    removed = {key for key, value in found if value is None}
    assert removed == before.keys() - queried(store).keys() != set()
    assert headers(broker, cells) == {(("epoch", f"{epoch}".encode()),)}
