"""Blocks: what both engines read of them, and what of one that is damaged, foreign or made to harm."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.definition.prepared import marks
from crossfoot.event import PositionedRecord
from crossfoot.prepare.blocks import BLOCK_EVENTS_MAX
from tests.engines import DRIVERS, FAR_FUTURE_US
from tests.golden.answers import answers
from tests.preparing import prepare, reading, step
from tests.times import us

T_US = us("2024-05-01T10:00:00Z")
DEFINITION = load_text("""
crossfoot: 1
namespace: blocks
source: {kafka: {topic: clicks, bootstrap.servers: h}}
event:
  time: {field: t, unit: us}
  received: broker
  id: id
  fields:
    k: {path: k, type: text}
    v: {path: v, type: integer}
    p: {path: p, type: decimal(2)}
    f: {path: f, type: float}
    b: {path: b, type: boolean}
    a: {path: a}
accept: {lateness: 1h, horizon: 2h}
metrics:
  m:
    by: [[], [k], [a]]
    measures: {events: count, total: sum(v), cost: sum(p), least: min(f)}
    grains: [1h]
""")
THERE = reading(DEFINITION, 3_600_000_000)


def raw(number: int) -> PositionedRecord:
    values = {"k": f"é{number % 3}", "v": number, "p": 1.5, "f": 0.5, "b": True, "a": number % 2}
    return PositionedRecord(json.dumps({"t": T_US + number, "id": number, **values}).encode(), number, T_US)


def block_of(count: int = 20, **options: Any) -> bytes:
    """The events 0 to `count` in one message."""
    prepared = prepare(step(DEFINITION, form="block", **options), [raw(number) for number in range(count)])
    (message,) = prepared.messages
    return message


def table_of(message: bytes) -> pa.Table:
    return pa.ipc.open_stream(message).read_all()


def written(table: pa.Table, compression: str | None = "zstd", batch: int | None = None) -> bytes:
    """As another program would write it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=batch)
    return sink.getvalue().to_pybytes()


def counted(name: str, messages: list[bytes], folder: Path, definition: Any = THERE) -> dict[str, Any]:
    driver = DRIVERS[name](definition, folder / name)
    records = [PositionedRecord(data, offset, T_US) for offset, data in enumerate(messages)]
    driver.engine.feed_records("p", records, FAR_FUTURE_US)
    driver.engine.commit()
    return answers(driver.engine)


def ledger(messages: list[bytes], folder: Path, definition: Any = THERE) -> dict[str, int]:
    """The accounts, on which the engines agree in everything that they answer."""
    found = [counted(name, messages, folder, definition) for name in DRIVERS]
    assert found[0] == found[1]
    accounts: dict[str, int] = found[0]["ledger"]
    return accounts


def test_a_block_is_an_arrow_stream_that_others_read():
    """Its schema says whose it is, and where it comes from."""
    table = table_of(block_of(2))
    said = {"crossfoot.form": "prepared", **marks(DEFINITION), "topic": "clicks", "partition": "3"}
    assert table.schema.metadata == {name.encode(): text.encode() for name, text in said.items()}
    assert table.schema.field("data.p").metadata == {b"scale": b"2"}
    first = table.to_pylist()[0]
    assert first | {"id": 0, "time": 0, "received": 0} == {
        "id": 0, "time": 0, "received": 0, "offset": 0, "element": None, "attempt": 1,
        "data.k": "é0", "data.v": 0, "data.p": 150, "data.f": 0.5, "data.b": True, "data.a": "0",
    }  # fmt: skip


def test_the_same_records_give_the_same_bytes():
    assert block_of() == block_of()


@pytest.mark.parametrize("compression", ["zstd", None])
@pytest.mark.parametrize("batch", [None, 7])
def test_what_another_program_writes_is_read(tmp_path: Path, compression: str | None, batch: int | None):
    """Compressed or not, in one batch or several."""
    assert ledger([written(table_of(block_of()), compression, batch)], tmp_path) == {"counted": 20}


def test_a_block_without_events_is_filtered(tmp_path: Path):
    assert ledger([written(table_of(block_of()).slice(0, 0))], tmp_path) == {"filtered empty": 1}


def changed(name: str, values: list[Any], kind: pa.DataType | None = None) -> bytes:
    """A block of as many events, with another column in the place of one."""
    table = table_of(block_of(len(values)))
    place = table.schema.get_field_index(name)
    field = table.schema.field(name)
    column = pa.array(values, kind or field.type)
    return written(table.set_column(place, field.with_type(column.type), column))


@pytest.mark.parametrize(
    ("name", "values", "account"),
    [
        ("id", [b"x" * 16, None], "invalid missing id"),
        ("time", [T_US, None], "invalid missing time"),
        ("time", [T_US, 1 << 60], "invalid range time"),
        ("received", [T_US, None], "invalid missing received"),
        ("received", [T_US, FAR_FUTURE_US * 2], "invalid stamp received"),
        ("data.f", [0.5, float("nan")], "invalid range f"),
        ("data.f", [0.5, float("-inf")], "invalid range f"),
        ("data.a", ["1", "[1]"], "invalid type a"),
        ("data.a", ["1", "1.5"], "invalid type a"),
        ("data.a", ["1", "tru"], "invalid type a"),
        ("data.a", ["1", '"\\ud800"'], "invalid type a"),
        ("data.a", ["1", "123456789012345678901"], "invalid type a"),
    ],
)
def test_an_event_that_is_wrong_is_invalid_by_itself(tmp_path: Path, name: str, values: list[Any], account: str):
    """The others of its block are counted."""
    assert ledger([changed(name, values)], tmp_path) == {"counted": 1, account: 1}


def test_the_bytes_of_a_block_are_not_kept_with_each_of_its_events(tmp_path: Path):
    """The side log says where the event stands."""
    for name in DRIVERS:
        driver = DRIVERS[name](THERE, tmp_path / name)
        driver.engine.feed_records(
            "p", [PositionedRecord(changed("data.f", [0.5, float("nan")]), 5, T_US)], FAR_FUTURE_US
        )
        driver.engine.commit()
        (entry,) = driver.engine.side_log()
        assert (entry.record, entry.element, entry.raw) == (5, 1, b"")


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.replace_schema_metadata({**table.schema.metadata, b"definition": b"0" * 32}),
        lambda table: table.replace_schema_metadata({**table.schema.metadata, b"source": b"crossfoot:other"}),
        lambda table: table.replace_schema_metadata({b"crossfoot.form": b"prepared"}),
    ],
)
def test_a_block_of_another_definition_is_invalid_as_a_whole(tmp_path: Path, change: Any):
    """Its columns are others: once, not for each event."""
    message = written(change(table_of(block_of())))
    assert ledger([message], tmp_path) == {"invalid definition definition": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.replace_schema_metadata({}),
        lambda table: table.drop_columns(["data.b"]),
        lambda table: table.append_column("more", pa.nulls(table.num_rows)),
        lambda table: table.select(table.column_names[::-1]),
        lambda table: table.set_column(3, "offset", table["offset"].cast(pa.int32())),
        lambda table: table.set_column(6, "data.k", table["data.k"].cast(pa.large_string())),
        lambda table: table.set_column(6, "data.k", table["data.k"].dictionary_encode()),
        lambda table: table.set_column(1, "time", table["time"].cast(pa.timestamp("ns", "UTC"))),
        lambda table: table.set_column(1, "time", table["time"].cast(pa.timestamp("us", "Europe/Paris"))),
        lambda table: table.set_column(8, "data.p", table["data.p"]),
    ],
)
def test_a_block_of_another_shape_is_malformed(tmp_path: Path, change: Any):
    assert ledger([written(change(table_of(block_of())))], tmp_path) == {"malformed syntax": 1}


def test_cut_and_lengthened_blocks_are_malformed(tmp_path: Path):
    """Wherever it is cut: one without its end mark is not taken for one with fewer events."""
    message = block_of(3)
    cut = [
        message[:end]
        for end in (1, 4, 7, 8, 50, len(message) // 2, len(message) - 30, len(message) - 9, len(message) - 8)
    ]
    assert ledger([*cut, message + b"x", message], tmp_path) == {"malformed syntax": 10, "counted": 3}


def test_a_block_over_a_limit_is_malformed(tmp_path: Path):
    """Of size, of events, and of bytes that it would take without compression: before they are asked for."""
    small = replace(THERE, limits=replace(THERE.limits, record_bytes_max=2000))
    assert ledger([block_of(200)], tmp_path / "size", small) == {"malformed size": 1}
    table = table_of(block_of(1))
    many = pa.concat_tables([table] * (BLOCK_EVENTS_MAX + 1)).combine_chunks()
    assert ledger([written(many)], tmp_path / "events") == {"malformed size": 1}
    wide = changed("data.k", ["x" * (17 << 20)])
    assert len(wide) < 1 << 20
    assert ledger([wide], tmp_path / "bytes") == {"malformed size": 1}


def test_blocks_and_singles_are_mixed(tmp_path: Path):
    """An event in both is one."""
    singles = prepare(step(DEFINITION), [raw(number) for number in range(5)]).messages
    assert ledger([singles[0], block_of(5), *singles], tmp_path) == {"counted": 5, "duplicate under_1s": 6}


def test_what_is_too_large_for_a_block_is_a_single():
    """In its place among the blocks."""
    large = PositionedRecord(b'{"t": %d, "id": 9, "k": "%s"}' % (T_US, b"x" * 600_000), 7, T_US)
    prepared = prepare(step(DEFINITION, form="block"), [raw(1), large, replace(raw(2), offset=8)])
    assert [message[:1] for message in prepared.messages] == [b"\xff", b"{", b"\xff"]
    assert prepared.summary["events"] == 3


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 1 << 32), flips=st.integers(1, 6))
def test_any_damage_has_an_account(seed: int, flips: int, tmp_path_factory: pytest.TempPathFactory):
    """The engine goes on, and its ledger balances; what stands in the block is never asked to be believed."""
    source = random.Random(seed)
    table = table_of(block_of(40))
    message = bytearray(written(table, source.choice(["zstd", None])))
    for _ in range(flips):
        message[source.randrange(1, len(message))] = source.choice([0, 1, 127, 128, 255, source.randrange(256)])
    whole = block_of(1)
    driver = DRIVERS["embedded"](THERE, tmp_path_factory.mktemp("store"))
    records = [PositionedRecord(data, offset, T_US) for offset, data in enumerate([bytes(message), whole])]
    driver.engine.feed_records("p", records, FAR_FUTURE_US)
    driver.engine.commit()
    found = answers(driver.engine)
    told = found["partitions"]["p"]
    assert sum(found["ledger"].values()) == told["records"] + told["exploded"]
    assert told["records"] == 2
