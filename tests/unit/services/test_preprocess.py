"""Preprocess without a broker: its state and limits, and the loop over a mock cluster."""

import json
import random
from array import array
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, TopicPartition

from crossfoot.definition.engines import preprocess_lacks
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition
from crossfoot.definition.prepared import prepared_hash
from crossfoot.errors import DataError, DefinitionError, InternalError
from crossfoot.native import read_stream
from crossfoot.services.group.convert import Converted, NativeConversion, PythonConversion, WithinLimit
from crossfoot.services.group.output import Target, message_limit, target_settings
from crossfoot.services.group.share import Block, Shared
from crossfoot.services.group.state import PartitionState, Totals, state_of
from crossfoot.services.live import LiveWatch
from crossfoot.services.preprocess.job import job_of
from crossfoot.services.preprocess.service import Parts, Service
from crossfoot.sources.kafka import Topic
from crossfoot.sources.kafka_admin import Look, NotNowError, TopicState
from tests.counting import click
from tests.kafka import QUICK, SILENT, MockAdmin, MockCluster

TEXT = """
crossfoot: 1
namespace: clicks
source: {kafka: {topic: clicks, bootstrap.servers: h}, format: json}
event:
  time: {field: at, unit: iso}
  received: {field: at, unit: iso}
  id: seq
  fields: {page: {path: page, type: text}, paid: {path: paid, type: decimal(2)}}
metrics: {clicks: {by: [[]], measures: {clicks: count}, grains: [1m]}}
accept: {lateness: 1h}
preprocess: {to: {kafka: {topic: prepared}}, dead_letter: dead}
"""
NOW_US = 1_800_000_000_000_000
STATE = PartitionState("id-1", "hash", 3, 3)


def block(*records: object, offset: int = 3) -> Block:
    """Records at rising offsets, without stamps."""
    data = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    ends = array("I", [sum(map(len, data[: at + 1])) for at in range(len(data))])
    offsets = array("Q", range(offset, offset + len(data)))
    return Block(0, b"".join(data), ends.tobytes(), offsets.tobytes(), array("q", [-(1 << 63)] * len(data)).tobytes())


def conversion(definition: Definition | None = None) -> PythonConversion:
    return PythonConversion(definition or load_text(TEXT), "hash", "clicks")


# State.


def test_what_is_committed_reads_back():
    """Whole, from the text beside the offset."""
    state = replace(STATE, next=9, last_t_us=5, joined_us=4, totals=Totals(5, 1, 2, 3, 1, 2, 1))
    assert state_of(9, state.text()) == state


@pytest.mark.parametrize("text", [None, "", "{}", "17", '{"crossfoot":2}', "nonsense"])
def test_an_offset_of_another_tool_has_no_state(text):
    """Whatever stands beside it."""
    assert state_of(9, text) is None


def test_the_text_is_far_below_what_a_broker_keeps_of_it():
    """4096 bytes, unless a broker is told otherwise."""
    most = (1 << 63) - 1
    state = PartitionState("x" * 22, "x" * 32, most, most, most, most, Totals(*[most] * 7))
    assert len(state.text()) < 1000


def test_positions_without_a_record_are_gaps():
    """What was consumed = records + gaps."""
    assert STATE.moved(10, Totals(records=4, out=4), None).totals.gaps == 3


@pytest.mark.parametrize("totals", [Totals(records=1), Totals(out=1), Totals(records=2, gaps=-1, out=2)])
def test_a_ledger_that_does_not_balance_is_never_committed(totals):
    """It is a fault of ours."""
    with pytest.raises(InternalError, match="of kafka:clicks/0 hold"):
        replace(STATE, next=4, totals=totals).check("kafka:clicks/0")


# Converting.


def test_a_record_is_a_message_of_the_prepared_form():
    """One object, its keys in their order."""
    made = conversion()("kafka:clicks/0", block(click(1, paid=1)), STATE, NOW_US)
    ((key, value),) = made.messages
    assert value.decode() == (
        '{"specversion":"1.0","id":"' + key.decode() + '","source":"crossfoot:clicks",'
        '"type":"crossfoot.prepared","time":"2015-09-12T10:00:00.000000Z","received":"2015-09-12T10:00:00.000000Z",'
        '"definition":"hash","topic":"clicks","partition":0,"offset":"3","attempt":1,'
        '"datacontenttype":"application/json","data":{"page":"a","paid":1.00}}'
    )
    assert (made.next, made.totals) == (4, Totals(records=1, out=1))


def test_the_received_time_is_not_before_the_last_nor_before_the_partition_joined():
    """a = max(stamp, last t, J)."""
    for state in (replace(STATE, last_t_us=NOW_US), replace(STATE, joined_us=NOW_US)):
        made = conversion()("kafka:clicks/0", block(click(1)), state, NOW_US)
        assert json.loads(made.messages[0][1])["received"] == "2027-01-15T08:00:00.000000Z"
        assert made.last_t_us == NOW_US


def test_only_the_message_that_is_too_large_is_refused():
    """The block is done again record by record, and gives the same messages."""
    records = block(click(1), click(2, page="x" * 1000), b"nonsense", click(3))
    whole = conversion()("kafka:clicks/0", records, STATE, NOW_US)
    made = WithinLimit(conversion(), 700)("kafka:clicks/0", records, STATE, NOW_US)
    assert made.messages == [whole.messages[0], whole.messages[2]]
    assert made.totals == Totals(records=4, out=2, malformed=2)
    assert [(each.reason, each.offset) for each in made.refused] == [("size", 4), ("syntax", 5)]
    assert (made.next, made.last_t_us) == (whole.next, whole.last_t_us)


def test_the_key_is_a_declared_field_where_one_is_named():
    """As text; a null has none."""
    definition = load_text(TEXT.replace("dead_letter:", "key: page, dead_letter:"))
    made = conversion(definition)("kafka:clicks/0", block(click(1), click(2, page=None)), STATE, NOW_US)
    assert [key for key, _ in made.messages] == [b"a", None]


# The native core, against the slow twin.

KINDS = """
crossfoot: 1
namespace: clicks
source: {kafka: {topic: clicks, bootstrap.servers: h}, format: json}
event:
  time: {field: at, unit: iso}
  received: RECEIVED
  id: ID
  where: kind is null or kind <> 'other'
  fields:
    page: {path: page, type: text}
    paid: {path: paid, type: decimal(2)}
    whole: {path: paid, type: decimal(0)}
    number: {path: number, type: integer}
    ratio: {path: ratio, type: float}
    yes: {path: yes, type: boolean}
    any: {path: any}
    kind: {path: kind, default: click}
    more: number + 1
metrics: {clicks: {by: [[]], measures: {clicks: count}, grains: [1m]}}
accept: {lateness: 1h}
preprocess: {to: {kafka: {topic: prepared}}, key: KEYEXPLODE}
"""
FLOATS = (0.1, 1e15, 1e16, 1.5e16, 1e-4, 1e-5, 1.25e-5, 1e-6, 1.25e-7, 5e-324, 1.7e308, -0.0, 3, 2**53 + 1)
RECORDS = (
    *(click(number, ratio=value, any=value) for number, value in enumerate(FLOATS)),
    click(20, page='é"\\\n\t\u0001\u007f\u2028😀', paid="-12.345", number=-5, yes=True, any="x"),
    click(21, page="", paid=-0.004, any=False, number=None, items=[{"page": "p"}, {"page": 1}, {"sku": 2}]),
    click(22, at="0099-01-01T00:00:00.000001Z", any=12345678901234567890),
    click(23, at="2015-09-12T10:00:00.123456789+02:00", any=0.10, items=[]),
    click(24, number="5"),
    click(25, kind="other"),
    click(26, paid=True),
    click(27, any={"a": 1}),
    {"seq": None, "at": "2015-09-12T10:00:00Z"},
    {"seq": 28},
    b'{"seq": 1, "at": 5}',
    b"nonsense",
    b"",
    b'{"seq":29,"at":"2015-09-12T10:00:00Z","page":"\xff"}',
)


@pytest.mark.parametrize("received", ["{field: at, unit: iso}", "broker"])
@pytest.mark.parametrize("identity", ["seq", "position", "[seq, page]", "{fingerprint: [page, paid]}"])
@pytest.mark.parametrize("key", ["uuid", "page", "paid", "ratio"])
@pytest.mark.parametrize("explode", ["", ", explode: items"])
def test_the_native_core_writes_the_same_bytes(received, identity, key, explode):
    """Messages, keys, refusals, totals and times, whatever the record."""
    text = KINDS.replace("RECEIVED", received).replace("ID", identity).replace("KEY", key)
    definition = load_text(text.replace("EXPLODE", explode))
    records = replace(
        block(*RECORDS), stamps=array("q", [NOW_US + 1000 - 7 * n for n in range(len(RECORDS))]).tobytes()
    )
    twin = PythonConversion(definition, prepared_hash(definition), "clicks")
    native = NativeConversion(definition, "clicks", 1 << 19)
    for state in (STATE, replace(STATE, last_t_us=5, joined_us=NOW_US)):
        assert native("clicks/0", records, state, NOW_US) == twin("clicks/0", records, state, NOW_US)


def test_only_the_block_that_is_too_large_is_refused():
    """With its one record; the blocks of the others hold all other events."""
    definition = load_text(TEXT.replace("dead_letter:", "blocks: true, dead_letter:"))
    noise = random.Random(7).randbytes(3000).hex()
    records = block(click(1), click(2, page=noise), b"nonsense", click(3))
    native = NativeConversion(definition, "clicks", 1 << 19)
    ((_, whole),) = native("clicks/0", records, STATE, NOW_US).messages
    made = WithinLimit(native, len(whole) - 1)("clicks/0", records, STATE, NOW_US)
    assert made.totals == Totals(records=4, out=2, malformed=2)
    assert [(each.reason, each.offset) for each in made.refused] == [("size", 4), ("syntax", 5)]
    assert [read_stream(value).num_rows for _, value in made.messages] == [1, 1]


# Where it writes to.


def test_without_a_cluster_of_its_own_the_source_is_written_to():
    """It is reached in the same way; how it is read is not taken over."""
    source = {"bootstrap.servers": "h", "sasl.username": "u", "fetch.min.bytes": "1"}
    assert target_settings({"linger.ms": "1"}, source) == {
        "bootstrap.servers": "h",
        "sasl.username": "u",
        "linger.ms": "1",
    }
    assert target_settings({"bootstrap.servers": "other"}, source) == {"bootstrap.servers": "other"}


def test_nobody_chooses_that_messages_are_lost():
    """By name."""
    with pytest.raises(DefinitionError, match="the Kafka setting acks decides whether messages can be lost"):
        target_settings({"acks": "1"}, {})


def test_a_message_leaves_room_for_its_frame():
    """The least of the topics decides."""
    assert message_limit([1_048_588, 3000]) == 3000 - 256


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ("preprocess: {to: {kafka: {topic: prepared}}, dead_letter: dead}", "", "preprocess.to"),
        ("to: {kafka: {topic: prepared}}, ", "", "preprocess.to"),
        ("{kafka: {topic: clicks, bootstrap.servers: h}, format: json}", "{files: a.jsonl}", "source"),
        (
            "{kafka: {topic: clicks, bootstrap.servers: h}, format: json}",
            "[{kafka: {topic: a, bootstrap.servers: h}}, {kafka: {topic: b, bootstrap.servers: h}}]",
            "source",
        ),
        ("received: {field: at, unit: iso}", "received: carried", "event.received"),
    ],
)
def test_what_a_definition_needs_is_said_by_place(before, after, path):
    """A topic to read, one to write, and a stamp."""
    definition = load_text(TEXT.replace(before, after))
    assert [lack.path for lack in preprocess_lacks(definition)] == [path]
    with pytest.raises(DefinitionError, match=f"^{path}: `crossfoot preprocess` cannot run this"):
        job_of(definition, {}, once=True)


# The loop.


class Stage:
    """The service over topics of a mock cluster."""

    def __init__(self) -> None:
        self.cluster = MockCluster()
        self.settings = {"bootstrap.servers": self.cluster.bootstrap, **SILENT}

    def service(self, convert=None, admin=MockAdmin, **watch) -> Service:
        quick = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "200"}
        topic = Topic("clicks", {**self.settings, **quick})
        target = Target("prepared", "dead", self.settings, 1 << 20, 100_000)
        shared = Shared(topic, admin("clicks", self.settings, 5), "preparing", "hash", "prepared", QUICK.queue_bytes)
        convert = WithinLimit(convert or conversion(), target.message_bytes)
        return Service(Parts("clicks", shared, convert, target), QUICK, LiveWatch(**watch))

    def prepare(self, service: Service | None = None, once: bool = True) -> dict[int, PartitionState]:
        service = service or self.service()
        try:
            service.run(once)
        finally:
            service.close()
        return service.share.known

    def read(self, topic: str, count: int) -> list:
        reader = Consumer({**self.settings, "group.id": "tests"})
        reader.assign([TopicPartition(topic, part, 0) for part in range(4)])
        messages = reader.consume(count, 10)
        reader.close()
        return messages


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_each_record_is_sent_or_refused(stage):
    """And the ledger of each partition balances."""
    stage.cluster.put("clicks", click(1), b"nonsense", click(2))
    stage.cluster.put("clicks", click(3), partition=3)
    known = stage.prepare()
    assert known[0].totals == Totals(records=3, out=2, malformed=1)
    assert (known[3].next, known[3].totals.out) == (1, 1)
    assert {json.loads(message.value())["offset"] for message in stage.read("prepared", 3)} == {"0", "2"}
    (letter,) = stage.read("dead", 1)
    assert (letter.value(), dict(letter.headers())["reason"]) == (b"nonsense", b"syntax")


def test_what_it_does_is_seen(stage):
    """The accounts of this run, and nothing behind at the end."""
    stage.cluster.put("clicks", click(1), b"nonsense")
    states = []
    stage.prepare(stage.service(state=states.append))
    last = states[-1]
    assert (last.service, last.name, last.accounts) == (
        "preprocess",
        "clicks",
        {"out": 1, "filtered": 0, "malformed": 1, "invalid": 0},
    )
    assert sum(lag.records for lag in last.lags) == 0
    assert (last.epoch, last.epochs, last.interval_s, last.checkpoints) == (None,) * 4


def test_what_comes_while_it_runs_is_sent(stage):
    """Until it is asked to stop; a later run goes on from there."""
    stage.cluster.put("clicks", click(1))
    stage.prepare()
    stage.cluster.put("clicks", click(2))
    service = stage.service(stop=lambda: bool(service.share.known) and service.share.known[0].next == 2)
    assert stage.prepare(service, once=False)[0].totals.out == 2


def test_a_commit_that_is_refused_at_the_end_is_asked_for_again(stage, monkeypatch):
    """As one that meets a rebalance."""
    stage.cluster.put("clicks", click(1))
    ended, attempts = list[bool](), list[object]()

    def stop() -> bool:
        ended.extend(state.next == 1 for state in service.share.changed().values())
        return any(ended)

    def commit(offsets) -> None:
        attempts.extend([offsets] if any(ended) else [])
        if len(attempts) > 1:
            really(offsets)

    service = stage.service(stop=stop)
    really = service.share.member.commit
    monkeypatch.setattr(service.share.member, "commit", commit)
    assert stage.prepare(service, once=False)[0].next == 1


def test_a_message_that_is_in_no_account_stops_the_service(stage):
    """Before anything is committed."""

    def losing(*block) -> Converted:
        made = conversion()(*block)
        return replace(made, totals=replace(made.totals, out=made.totals.out - 1))

    stage.cluster.put("clicks", click(1), click(2))
    service = stage.service(losing)
    with pytest.raises(InternalError, match="the accounts of kafka:clicks/0 hold 1 of 2"):
        stage.prepare(service)
    assert service.share.known[0].next == 0


def test_a_cluster_that_cannot_answer_yet_is_asked_again(stage):
    """When partitions are taken up; it is told."""

    class Later(MockAdmin):
        asked = 0

        def begins(self, partitions) -> dict[int, int]:
            self.asked += 1
            if self.asked == 2:
                raise NotNowError("not now")
            return super().begins(partitions)

    stage.cluster.put("clicks", click(1))
    notes: list[str] = []
    assert stage.prepare(stage.service(admin=Later, note=notes.append))[0].totals.out == 1
    assert "not now; it is tried again" in notes


class Again(MockAdmin):
    """Says at some moment that the topic is another one; it looks around for nobody."""

    made = False

    def describe(self) -> TopicState:
        state = super().describe()
        return replace(state, id="again") if Again.made else state

    def looked(self) -> Look | None:
        return None


def test_nothing_is_sent_of_a_topic_that_was_made_again(stage, monkeypatch):
    """Its id is asked for after records came, and before they are sent; what may be done is said."""
    monkeypatch.setattr(Again, "made", False)
    stage.cluster.put("clicks", click(1))

    def stop() -> bool:
        if not Again.made and service.share.known and service.share.known[0].next == 1:
            Again.made = True
            stage.cluster.put("clicks", click(2))
        return False

    service = stage.service(admin=Again, stop=stop)
    with pytest.raises(DataError, match="was deleted and made again since the group preparing prepared it") as error:
        stage.prepare(service, once=False)
    assert "with `id: position` give the source another name too" in error.value.hint
    assert len(stage.read("prepared", 2)) == 1


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ((7, 10), "offset 4 of kafka:clicks/0 is gone: its log begins at 7"),
        ((0, 3), "kafka:clicks/0 was cut: offset 4 was reached, its log ends at 3"),
    ],
)
def test_an_offset_that_goes_while_it_runs_is_said_as_at_the_start(stage, log, message):
    """With the group's way to go on."""

    class Said(MockAdmin):
        def begins(self, partitions) -> dict[int, int]:
            return dict.fromkeys(partitions, log[0])

        def ends(self, partitions) -> dict[int, int]:
            return dict.fromkeys(partitions, log[1])

    share = stage.service(admin=Said).share
    share._topic_id, share._gate.reached[0] = "mock", 4
    with pytest.raises(DataError) as error:
        share._judge({"name": "_AUTO_OFFSET_RESET", "text": "said so", "partition": 0})
    share.close()
    assert error.value.message == message
    assert "--reset-offsets" in error.value.hint


def test_many_records_are_sent_through_a_small_queue(stage):
    """The queue is full again and again; reading waits."""
    stage.cluster.put("clicks", *(click(number, page="x" * 5000) for number in range(500)))
    assert stage.prepare()[0].totals.out == 500
