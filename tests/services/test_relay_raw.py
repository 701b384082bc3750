"""Relay fed with a raw topic: it prepares the records itself, and what is counted from Pub/Sub is what they hold."""

import json

import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.prepared import marks
from crossfoot.engines.embedded import cell_table
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.errors import DataError
from crossfoot.native import open_reader
from crossfoot.services.group.convert import PythonConversion
from crossfoot.services.group.state import PartitionState, Totals
from crossfoot.services.relay.heads import Wanted
from tests.counting import click
from tests.services.broker import Broker
from tests.services.pulling import count, count_and_kill
from tests.services.relaying import PROJECT, Hop
from tests.unit.services.relay.test_step import records as block

EVENT = """
crossfoot: 1
namespace: {name}
source: {source}
event:
  time: {{field: at, unit: iso}}
  received: {received}
  id: seq
  where: kind <> 'other'
  fields: {{page: {{path: page, type: text}}, kind: {{path: kind, default: click}}}}
metrics: {{clicks: {{by: [[page]], measures: {{clicks: count}}, grains: [all]}}}}
{more}
"""
LATE = "accept: {lateness: 10000d}"
PAGES = 7
CLICKS = 3_000


class Raw(Hop):
    """The raw topic, which the broker stamps; the definitions of who relays, of who counts, and of the truth."""

    def __init__(self, broker: Broker, address: str, blocks: str) -> None:
        super().__init__(broker, address, message_timestamp_type="LogAppendTime")
        kafka = f'{{topic: "{self.name}", bootstrap.servers: "{broker.bootstrap}", session.timeout.ms: 6000}}'
        to = f'{{to: {{pubsub: {{project: {PROJECT}, topic: "{self.name}"}}}}, dead_letter: "{self.name}.dead"}}'
        self.text = self._text(
            f"{{kafka: {kafka}}}", "broker", f"{LATE}\nrelay: {to}\npreprocess: {{blocks: {blocks}}}"
        )
        self.definition = load_text(self.text)
        self.wanted = Wanted(**marks(self.definition))
        source = f'{{pubsub: {{project: {PROJECT}, subscription: "{self.name}"}}, format: prepared}}'
        self.pull = self._text(source, "carried", LATE)
        self.direct = self._text("{files: clicks.jsonl}", "none", "")

    def _text(self, source: str, received: str, more: str) -> str:
        return EVENT.format(name=self.name, source=source, received=received, more=more)


def records(first: int, last: int) -> list[bytes]:
    """Clicks on some pages; each tenth is of another kind, each hundredth is none."""
    made = [
        json.dumps(click(number, page=f"p{number % PAGES}", kind="other" if number % 10 == 5 else "click")).encode()
        for number in range(first, last)
    ]
    return [b"nonsense" if number % 100 == 0 else value for number, value in enumerate(made, first)]


@pytest.mark.parametrize("blocks", ["false", "true"])
def test_a_raw_topic_is_prepared_on_the_way(broker, pubsub, tmp_path, project, blocks):
    """Killed after its first commit; what went out twice has the same uuid: the cells are the reference engine's."""
    raw = Raw(broker, pubsub.address, blocks)
    lines = records(0, CLICKS)
    raw.put(lines[::2])
    raw.put([*lines[1::2], *lines[:300]], partition=1)
    path = tmp_path / "relay.yaml"
    path.write_text(raw.text)

    count_and_kill(["tests.services.relay_process", str(path)], project, pubsub.address, 1)
    found = raw.relay()
    assert found.totals == Totals(records=3_300, out=2_937, filtered=330, malformed=33)
    assert found.totals.unaccounted == 0
    dead = [(value, said["account"], said["reason"]) for value, said in raw.dead()]
    assert set(dead) == {(b"nonsense", "malformed", "syntax")}
    assert len(dead) >= 33

    distinct = CLICKS - CLICKS // 10 - CLICKS // 100
    count(raw.pull, tmp_path / "live", pubsub.address, until=distinct)
    reference = ReferenceEngine(load_text(raw.direct))
    reference.register(("clicks",))
    reference.feed("clicks", b"\n".join(lines) + b"\n", 1 << 52)
    reference.commit()
    assert cell_table(open_reader(tmp_path / "live"), raw.definition, (0, 0, 0)) == reference.cells()[0]


def test_events_have_the_uuids_of_preprocess_and_their_own_places(broker, pubsub):
    """Whichever way an event came, it is the same event."""
    raw = Raw(broker, pubsub.address, "false")
    raw.put([b"nonsense", *records(1, 3)])
    raw.relay()
    prepared = PythonConversion(raw.definition, raw.wanted.definition, raw.name)
    made = prepared("p", block(*records(1, 3)), PartitionState("id", "hash", 5, 5), 1 << 52)
    expected = {json.loads(value)["id"] for _, value, *_ in made.messages}
    arrived = [message.attributes for message in raw.arrived()]
    assert {attributes["id"] for attributes in arrived} == expected
    assert sorted((attributes["topic"], attributes["offset"]) for attributes in arrived) == [
        (raw.name, "1"),
        (raw.name, "2"),
    ]


def test_the_producers_time_is_no_stamp(broker, pubsub):
    """It is refused before anything is read, as by preprocess."""
    raw = Raw(broker, pubsub.address, "false")
    broker.configure(raw.name, "message.timestamp.type", "CreateTime")
    with pytest.raises(DataError, match="has the producers' time"):
        raw.relay()
