"""A Kafka topic as a source: where it goes on, and what stops it."""

import json
import time
from array import array
from dataclasses import replace
from types import SimpleNamespace

import pytest

from crossfoot.clock import Clock, SystemClock
from crossfoot.errors import DataError, DefinitionError, ServiceError
from crossfoot.sources import kafka
from crossfoot.sources.kafka import KafkaInput, Topic
from crossfoot.sources.kafka_admin import ClusterAdmin, NotNowError, TopicState, failure_of
from crossfoot.sources.live import Moved
from crossfoot.testing.clocks import ManualClock
from tests.kafka import SILENT, MockCluster, SaidAdmin, SaidReader, offsets_come_to, write_offsets, written_offsets

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", **SILENT}


def source(
    admin: SaidAdmin | None = None, append_time: bool = False, clock: Clock | None = None, **settings: str
) -> KafkaInput:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    topic = Topic("clicks", {**NOWHERE, **named}, append_time=append_time)
    return KafkaInput(topic, admin or SaidAdmin(), "g", 1 << 20, clock or SystemClock())


def kept(next_offset: int | None = None, topic_id: str = "id-1") -> dict:
    return {"identity": f"kafka:{topic_id}:0", "next_offset": next_offset}


def handed(*, next_: int = 0, records: int = 0, end: int | None = None) -> dict:
    return {"0": {"records": records, "next": next_, "stamp_us": 5_000_000 if records else None, "end": end}}


def failure(name: str, partition: int | None = 0) -> dict:
    return {"partition": partition, "code": -1, "name": name, "text": "said so"}


class Fed:
    """What an engine was given: offsets of records, and positions that were passed over."""

    def __init__(self) -> None:
        self.records: dict[str, list[int]] = {}
        self.skipped: dict[str, int] = {}

    def feed_block(self, partition, _data, columns, _now_us) -> None:
        self.records.setdefault(partition, []).extend(array("Q", columns[1]))

    def skip_to(self, partition, offset) -> None:
        self.skipped[partition] = offset


def fed(opened: KafkaInput) -> tuple[Fed, Moved]:
    """What one turn gives."""
    engine = Fed()
    return engine, opened.feed(engine, 1 << 20, 0.0, 0)


def reading(admin: SaidAdmin, clock: Clock | None = None) -> tuple[KafkaInput, SaidReader]:
    """A source whose reader says what a test wants."""
    opened, reader = source(admin, clock=clock), SaidReader()
    opened.open({})
    opened.reader.close()
    opened.reader = reader
    return opened, reader


@pytest.mark.parametrize("name", ["auto.offset.reset", "enable.auto.commit"])
def test_settings_that_decide_about_positions_are_refused(name):
    """Positions are the store's."""
    with pytest.raises(DefinitionError, match=f"the Kafka setting {name} decides about positions"):
        KafkaInput(Topic("clicks", {**NOWHERE, name: "earliest"}), SaidAdmin(), "g", 1, SystemClock())


def test_a_setting_that_librdkafka_does_not_know_is_named():
    """Settings are passed on by their own names."""
    with pytest.raises(DefinitionError, match='No such configuration property: "nonsense"'):
        source(nonsense="1")


@pytest.mark.parametrize(("said", "used"), [({}, "10"), ({"fetch.queue.backoff.ms": "500"}, "500")])
def test_a_reader_looks_for_more_soon_unless_it_is_told_otherwise(monkeypatch, said, used):
    """librdkafka itself waits a second, in which a fast reader stands still."""
    opened: list[str] = []
    monkeypatch.setattr(kafka._core, "KafkaReader", opened.append)
    kafka.open_reader(Topic("t", {"bootstrap.servers": "h:1", **said}), "g", 1)
    assert dict(json.loads(opened[0])["settings"])["fetch.queue.backoff.ms"] == used


def test_a_source_needs_an_address():
    """There is no default address."""
    with pytest.raises(DefinitionError, match=r"names no bootstrap\.servers"):
        KafkaInput(Topic("clicks", {}), SaidAdmin(), "g", 1, SystemClock())


def test_a_new_partition_begins_where_its_log_begins():
    """Identity is the topic's id and the partition's number."""
    opened = source(SaidAdmin(first={0: 3, 1: 0}))
    assert opened.open({}) == [("kafka:clicks/0", "kafka:id-1:0"), ("kafka:clicks/1", "kafka:id-1:1")]
    assert opened.begin(["kafka:clicks/0"]) == {"kafka:clicks/0": 3}


def test_a_known_partition_goes_on_at_the_stores_position():
    """The group's offsets are never read."""
    opened = source()
    opened.open({"kafka:clicks/0": kept(7)})
    assert opened.begin(["kafka:clicks/0"]) == {"kafka:clicks/0": 7}


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (kept(2), "offset 2 of kafka:clicks/0 is gone: its log begins at 3"),
        (kept(11), "kafka:clicks/0 was cut: offset 11 was reached, its log ends at 10"),
        (kept(5, "id-0"), "the Kafka topic clicks was deleted and made again since it was counted as kafka:clicks/0"),
    ],
)
def test_what_cannot_be_gone_on_with_stops_with_the_choices(known, message):
    """Nothing is reset that nobody asked for."""
    with pytest.raises(DataError) as error:
        source(SaidAdmin(first={0: 3, 1: 0})).open({"kafka:clicks/0": known})
    assert error.value.message == message
    assert "new store" in error.value.hint


def test_producers_time_is_no_brokers_time():
    """`received: broker` demands append time, by name."""
    with pytest.raises(
        DataError, match="the Kafka topic clicks has the producers' time, not the broker's append time"
    ) as error:
        source(SaidAdmin(append_time=False), append_time=True).open({})
    assert "message.timestamp.type=LogAppendTime" in error.value.hint


def test_the_end_of_a_log_passes_over_what_is_not_handed_out():
    """Behind the last record there may be markers of transactions."""
    opened = source()
    opened.open({})
    assert opened.took(handed(next_=8, records=8, end=9)) == {"kafka:clicks/0": 9}
    assert opened.took(handed(end=9)) == {}


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ((7, 10), "offset 4 of kafka:clicks/0 is gone: its log begins at 7"),
        ((0, 3), "kafka:clicks/0 was cut: offset 4 was reached, its log ends at 3"),
        ((0, 10), "offset 4 of kafka:clicks/0 or one soon after it is gone: said so"),
    ],
)
@pytest.mark.parametrize("name", ["_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE"])
def test_an_offset_that_goes_while_reading_stops_as_at_the_start(name, log, message):
    """The cluster is asked where the log begins and ends by now."""
    admin = SaidAdmin()
    opened, reader = reading(admin)
    admin.first[0], admin.last[0] = log
    reader.say({0: (0, 4)}, failure(name))
    with pytest.raises(DataError) as error:
        fed(opened)
    assert error.value.message == message
    assert "new store" in error.value.hint


@pytest.mark.parametrize(
    "said",
    [
        failure("_AUTO_OFFSET_RESET"),
        failure("UNKNOWN_TOPIC_OR_PART"),
        failure("_UNKNOWN_PARTITION", 1),
        failure("_UNKNOWN_TOPIC", None),
    ],
)
def test_what_fails_because_the_topic_was_made_again_says_that(said):
    """Made again with fewer records, or with fewer partitions."""
    admin = SaidAdmin()
    opened, reader = reading(admin)
    admin.state = TopicState("id-2", (0,))
    reader.say({}, said)
    with pytest.raises(DataError, match="the Kafka topic clicks was deleted and made again since it was counted"):
        fed(opened)


def test_an_offset_that_goes_while_the_cluster_does_not_answer_stops_too():
    """In the reader's words, with the partition."""

    class Away(SaidAdmin):
        def begins(self, _partitions) -> dict[int, int]:
            raise NotNowError("nobody answers")

    opened, reader = reading(SaidAdmin())
    opened._lost = replace(opened._lost, admin=Away())
    reader.say({}, failure("_AUTO_OFFSET_RESET", 1))
    with pytest.raises(DataError, match="offset 0 of kafka:clicks/1 or one soon after it is gone: said so"):
        fed(opened)


def test_a_broker_that_is_away_is_noted():
    """The client tries again by itself."""
    opened, reader = reading(SaidAdmin())
    reader.say({}, failure("_TRANSPORT"))
    assert fed(opened)[1].notes == ("clicks: said so; it is tried again",)


def test_records_of_a_topic_that_was_made_again_are_not_handed_over():
    """Whatever their offsets: its id is asked for after they came, and before they are counted."""
    admin, clock = SaidAdmin(), ManualClock()
    opened, reader = reading(admin, clock)
    reader.say({0: (0, 3)})
    assert fed(opened)[0].records == {"kafka:clicks/0": [0, 1, 2]}
    admin.state = TopicState("id-2", (0, 1))
    reader.say({0: (3, 3)})
    engine = Fed()
    opened.feed(engine, 1 << 20, 0.0, 0)
    clock.advance(1)
    with pytest.raises(DataError, match="was deleted and made again"):
        opened.feed(engine, 1 << 20, 0.0, 0)
    assert (engine.records, opened.mark().args[0]) == ({}, {0: 3, 1: 0})


def test_where_a_log_ends_is_handed_over_like_a_record():
    """It moves the position too."""
    opened, reader = reading(SaidAdmin())
    reader.say({0: (8, 0)})
    assert fed(opened)[0].skipped == {"kafka:clicks/0": 8}


def test_a_partition_is_idle_at_the_end_of_its_log():
    """As the cluster says, not as was seen long ago."""
    opened = source(SaidAdmin(last={0: 8, 1: 20}))
    opened.open({})
    opened.took(handed(next_=8, records=8))
    seen = opened.look(3)
    assert (seen.idle, seen.at_us) == (("kafka:clicks/0",), 0)


def test_a_partition_that_was_added_is_found():
    """It begins where its log does."""
    admin = SaidAdmin()
    opened = source(admin)
    opened.open({})
    admin.state, admin.first[2], admin.last[2] = TopicState("id-1", (0, 1, 2)), 0, 5
    assert opened.look(0).added == (("kafka:clicks/2", "kafka:id-1:2"),)
    assert opened.look(0).added == ()


def test_a_topic_that_is_made_again_while_it_is_read_stops():
    """Its offsets are others."""
    admin = SaidAdmin()
    opened = source(admin)
    opened.open({})
    admin.state = TopicState("id-2", (0, 1))
    with pytest.raises(DataError, match="was deleted and made again"):
        opened.look(0)


def test_lag_is_said_in_records_and_seconds():
    """Seconds are the age of the newest record that was taken; at the end of the log there is no lag."""
    opened = source(SaidAdmin(last={0: 10, 1: 0}))
    opened.open({})
    opened.took(handed(next_=4, records=4))
    lags = {lag.partition: (lag.records, lag.seconds) for lag in opened.lags(now_us=12_000_000)}
    assert lags == {"kafka:clicks/0": (6, 7.0), "kafka:clicks/1": (0, 0.0)}


def test_positions_are_shown_once():
    """The display is written behind an epoch, where it has changed."""
    cluster = MockCluster()
    cluster.put("clicks", {})
    opened = source(bootstrap_servers=cluster.bootstrap)
    opened.open({})
    opened.took(handed(next_=4, records=4))
    opened.look(0)
    assert written_offsets(cluster.bootstrap, "g", "clicks") == {}
    opened.mark()()
    opened.look(0)
    offsets_come_to({0: 4, 1: 0}, cluster.bootstrap, "g", "clicks")
    write_offsets(cluster.bootstrap, "g", "clicks", {0: 9})
    opened.look(0)
    opened.close()
    assert written_offsets(cluster.bootstrap, "g", "clicks") == {0: 9, 1: 0}


def test_the_end_waits_for_what_is_shown_last():
    """A second at most; not for a broker that is away."""
    cluster = MockCluster()
    cluster.put("clicks", {})
    for address, found in ((cluster.bootstrap, {0: 4, 1: 0}), ("127.0.0.1:1", {})):
        group = f"to-{address}"
        opened = KafkaInput(
            Topic("clicks", {"bootstrap.servers": address, **SILENT}), SaidAdmin(), group, 1 << 20, SystemClock()
        )
        opened.open({})
        opened.took(handed(next_=4, records=4))
        opened.mark()()
        began = time.monotonic()
        opened.close()
        assert time.monotonic() - began < 5
        offsets_come_to(found, cluster.bootstrap, group, "clicks")


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("UNKNOWN_TOPIC_OR_PART", DataError, "there is no such Kafka topic: t"),
        ("TOPIC_AUTHORIZATION_FAILED", ServiceError, "does not grant the right"),
        ("_AUTHENTICATION", ServiceError, "does not accept who we are"),
        ("_FATAL", ServiceError, "Kafka has failed"),
    ],
)
def test_errors_that_last_are_named(name, kind, words):
    """Each with the next step."""
    error = failure_of(name, "text", "t")
    assert isinstance(error, kind)
    assert words in error.message
    assert error.hint


def test_nobody_at_the_address_is_a_service_that_cannot_be_reached():
    """The wait is bounded, and the reason is the client's own."""
    with pytest.raises(ServiceError, match=r"no Kafka broker answers within 0\.2 s .*127\.0\.0\.1:1"):
        ClusterAdmin("clicks", NOWHERE, 0.2).connect()


class _Leaders(ClusterAdmin):
    """Two answers come from a broker that leads no more."""

    def __init__(self):
        super().__init__("clicks", {"bootstrap.servers": "127.0.0.1:1"}, 2.0)
        self.asked = 0

    def _listing(self, partitions, _spec):
        self.asked += 1
        if self.asked < 3:
            raise failure_of("UNKNOWN_LEADER_EPOCH", "Leader epoch is newer than broker epoch", "clicks")
        return dict.fromkeys(partitions)

    def _result(self, _answer):
        return SimpleNamespace(offset=7)


def test_ends_are_asked_for_again_while_leaders_change():
    """As after a broker has started."""
    admin = _Leaders()
    assert (admin.ends([0]), admin.asked) == ({0: 7}, 3)
