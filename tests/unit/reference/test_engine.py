"""The reference engine where golden folders do not look."""

import json
from dataclasses import replace

import pytest

from crossfoot.definition.compile import namespace_key
from crossfoot.definition.load import load_text
from crossfoot.engines.continuation import continued
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.errors import CallError, DataError, InternalError, StoreError
from crossfoot.event import Account, PositionedRecord
from crossfoot.identity import MASK_128, event_uuid, ledger_digest, position_uuid
from tests.engines import FAR_FUTURE_US

TEMPLATE = """
crossfoot: 1
namespace: unit
event:
  time: {field: t, unit: s}
  received: {field: r, unit: s}
  id: id
  fields: {FIELDS}
accept: {ACCEPT}
limits: {LIMITS}
metrics:
  m: {MEASURES, grains: [1m]}
"""
DEFAULTS = {
    "FIELDS": "k: k",
    "ACCEPT": "lateness: 1h",
    "LIMITS": "cells_max: 1000",
    "MEASURES": "by: [[k]], measures: {events: count}",
}


def definition(**parts: str):
    """A definition with some parts written anew."""
    text = TEMPLATE
    for name, default in DEFAULTS.items():
        text = text.replace(name, parts.get(name.lower(), default))
    return load_text(text)


def line(**values: object) -> bytes:
    return json.dumps(values).encode() + b"\n"


def engine_with(*lines: bytes, **parts: str) -> ReferenceEngine:
    engine = ReferenceEngine(definition(**parts))
    engine.feed("a", b"".join(lines), FAR_FUTURE_US)
    return engine


def accounts(engine: ReferenceEngine) -> list[str]:
    engine.commit()
    return [f"{row.account} {row.reason}".strip() for row in engine.ledger() for _ in range(row.records)]


@pytest.mark.parametrize("ask", ["cells", "ledger", "side_log", "status"])
def test_only_whole_epochs_are_seen(ask: str):
    """What was fed since the last commit is not shown half."""
    engine = engine_with(line(t=0, r=0, id=1))
    with pytest.raises(CallError, match="not counted yet"):
        getattr(engine, ask)()


def test_an_epoch_without_change_is_none():
    """The number stays."""
    engine = engine_with(line(t=0, r=0, id=1))
    assert engine.commit() == engine.commit()


def test_a_partition_goes_on_at_its_own_record():
    """A gap or a repetition of what is fed is a mistake of the caller."""
    engine = engine_with(line(t=0, r=0, id=1))
    engine.feed("a", line(t=0, r=0, id=2), FAR_FUTURE_US, start_record=1)
    with pytest.raises(CallError, match="goes on at record 2, not 1"):
        engine.feed("a", line(t=0, r=0, id=2), FAR_FUTURE_US, start_record=1)


def test_positions_do_not_go_back():
    """What was consumed already is not fed again; the source leaves it out."""
    engine = ReferenceEngine(definition())
    engine.feed_records("a", [PositionedRecord(line(t=0, r=0, id=1), 7)], FAR_FUTURE_US)
    with pytest.raises(CallError, match="a goes on at 8, not 7"):
        engine.feed_records("a", [PositionedRecord(line(t=0, r=0, id=2), 7)], FAR_FUTURE_US)


def test_records_and_lines_are_the_same_records():
    """Positions from 0, without gaps, and a stamp in the record: the same answers."""
    data = [line(t=0, r=0, id=1), b"nonsense\n", line(t=5, r=3, id=2), line(t=0, r=4, id=1)]
    lines, records = engine_with(*data), ReferenceEngine(definition())
    records.feed_records("a", [PositionedRecord(each[:-1], n) for n, each in enumerate(data)], FAR_FUTURE_US)
    lines.commit()
    records.commit()
    for ask in ("cells", "ledger", "side_log", "status"):
        assert getattr(lines, ask)() == getattr(records, ask)()


def test_a_message_may_hold_line_ends():
    """It is one record, whatever its bytes are."""
    engine = ReferenceEngine(definition())
    engine.feed_records("a", [PositionedRecord(b'{"t": 0,\n"r": 0,\n"id": 1}', 0)], FAR_FUTURE_US)
    assert accounts(engine) == ["counted"]


def test_lines_have_no_stamp_beside_them():
    """A definition that needs one says how to feed."""
    stamped = definition()
    broker = replace(stamped, event=replace(stamped.event, received="broker"))
    with pytest.raises(CallError, match="received: broker needs"):
        ReferenceEngine(broker).feed("a", b"{}", 0)


def test_gaps_that_do_not_balance_stop_the_epoch():
    """Positions consumed are records and gaps."""
    engine = engine_with(line(t=0, r=0, id=1))
    engine._state.partitions["a"].gaps += 1
    with pytest.raises(InternalError, match="the positions of a hold 2 of 1 records"):
        engine.commit()


def test_a_heartbeat_needs_a_live_partition():
    """An unknown one cannot be idle."""
    with pytest.raises(CallError, match="a is not live"):
        ReferenceEngine(definition()).heartbeat("a", 0)


def test_the_ledger_adds_up_the_hashes_of_its_members():
    """Events by their uuid, other records by their position."""
    engine = engine_with(line(t=0, r=0, id="x"), line(t=0, r=0, id="y"), b"nonsense\n")
    engine.commit()
    key, spec = namespace_key("unit"), definition().event.id
    events = sum(ledger_digest(key, event_uuid(key, spec, [value])) for value in ("x", "y")) & MASK_128
    digests = {row.account: row.digest for row in engine.ledger()}
    assert digests == {Account.COUNTED: events, Account.MALFORMED: position_uuid(key, "a", 2)}


def test_a_ledger_that_does_not_balance_stops_the_epoch():
    """I2: no such epoch is published."""
    engine = engine_with(line(t=0, r=0, id=1))
    engine._state.partitions["a"].records += 1
    with pytest.raises(InternalError, match="the accounts of a hold 1 of 2 records"):
        engine.commit()


@pytest.mark.parametrize(("limits", "message"), [("cells_max: 1", "more cells than"), ("ids_max: 1", "more ids than")])
def test_a_full_store_stops(limits: str, message: str):
    """Before the epoch that would pass the limit."""
    engine = engine_with(line(t=0, r=0, id=1, k="x"), line(t=0, r=0, id=2, k="y"), limits=limits)
    with pytest.raises(DataError, match=message):
        engine.commit()


def test_what_is_forgotten_is_freed_and_decides_nothing():
    """With and without the memory of an old id, the verdicts are the same."""
    old, new, again = line(t=0, r=0, id=1), line(t=7200, r=7200, id=2), line(t=7200, r=7200, id=1)
    freed, held = engine_with(old), engine_with(old)
    freed.feed("a", new, FAR_FUTURE_US)
    freed.commit()
    assert len(freed._state.remembered) == 1
    freed.feed("a", again, FAR_FUTURE_US)
    held.feed("a", new + again, FAR_FUTURE_US)
    assert accounts(freed) == accounts(held) == ["counted"] * 3


def test_an_added_field_makes_no_conflict():
    """Across versions of the field list time alone decides; what is kept does not change."""
    first = engine_with(line(t=0, r=0, id=1, k="x"), line(t=0, r=0, id=2, k="x"))
    first.commit()
    second = ReferenceEngine(definition(fields="k: k, extra: extra"), previous=first)
    second.feed("a", line(t=0, r=0, id=1, k="y", extra=1) + line(t=1, r=1, id=2, k="x"), FAR_FUTURE_US)
    assert accounts(second) == ["duplicate under_1s", "conflict time", "counted", "counted"]


def test_the_width_of_buckets_stays_with_the_store():
    """Another one would match what may have been freed already."""
    assert continued(definition(), definition(accept="lateness: 8h")).accept.bucket_us == definition().accept.bucket_us


@pytest.mark.parametrize(
    "parts",
    [
        {"accept": "lateness: 30m"},
        {"accept": "lateness: 1h, future: 1m"},
        {"fields": "k: {path: k, type: text}"},
        {"fields": "j: k", "measures": "by: [[j]], measures: {events: count}"},
        {"measures": "by: [[]], measures: {n: count}"},
    ],
)
def test_what_changes_counted_cells_needs_a_new_store(parts: dict[str, str]):
    """Lowered acceptance, changed or removed fields, other metrics."""
    with pytest.raises(StoreError):
        continued(definition(), definition(**parts))


def test_a_store_without_a_limit_takes_none_later():
    """Unbounded is more than any lateness."""
    with pytest.raises(StoreError, match="lateness is lower"):
        continued(definition(accept=""), definition())
