"""What records become on their way to Pub/Sub."""

import json
from dataclasses import replace

import pytest

from crossfoot.definition.engines import relay_lacks
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition, Preprocess
from crossfoot.definition.prepared import marks
from crossfoot.services.group.convert import NativeConversion, WithinLimit
from crossfoot.services.group.share import Block
from crossfoot.services.group.state import PartitionState, Totals
from crossfoot.services.relay.encode import Encoder, data_of
from crossfoot.services.relay.heads import Wanted
from crossfoot.services.relay.step import Made, Passing, Preparing
from tests.counting import click
from tests.unit.services.relay.messages import WANTED, block, records_from, single

TEXT = """
crossfoot: 1
namespace: clicks
source: {kafka: {topic: clicks, bootstrap.servers: h}, format: json}
event:
  time: {field: at, unit: iso}
  received: broker
  id: seq
  where: "page <> 'other'"
  fields: {page: {path: page, type: text}}
metrics: {clicks: {by: [[page]], measures: {clicks: count}, grains: [all]}}
accept: {lateness: 1h}
relay: {to: {pubsub: {project: p, topic: t}}, dead_letter: dead}
"""
FIELD_TEXT = TEXT.replace("received: broker", "received: {field: at, unit: iso}")
DEFINITION = load_text(TEXT)
NOW_US = 1 << 51
BEGUN = PartitionState("id-1", "hash", 5, 5)


def records(*values: object) -> Block:
    """From offset 5 on."""
    return records_from(5, *(value if isinstance(value, bytes) else json.dumps(value).encode() for value in values))


def encoder(partition: int) -> Encoder:
    return Encoder(WANTED, "clicks", partition, 10_000)


def framed(made: Made) -> list[tuple[int, bytes]]:
    """Offset and data of each message."""
    return sorted((offset, data_of(frame)) for run in made.runs for offset, frame in run)


def preparing(definition: Definition = DEFINITION, most: int = 1 << 20) -> Preparing:
    native = NativeConversion(definition, "clicks", 1 << 16)
    wanted = Wanted(**marks(definition))
    return Preparing(WithinLimit(native, most), wanted, lambda partition: Encoder(wanted, "clicks", partition, 1 << 20))


def test_prepared_messages_are_passed_on_as_they_came():
    """At their own offsets; a block stands for one."""
    values = [single(1), block([1, 2]), b"nonsense", single(2, definition="f" * 32)]
    made = Passing(WANTED, encoder)("clicks/0", records(*values), BEGUN, NOW_US)
    assert framed(made) == [(5, values[0]), (6, values[1])]
    assert [(one.reason, one.part, one.offset, one.raw) for one in made.refused] == [
        ("form", "message", 7, b"nonsense"),
        ("definition", "definition", 8, values[3]),
    ]
    assert (made.next, made.totals) == (9, Totals(records=4, out=2, malformed=1, invalid=1))
    assert Passing(WANTED, encoder).events(values[1]) == 1


def test_a_message_that_pubsub_cannot_take_is_refused():
    """The others go out."""
    values = [single(1), single(2, data={"page": "x" * 10_000}), single(3)]
    made = Passing(WANTED, encoder)("clicks/0", records(*values), BEGUN, NOW_US)
    assert framed(made) == [(5, values[0]), (7, values[2])]
    assert [(one.account, one.reason, one.offset, one.raw) for one in made.refused] == [
        ("malformed", "size", 6, values[1])
    ]
    assert (made.next, made.totals) == (8, Totals(records=3, out=2, malformed=1))


def test_raw_records_are_prepared():
    """Each is in one account; the received time never goes back."""
    made = preparing()("clicks/0", records(click(1), click(2, page="other"), b"nonsense", click(3)), BEGUN, NOW_US)
    assert [(offset, json.loads(value)["received"][-8:]) for offset, value in framed(made)] == [
        (5, ".001000Z"),
        (8, ".001000Z"),
    ]
    assert [(one.account, one.reason, one.raw) for one in made.refused] == [("malformed", "syntax", b"nonsense")]
    assert (made.next, made.last_t_us) == (9, 1000)
    assert made.totals == Totals(records=4, out=2, filtered=1, malformed=1)


def test_a_record_prepared_again_is_the_same_message():
    """Alone or among others."""
    both = preparing()("clicks/0", records(click(1), click(2)), BEGUN, NOW_US)
    again = preparing()("clicks/0", records(click(1)), BEGUN, NOW_US + 1)
    assert framed(again) == framed(both)[:1]


def test_raw_records_may_go_out_in_blocks():
    """A block stands for its events, at the offset of its first."""
    step = preparing(replace(DEFINITION, preprocess=Preprocess(blocks=True)))
    ((offset, value),) = framed(step("clicks/0", records(b"nonsense", click(1), click(2)), BEGUN, NOW_US))
    assert (offset, step.events(value)) == (6, 2)


def test_an_event_that_pubsub_cannot_take_is_refused_as_the_record_that_it_came_in():
    """The others go out."""
    large = click(1, page="x" * 5000)
    made = preparing(most=4000)("clicks/0", records(large, click(2)), BEGUN, NOW_US)
    assert [(one.reason, one.raw) for one in made.refused] == [("size", json.dumps(large).encode())]
    assert made.totals == Totals(records=2, out=1, malformed=1)


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ("relay: {to: {pubsub: {project: p, topic: t}}, dead_letter: dead}", "", "relay.to"),
        (", dead_letter: dead", "", "relay.dead_letter"),
        ("{kafka: {topic: clicks, bootstrap.servers: h}, format: json}", "{files: a.jsonl}", "source"),
        ("received: {field: at, unit: iso}", "received: carried", "event.received"),
    ],
)
def test_what_a_definition_needs_is_said_by_place(before, after, path):
    """Raw records need a stamp."""
    assert [lack.path for lack in relay_lacks(load_text(FIELD_TEXT.replace(before, after)))] == [path]


def test_a_prepared_topic_needs_no_stamp():
    """It was stamped where it was prepared."""
    text = TEXT.replace("format: json", "format: prepared").replace("broker", "carried")
    assert list(relay_lacks(load_text(text))) == []
