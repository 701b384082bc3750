"""Relay against a real broker and a Pub/Sub emulator."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from crossfoot.errors import DataError, DefinitionError, ServiceError
from crossfoot.services.group.state import Totals
from crossfoot.services.relay.job import RelayJob, job_of, relay
from crossfoot.services.relay.state import RelayState, RelayWatch
from crossfoot.sources.pubsub_client import HOST
from tests.services.broker import Broker
from tests.services.relaying import QUICK, Hop


@pytest.fixture
def hop(broker: Broker, pubsub) -> Hop:
    return Hop(broker, pubsub.address)


class Until:
    """Stops a relay once so many are done; does something at the first commit."""

    def __init__(self, done: int, do=lambda: None) -> None:
        self.wanted, self.do, self.states = done, do, []

    def state(self, state: RelayState) -> None:
        self.states.append(state)
        if len(self.states) == 1:
            self.do()

    def stop(self) -> bool:
        return bool(self.states) and sum(lane.ledger.totals.records for lane in self.states[-1].lanes) >= self.wanted

    def watch(self) -> dict:
        return {"state": self.state, "stop": self.stop}


def test_each_message_is_published_or_a_dead_letter(hop):
    """Its data unchanged; the ledger balances for each partition."""
    hop.put([hop.single(1), b"nonsense", hop.single(2), hop.single(3, definition="f" * 32)])
    hop.put([hop.single(4)], partition=1)
    found = hop.relay()
    assert found.totals == Totals(records=5, out=3, malformed=1, invalid=1)
    assert [(line.state.next, line.lag) for line in found.partitions] == [(4, 0), (1, 0)]
    arrived = {message.attributes["id"]: message for message in hop.arrived()}
    assert sorted(message.data for message in arrived.values()) == sorted(hop.single(number) for number in (1, 2, 4))
    assert [(value, said["reason"], said["offset"]) for value, said in hop.dead()] == [
        (b"nonsense", "form", "1"),
        (hop.single(3, definition="f" * 32), "definition", "3"),
    ]


def test_a_later_run_goes_on_where_the_group_was_committed(hop):
    """The ledger goes on too."""
    hop.put([hop.single(1)])
    hop.relay()
    hop.put([hop.single(2)])
    assert hop.relay().totals.out == 2
    assert len(list(hop.arrived())) == 2


def test_compressed_requests_arrive_unchanged(hop):
    hop.put([hop.single(1)])
    relay(hop.job(once=True), replace(QUICK, pubsub_gzip=True), RelayWatch())
    assert [message.data for message in hop.arrived()] == [hop.single(1)]


def test_what_pubsub_never_takes_is_a_dead_letter(broker, pubsub):
    """A message over 10 MB; those behind it are published."""
    hop = Hop(broker, pubsub.address, max_message_bytes="12000000")
    hop.producer = broker.producer(message_max_bytes=12_000_000)
    large = hop.single(1, data={"page": "x" * 10_100_000})
    hop.put([large, hop.single(2)])
    found = hop.relay()
    assert found.totals == Totals(records=2, out=1, malformed=1)
    assert [(value == large, said["reason"]) for value, said in hop.dead()] == [(True, "size")]


def test_a_killed_relay_loses_nothing(hop, project, tmp_path):
    """Killed after its first, second, … commit, three times; then to the end. What came twice has the same id."""
    hop.put(hop.single(number) for number in range(5_000))
    hop.put((hop.single(number) for number in range(5_000, 10_000)), partition=1)
    definition = tmp_path / "relay.yaml"
    definition.write_text(hop.text)
    command = [sys.executable, "-m", "tests.services.relay_process", str(definition)]
    for commits in range(1, 4):
        environment = {**os.environ, **hop.environment}
        with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True, env=environment) as process:
            told = (int(line) for line in process.stdout or ())
            for _ in zip(range(commits), (done for done in told if done), strict=False):
                pass
            process.kill()
    found = hop.relay()
    assert found.totals == Totals(records=10_000, out=10_000)
    ids = Counter(message.attributes["id"] for message in hop.arrived())
    assert len(ids) == 10_000


def test_a_hold_loses_nothing_and_starves_nobody(broker, lone_pubsub):
    """Pub/Sub is away; what came meanwhile goes out when it is back, a fresh partition's among it."""
    emulator, restart = lone_pubsub
    hop = Hop(broker, emulator.address)
    hop.put([hop.single(0)])
    notes: list[str] = []
    until = Until(10_002)

    def state(state: RelayState) -> None:
        until.state(state)
        if len(until.states) == 1:
            restart.down()
            hop.put(hop.single(number) for number in range(1, 10_001))
        elif state.holding and not restart.is_up:
            restart.up()
            hop.make()
            hop.put([hop.single(20_000)], partition=1)

    found = hop.relay(once=False, note=notes.append, state=state, stop=until.stop)
    assert (found.totals.out, found.totals.unaccounted) == (10_002, 0)
    arrived = {message.attributes["id"] for message in hop.arrived()}
    assert len(arrived) >= 10_001
    assert [note.partition(":")[0] for note in notes if note.startswith("Pub/Sub")] == [
        "Pub/Sub does not take messages",
        "Pub/Sub takes messages again",
    ]
    holding = [lane for state in until.states if state.holding for lane in state.lanes]
    assert any(lane.oldest_seconds for lane in holding)


def test_two_relays_share_a_topic(hop, project, tmp_path):
    """A second one joins; what the first gives up is committed before, so nothing comes twice."""
    hop.put(hop.single(number) for number in range(1_000))
    definition = tmp_path / "relay.yaml"
    definition.write_text(hop.text)
    command = [sys.executable, "-m", "tests.services.relay_process", str(definition)]
    environment = {**os.environ, **hop.environment}
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert any(int(line) == 1_000 for line in process.stdout)
        hop.put((hop.single(number) for number in range(1_000, 2_000)), partition=1)
        found = hop.relay()
        process.kill()
    assert found.totals == Totals(records=2_000, out=2_000)
    assert len(list(hop.arrived())) == 2_000


def test_term_ends_it_in_order(hop, tmp_path):
    """Everything that was published is committed; the summary says so."""
    hop.put(hop.single(number) for number in range(100))
    definition = tmp_path / "relay.yaml"
    definition.write_text(hop.text)
    command = [sys.executable, "-m", "crossfoot", "relay", str(definition), "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **hop.environment}) as process:
        arrived: list[object] = []
        while len(arrived) < 100:
            arrived += hop.arrived()
        process.send_signal(signal.SIGTERM)
        said = json.loads(process.communicate(timeout=10)[0])
    assert process.returncode == 0
    assert (said["records"], said["out"], said["unaccounted"], said["lag"]) == (100, 100, 0, 0)


def test_a_missing_topic_is_named(hop):
    """Before anything is read."""
    wrong = job_of(
        replace(hop.definition, relay=replace(hop.definition.relay, to=replace(hop.definition.relay.to, topic="none"))),
        hop.environment,
        once=True,
    )
    with pytest.raises(DataError, match="there is no such Pub/Sub topic: projects/crossfoot-test/topics/none"):
        relay(wrong, QUICK, RelayWatch())


def test_a_service_that_is_not_there_is_named(hop):
    """With the next step."""
    job = RelayJob(hop.definition, hop.job().topic, {HOST: "127.0.0.1:1"}, once=True)
    with pytest.raises(ServiceError, match="Pub/Sub does not answer for the topic") as raised:
        relay(job, QUICK, RelayWatch())
    assert HOST in raised.value.hint


def test_a_relay_needs_a_place_for_dead_letters(hop):
    """It is asked for before it is needed."""
    lacking = replace(hop.definition, relay=replace(hop.definition.relay, dead_letter=None))
    with pytest.raises(DefinitionError, match="no Kafka topic is named for messages that can never be published"):
        job_of(lacking, {}, once=True)


def test_an_offset_that_another_tool_has_set_begins_a_new_ledger(hop):
    """It is noted."""
    from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

    hop.put(hop.single(number) for number in range(10))
    place = ConsumerGroupTopicPartitions(hop.job().group, [TopicPartition(hop.name, 0, 7)])
    hop.broker.admin.alter_consumer_group_offsets([place])[hop.job().group].result(20)
    notes: list[str] = []
    assert hop.relay(note=notes.append).totals.out == 3
    assert any("was set by another tool" in note for note in notes)


def test_term_in_a_hold_ends_it_soon(broker, lone_pubsub, tmp_path):
    """Pub/Sub is away: under ten seconds, and what was not taken goes out when it is run again."""
    emulator, restart = lone_pubsub
    hop = Hop(broker, emulator.address)
    hop.put(hop.single(number) for number in range(100))
    (tmp_path / "relay.yaml").write_text(hop.text)
    command = [sys.executable, "-m", "crossfoot", "relay", str(tmp_path / "relay.yaml")]
    environment = {**os.environ, **hop.environment}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        arrived: list[object] = []
        while len(arrived) < 100:
            arrived += hop.arrived()
        restart.down()
        hop.put(hop.single(number) for number in range(100, 5_000))
        assert any("Pub/Sub does not take messages" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=10)[1]
    assert process.returncode == 0
    assert "stopped before everything was answered for: the next run publishes it" in said
    restart.up()
    hop.make()
    assert hop.relay().totals.unaccounted == 0
    ids = {message.attributes["id"] for message in hop.arrived()}
    assert ids >= {json.loads(hop.single(number))["id"] for number in range(100, 5_000)}
