"""Connections that are open and dead: a service goes on by itself after its client's timeouts."""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from crossfoot.definition.load import load_text
from crossfoot.services.live import LiveJob, LiveWatch, run_live
from crossfoot.sources import pubsub_client
from crossfoot.sources.files import Place as Folder
from crossfoot.sources.kafka import Topic
from crossfoot.sources.openers import openers_of
from crossfoot.sources.pubsub_client import HOST
from tests.counting import CLICKS, click
from tests.services.preparing import QUICK, Stage
from tests.services.proxy import Proxy
from tests.services.relaying import Hop, Place
from tests.services.test_kafka import Until, put, topic  # noqa: F401
from tests.services.test_pubsub import ingested
from tests.services.test_relay import Until as Published

# As short as librdkafka allows: longer than a fetch may wait.
TIMEOUTS = {"socket.timeout.ms": "1600", "log_level": "0"}


def proxy_to(address: str) -> Iterator[Proxy]:
    proxy = Proxy(int(address.rpartition(":")[2]))
    yield proxy
    proxy.close()


@pytest.fixture
def kafka(broker) -> Iterator[Proxy]:
    yield from proxy_to(broker.bootstrap)


@pytest.fixture
def cloud(pubsub, monkeypatch) -> Iterator[Proxy]:
    """Pub/Sub through a proxy, with a client that asks every second whether the other side is there."""
    quick = {"grpc.keepalive_time_ms": 1_000, "grpc.keepalive_timeout_ms": 1_000}
    kept = [option for option in pubsub_client._OPTIONS if option[0] not in quick]
    monkeypatch.setattr(pubsub_client, "_OPTIONS", (*kept, *quick.items()))
    yield from proxy_to(pubsub.address)


def test_counting_goes_on(broker, kafka, topic, tmp_path):  # noqa: F811
    """What comes while nothing passes is counted, once."""
    put(broker, topic, *range(100))
    frozen: list[int] = []

    def freeze() -> None:
        frozen.append(kafka.freeze())
        put(broker, topic, *range(50, 150), partition=1)

    until = Until(150, after=100, do=freeze)
    opener = Topic(topic, {"bootstrap.servers": kafka.address, **TIMEOUTS})
    job = LiveJob(load_text(CLICKS), tmp_path / "store", (opener,))
    accounts = run_live(job, QUICK, LiveWatch(**until.watch())).outcome.accounts
    assert frozen[0] > 0
    assert (accounts["counted"], accounts["duplicate"], sum(accounts.values())) == (150, 50, 200)


def test_preparing_goes_on(broker, kafka):
    """Both of its sides are dead for a while; each record is an event, once more at most under the same id."""
    stage = Stage(broker)
    timeouts = ", ".join(f"{name}: {value}" for name, value in TIMEOUTS.items() if name != "log_level")
    stage.text = stage.text.replace(broker.bootstrap, kafka.address).replace(
        "log_level: 0", f"log_level: 0, {timeouts}"
    )
    stage.put(*(click(number) for number in range(100)))
    frozen: list[int] = []

    def stop() -> bool:
        records = stage.status().totals.records
        if records == 100 and not frozen:
            frozen.append(kafka.freeze())
            stage.put(*(click(number) for number in range(100, 200)), partition=1)
        return records == 200

    found = stage.prepare(once=False, stop=stop)
    assert frozen[0] > 0
    assert (found.totals.records, found.totals.unaccounted) == (200, 0)
    assert len({event["id"] for event in stage.prepared()}) == 200


def test_publishing_goes_on(broker, pubsub, cloud):
    """The connection to Pub/Sub dies; what was not answered is published again, under its id."""
    hop = Hop(broker, pubsub.address)
    hop.address = cloud.address
    hop.put(hop.single(number) for number in range(100))
    frozen: list[int] = []
    until = Published(200)

    def state(state) -> None:
        until.state(state)
        if sum(lane.ledger.totals.out for lane in state.lanes) == 100 and not frozen:
            frozen.append(cloud.freeze())
            hop.put(hop.single(number) for number in range(100, 200))

    found = hop.relay(once=False, state=state, stop=until.stop)
    assert frozen[0] > 0
    assert (found.totals.out, found.totals.unaccounted) == (200, 0)
    assert len(Counter(message.attributes["id"] for message in hop.arrived())) == 200


def test_pulling_goes_on(pubsub, cloud, tmp_path):
    """The streams of a subscription die; what was delivered into them is delivered again."""
    place = Place(pubsub.address, ack_deadline_seconds=10)
    place.publish(*(json.dumps(click(number)).encode() for number in range(50)))
    frozen: list[int] = []

    def freeze() -> None:
        frozen.append(cloud.freeze(server_gone=True))
        place.publish(*(json.dumps(click(number)).encode() for number in range(50, 100)))

    until = Until(100, after=50, do=freeze)
    definition = load_text(ingested(place))
    sources = openers_of(definition, Folder(tmp_path, tmp_path), {HOST: cloud.address})
    found = run_live(LiveJob(definition, tmp_path / "store", sources), QUICK, LiveWatch(**until.watch()))
    assert frozen[0] > 0
    assert found.totals["counted"] == 100
    assert {name for name, records in found.totals.items() if records} <= {"counted", "duplicate"}
