"""The emulators of the local stack, as a client sees them."""

import uuid

import pytest
from google.cloud import pubsub_v1

from crossfoot.dev.processes import Processes, Program
from crossfoot.dev.pubsub import NAME, PubSub
from crossfoot.errors import ServiceError
from crossfoot.sources.pubsub_client import HOST


def test_what_is_published_is_pulled(pubsub, monkeypatch):
    """Through the official client, by a streaming pull."""
    monkeypatch.setenv(HOST, pubsub.address)
    topic = f"topic-{uuid.uuid4().hex[:8]}"
    pubsub.need_topic("local", topic, topic)
    with pubsub_v1.SubscriberClient() as subscriber:
        taken: list[bytes] = []

        def take(message) -> None:
            taken.append(message.data)
            message.ack()
            if len(taken) == 3:
                pull.cancel()

        pull = subscriber.subscribe(f"projects/local/subscriptions/{topic}", callback=take)
        publisher = pubsub_v1.PublisherClient()
        sent = [publisher.publish(f"projects/local/topics/{topic}", data) for data in (b"a", b"b", b"c")]
        assert all(future.result(30) for future in sent)
        pull.result(60)
    assert sorted(taken) == [b"a", b"b", b"c"]


def test_a_topic_that_is_there_is_left_alone(pubsub):
    """Making it again is no error."""
    pubsub.need_topic("local", "again", "again")
    pubsub.need_topic("local", "again", "again")


def test_the_bigtable_emulator_answers(bigtable):
    """It speaks gRPC at its address."""
    assert bigtable.answers()


def test_an_emulator_whose_port_is_taken_says_so(pubsub, tmp_path):
    """Its end is noticed, and its log is named; what answers there instead is another process."""
    processes = Processes(tmp_path)
    second = processes.start(Program(NAME, (str(pubsub.folder / "emulator"), "-address", pubsub.address)))
    with pytest.raises(ServiceError, match=r"pubsub has ended: .*") as caught:
        processes.wait_until(second, lambda: False, 30)
    assert "address already in use" in processes.log(NAME).read_text()
    assert str(processes.log(NAME)) in caught.value.hint


def test_nobody_answers_where_nothing_runs(tmp_path):
    """Asking costs a second at most."""
    assert not PubSub(tmp_path, 1).answers()
