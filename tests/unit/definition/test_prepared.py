"""What tells prepared events from others, and how they are read."""

import json
from dataclasses import replace

import pytest

from crossfoot.definition.compile import compile_plan
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Format, KafkaSource, Preprocess
from crossfoot.definition.prepared import marks, prepared_hash, reading

TEXT = """
crossfoot: 1
namespace: clicks
source: {kafka: {topic: clicks, bootstrap.servers: h}}
event:
  time: {field: at, unit: ms}
  received: broker
  id: seq
  where: n > 0
  fields: {n: {path: n, type: integer}, m: {path: m, type: "decimal(2)", default: 1}}
accept: {lateness: 1h, horizon: 2h}
metrics: {m: {by: [[]], measures: {events: count}, grains: [1h]}}
"""
DEFINITION = load_text(TEXT)
READ = replace(
    DEFINITION,
    sources=(KafkaSource("prepared", (("bootstrap.servers", "h"),), Format("prepared")),),
    event=replace(DEFINITION.event, received="carried"),
    accept=replace(DEFINITION.accept, transport_us=3_600_000_000),
)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("namespace: clicks", "namespace: others"),
        ("unit: ms", "unit: s"),
        ("id: seq", "id: [seq]\n  # the same"),
        ("id: seq", "id: [seq, n]"),
        ("n > 0", "n > 1"),
        ("type: integer", "type: float"),
        ("{path: n,", "{path: o,"),
        ("decimal(2)", "decimal(3)"),
        ("default: 1", "default: 2"),
        ("m: {path: m", "o: {path: m"),
    ],
)
def test_what_preparing_does_has_a_hash(right: str, wrong: str):
    """Whatever changes an event changes it; a list of one field is that field."""
    other = prepared_hash(load_text(TEXT.replace(right, wrong)))
    assert (other == prepared_hash(DEFINITION)) is ("the same" in wrong)


def test_what_does_not_change_an_event_is_not_in_the_hash():
    """Received time, acceptance, metrics, addresses, the format of whoever reads."""
    renamed = replace(DEFINITION, metrics=(replace(DEFINITION.metrics[0], name="others"),))
    others = [READ, renamed, replace(DEFINITION, accept=replace(DEFINITION.accept, horizon_us=1 << 40))]
    assert {prepared_hash(each) for each in others} == {prepared_hash(DEFINITION)}
    exploded = replace(DEFINITION, preprocess=Preprocess(explode=("n",)))
    assert prepared_hash(exploded) != prepared_hash(DEFINITION)


def test_prepared_events_are_read_at_the_places_of_the_form():
    """Their times, ids and fields; without defaults, which preparing has given already."""
    spec = reading(READ)
    assert (spec.time.path, spec.id.kind, spec.id.paths) == (("time",), "uuid", (("id",),))
    assert [field.default for field in spec.fields] == [None, None]
    assert reading(DEFINITION) is DEFINITION.event


def test_a_plan_for_prepared_events_holds_on_to_how_they_were_made():
    """A store does not go on with events that mean something else."""
    plan = json.loads(compile_plan(READ))
    said = {tuple(plan["paths"][path]): text for path, text in plan["guard"]}
    assert said == {(name,): text for name, text in marks(DEFINITION).items()}
    assert (plan["input"]["kind"], plan["stamps"], plan["id"]) == (
        "prepared",
        "carried",
        {"uuid": [plan["paths"].index(["id"])]},
    )
    other = replace(READ, event=replace(READ.event, where=None))
    assert json.loads(compile_plan(other))["made"] != plan["made"]
