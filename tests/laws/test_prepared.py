"""Placement changes no number: prepared in one place and counted in another is counted where it was read."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.event import Account, PositionedRecord
from tests.engines import DRIVERS, FAR_FUTURE_US, Driver
from tests.golden.answers import shown
from tests.preparing import Prepared, prepare, reading, step
from tests.times import us

BASE_US = us("2024-05-01T10:00:00Z")
HOUR_US = 3_600_000_000
TEXT = """
crossfoot: 1
namespace: laws
source: {kafka: {topic: clicks, bootstrap.servers: h}}
event:
  time: {field: t, unit: us}
  received: broker
  id: ID
  where: flag is null or flag
  fields:
    flag: {path: flag, type: boolean}
    named: {path: PATHname, type: text, default: "-"}
    number: {path: PATHnumber, type: integer}
    price: {path: PATHprice, type: decimal(3)}
    share: {path: share, type: float}
    any: {path: any}
accept: {lateness: 1h, horizon: 6h}
metrics:
  all:
    by: [[], [flag], [named, any], [price]]
    measures: {events: count, total: sum(number), cost: sum(price), least: min(share), most: max(share), many: distinct(any)}
    grains: [1h, all]
preprocess: {}
"""


def definition(identity: str, explode: bool):
    text = TEXT.replace("ID", identity).replace("PATH", "items.") if explode else TEXT.replace("ID", identity)
    text = text if explode else text.replace("PATH", "")
    return load_text(text.replace("preprocess: {}", "preprocess: {explode: items}" if explode else ""))


DEFINITIONS = {
    "fields": definition("[id, more]", False),
    "position": definition("position", False),
    "explode": definition("id", True),
    "explode-own-ids": definition("[id, items.number]", True),
    "explode-position": definition("position", True),
}
COUNTED_LATER = (Account.COUNTED, Account.DUPLICATE, Account.CONFLICT, Account.FUTURE, Account.TOO_LATE)

numbers = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-3, 3)
decimals = st.decimals(-(10**12), 10**12, places=3).map(str) | st.integers(-5, 5)
values = {
    "name": st.text(max_size=6) | st.none() | st.sampled_from(["", "null", 'é\n"\\\u2028', "\x00"]),
    "number": numbers | st.none(),
    "price": decimals | st.none(),
    "share": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9) | st.none(),
    "any": st.text(max_size=3) | numbers | st.booleans() | st.none(),
    "flag": st.sampled_from([None, True, True, True, False]),
}
wrong = st.sampled_from(["number", "price", "share", "name", "flag", "t", "id"])


@st.composite
def raw_records(draw: st.DrawFn) -> dict[str, Any] | None:
    """A record as it may come; None: no JSON."""
    if draw(st.integers(0, 19)) == 0:
        return None
    record = {name: draw(value) for name, value in values.items()}
    inner = st.fixed_dictionaries({name: values[name] for name in ("name", "number", "price")})
    record["items"] = draw(st.lists(inner, max_size=3) | st.none())
    record["t"] = BASE_US + draw(st.integers(-90, 90)) * 60_000_000 + draw(st.integers(0, 3))
    record |= {"id": draw(st.integers(0, 4)), "more": draw(st.sampled_from(["x", 1, "1"]))}
    if draw(st.integers(0, 9)) == 0:
        record[draw(wrong)] = draw(st.sampled_from([[1], {"a": 1}, 1.5, "x"]))
    return record


def data_of(record: dict[str, Any] | None, escaped: bool) -> bytes:
    return b"no json" if record is None else json.dumps(record, ensure_ascii=escaped).encode()


logs = st.lists(st.tuples(raw_records(), st.integers(-20, 60), st.booleans(), st.integers(1, 3)), max_size=30)


def positioned(log: list[Any]) -> list[PositionedRecord]:
    """With stamps that mostly rise, and gaps."""
    records, offset, stamp_us = [], 0, BASE_US
    for record, seconds, escaped, gap in log:
        offset, stamp_us = offset + gap, stamp_us + seconds * 1_000_000
        records.append(PositionedRecord(data_of(record, escaped), offset, stamp_us))
    return records


def counted(driver: Driver) -> tuple[Any, ...]:
    """Cells, and the rows of the accounts that are decided where events are counted, with their digests."""
    engine = driver.engine
    engine.commit()
    cells = [[{name: shown(value) for name, value in row.items()} for row in table.rows] for table in engine.cells()]
    return cells, sorted((row for row in engine.ledger() if row.account in COUNTED_LATER), key=repr)


def received_us(message: bytes) -> int:
    return us(json.loads(message)["received"])


def messages_of(prepared: Prepared) -> list[PositionedRecord]:
    """As they would be read: each is stamped when it was received, so t is the same as where it was prepared."""
    return [PositionedRecord(data, offset, received_us(data)) for offset, data in enumerate(prepared.messages)]


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("engine", DRIVERS)
@settings(max_examples=25)
@given(log=logs, cut=st.integers(0, 30))
def test_singles_are_counted_as_the_records_are(engine: str, name: str, log: list[Any], cut: int):
    """Cells, accounts and digests; prepared in one call or in two, whose state goes on."""
    direct, records = DEFINITIONS[name], positioned(log)
    preparation = step(direct)
    first = prepare(preparation, records[:cut])
    second = prepare(preparation, records[cut:], (first.summary["last_t_us"], None))
    assert second.messages == prepare(step(direct), records).messages[len(first.messages) :]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for place, one in enumerate((direct, reading(direct, HOUR_US))):
            driver = DRIVERS[engine](one, Path(folder) / str(place))
            driver.engine.register(["p"])
            told = records if place == 0 else [*messages_of(first), *messages_of(second)]
            told = [PositionedRecord(each.data, at, each.stamp_us) for at, each in enumerate(told)] if place else told
            driver.engine.feed_records("p", told, FAR_FUTURE_US)
            found.append(counted(driver))
    assert found[0] == found[1]
    events = sum(each.summary["events"] for each in (first, second))
    assert events == sum(row.records for row in found[1][1])
