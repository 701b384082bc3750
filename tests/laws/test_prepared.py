"""Placement changes no number: prepared in one place and counted in another is counted where it was read."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition
from crossfoot.event import Account, LedgerRow, PositionedRecord
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
    measures: {events: count, total: sum(number), cost: sum(price), least: min(share), many: distinct(any)}
    grains: [1h, all]
preprocess: {}
"""


def definition(identity: str, explode: bool) -> Definition:
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


def counted(driver: Driver, records: list[PositionedRecord]) -> tuple[Any, list[LedgerRow]]:
    """Cells and the ledger."""
    engine = driver.engine
    engine.register(["p"])
    engine.feed_records("p", records, FAR_FUTURE_US)
    engine.commit()
    cells = [[{name: shown(value) for name, value in row.items()} for row in table.rows] for table in engine.cells()]
    return cells, engine.ledger()


def exact(rows: list[LedgerRow]) -> list[Any]:
    """The rows of the accounts that are decided where events are counted."""
    return sorted((row for row in rows if row.account in COUNTED_LATER), key=repr)


def sums(rows: list[LedgerRow]) -> dict[Any, tuple[int, int]]:
    """The same without minutes and ages: where a block is read, all of it has one t."""
    found: dict[Any, tuple[int, int]] = {}
    for row in exact(rows):
        key = row.account, "" if row.account == Account.DUPLICATE else row.reason
        records, digest = found.get(key, (0, 0))
        found[key] = records + row.records, (digest + row.digest) % (1 << 128)
    return found


def refused(rows: list[LedgerRow]) -> dict[Any, int]:
    found: Counter[Any] = Counter()
    for row in rows:
        if row.account not in COUNTED_LATER:
            found[str(row.account), row.reason, row.part] += row.records
    return dict(found)


def stamp_of(message: bytes, last_t_us: int) -> int:
    """A single is stamped when it was received, so t is the same as where it was prepared."""
    return last_t_us if message.startswith(b"\xff") else us(json.loads(message)["received"])


def told(prepared: Prepared, last_t_us: int = 0) -> list[PositionedRecord]:
    """The messages as they are read."""
    return [PositionedRecord(data, at, stamp_of(data, last_t_us)) for at, data in enumerate(prepared.messages)]


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
    whole = prepare(step(direct), records)
    assert whole.messages == first.messages + second.messages
    with tempfile.TemporaryDirectory() as folder:
        here = counted(driver_of(engine, direct, folder, "here"), records)
        there = counted(driver_of(engine, reading(direct, HOUR_US), folder, "there"), told(whole))
    assert (here[0], exact(here[1])) == (there[0], exact(there[1]))
    assert refused(here[1]) == {tuple(row[:3]): row[3] for row in whole.summary["accounts"]}


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("engine", DRIVERS)
@settings(max_examples=25)
@given(log=logs, block_bytes=st.sampled_from([1, 300, 1000, 1 << 19]))
def test_blocks_are_counted_as_the_records_are(engine: str, name: str, log: list[Any], block_bytes: int):
    """Of any size; cells, accounts and digests, while none waits longer than it may."""
    direct, records = DEFINITIONS[name], positioned(log)
    whole = prepare(step(direct, form="block", block_bytes=block_bytes), records)
    with tempfile.TemporaryDirectory() as folder:
        here = counted(driver_of(engine, direct, folder, "here"), records)
        messages = told(whole, whole.summary["last_t_us"] or 0)
        there = counted(driver_of(engine, reading(direct, 5 * HOUR_US), folder, "there"), messages)
    assert (here[0], sums(here[1])) == (there[0], sums(there[1]))
    assert refused(there[1]) == {}


def driver_of(engine: str, definition: Definition, folder: str, name: str) -> Driver:
    return DRIVERS[engine](definition, Path(folder) / name)
