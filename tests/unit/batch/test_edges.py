"""Records at the edges of what SQL can hold: the recount says of them what the reference engine says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard

from crossfoot.definition.load import load_text
from crossfoot.engines.batch import BatchEngine
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.errors import DataError
from tests.batch import recount
from tests.engines import FAR_FUTURE_US, Feed

HUGE = 2**64 - 1
LARGEST = 2**63 - 1


def definition(grain: str = "all", **event: Any) -> Any:
    """A definition of records like {"t": 1, "n": 1}."""
    told = {"time": {"field": "t", "unit": "s"}, "received": "none", "id": "n", "fields": {}} | event
    metric = {"by": [list(told["fields"])], "measures": {"events": "count"}, "grains": [grain]}
    source = {"files": "events.jsonl"}
    found = {"crossfoot": 1, "namespace": "edges", "source": source, "event": told, "metrics": {"m": metric}}
    return found | ({"preprocess": {"explode": "list"}} if "list.n" in told["id"] else {})


def expected(spec: Any, lines: Sequence[bytes]) -> tuple[dict[tuple[str, str, str], int], list[tuple[Any, ...]]]:
    """Account totals and rows of the reference engine."""
    engine = ReferenceEngine(load_text(json.dumps(spec)))
    engine.register(["p"])
    engine.feed("p", b"\n".join(lines) + b"\n", FAR_FUTURE_US)
    engine.commit()
    totals: dict[tuple[str, str, str], int] = {}
    for row in engine.ledger():
        key = (row.account.value, row.reason, row.part)
        totals[key] = totals.get(key, 0) + row.records
    names = [*spec["event"]["fields"], "events"]
    return totals, [tuple(row[name] for name in names) for row in engine.cells()[0].rows]


def found(spec: Any, lines: Sequence[bytes]) -> tuple[dict[tuple[str, str, str], int], list[tuple[Any, ...]]]:
    """The same of the recount."""
    loaded = load_text(json.dumps(spec))
    made = recount(loaded, [Feed("p", b"\n".join(lines) + b"\n", FAR_FUTURE_US)])
    names, grain = list(spec["event"]["fields"]), spec["metrics"]["m"]["grains"][0]
    rows = made.cells("m", tuple(names), grain).to_pylist()
    return made.reasons(), [tuple(row[name] for name in [*names, "events"]) for row in rows]


def same_of_each(spec: Any, lines: Sequence[bytes]) -> None:
    """Both put each record in the same account, with the same reason."""
    engine = BatchEngine(load_text(json.dumps(spec)))
    places = list(range(len(lines)))
    engine.add_raw(
        pa.table({"partition": ["p"] * len(lines), "position": places, "record": pa.array(lines, pa.binary())})
    )
    judged = f"SELECT account, reason, part FROM {engine.run().judged} ORDER BY position"
    told = dict(zip(lines, engine.connection.execute(judged).fetchall(), strict=True))
    assert told == {line: next(iter(expected(spec, [line])[0])) for line in lines}


def of_expression(expression: str, kind: str, values: Sequence[object]) -> None:
    """Both say the same of a field that is calculated from `a`."""
    spec = definition(fields={"x": {"expr": expression, "type": kind}})
    lines = [f'{{"n": {number}, "t": 1, "a": {value}}}'.encode() for number, value in enumerate(values)]
    assert found(spec, lines) == expected(spec, lines)


FRACTIONS = ("12.5", "-12.5", "0.5", "-0.05", "99999999999999999.9", "0.000000000000000001", "10.0", "-0.0", "1e-18")


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("cast(a as text)", "text"),
        ("a / 2", "float"),
        ("a > 1e1", "boolean"),
        ("a > b", "boolean"),
        ("a = a", "boolean"),
        ("cast(a as integer)", "integer"),
    ],
)
def test_fractions_of_ten_and_more(expression: str, kind: str):
    """A raw fraction is as wide as its digits."""
    of_expression(expression, kind, [*FRACTIONS, *[f'{each}, "b": 10.25' for each in FRACTIONS]])


@pytest.mark.parametrize("kind", ["integer", "text", "boolean", "decimal(2)", "float"])
def test_a_cast_of_a_list_or_an_object_is_of_the_wrong_type(kind: str):
    """It is no null."""
    of_expression(f"cast(a as {kind})", kind, ["[1]", "{}", "null"])
    of_expression("coalesce(cast(a as integer), 0)", "integer", ["[1]", "{}", "null", "1"])


@pytest.mark.parametrize(
    ("expression", "kind"),
    [("a is null", "boolean"), ("cast(a as float)", "float"), ("lower(a)", "text"), ("a > 1", "boolean")],
)
def test_integers_beyond_63_bits_are_floats_in_expressions(expression: str, kind: str):
    """As all numbers that are no integer and no decimal."""
    of_expression(expression, kind, [LARGEST + 1, HUGE, HUGE + 1, LARGEST])


def test_a_scalar_is_no_object():
    """And does not stop the rest."""
    scalars = (b"1234567890123456", rb'"see \"info\""', rb'"\u0041"', b"[1234567890123456]", b"nan")
    same_of_each(definition(), [b'{"n": 1, "t": 1}', *scalars])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_at_the_ends_of_64_bits(unit: str):
    """Counted or out of range; none stops the recount."""
    values = [LARGEST - 1, LARGEST, LARGEST + 1, HUGE, HUGE + 1, -LARGEST, -LARGEST - 1, -LARGEST - 2, "9.3e18", -1]
    lines = [f'{{"n": {number}, "t": {value}}}'.encode() for number, value in enumerate(values)]
    spec = definition(time={"field": "t", "unit": unit})
    assert found(spec, lines) == expected(spec, lines)


def test_received_times_at_the_ends_of_64_bits():
    lines = [f'{{"n": 1, "t": 1, "r": {value}}}'.encode() for value in (LARGEST, -LARGEST, 1)]
    spec = definition(received={"field": "r", "unit": "us"})
    assert found(spec, lines) == expected(spec, lines)


IDS = {
    "minus nothing": [b'"n": 0', b'"n": -0', rb'"n": -0, "\u0061": 1', b'"n": -0.0', b'"n": "-0"'],
    "exponents": [
        b'"n": 1e' + exponent
        for exponent in (
            b"1000000000",
            b"1000000001",
            b"2147483647",
            b"2147483648",
            b"3000000000",
            b"9" * 19,
            b"9" * 20,
        )
    ],
    "equal exponents": [b'"n": 1e3000000000', b'"n": 10e2999999999', b'"n": 10e2147483647', b'"n": 0e3000000000'],
}


@pytest.mark.parametrize("name", IDS)
def test_numbers_are_the_same_ids(name: str):
    lines = [b'{"t": 1, ' + line + b"}" for line in IDS[name]]
    assert found(definition(), lines) == expected(definition(), lines)


def test_numbers_in_elements_are_the_same_ids():
    lines = [b'{"t": 1, "n": 1, "list": [{"n": 0}, {"n": -0}, {"n": "-0"}, {"n": 1e0}, {"n": 1}]}']
    spec = definition(id=["n", "list.n"])
    assert found(spec, lines) == expected(spec, lines)


MIDNIGHT = ("01-01T23:59:59.999999", "01-02T00:00:00")


@pytest.mark.parametrize("year", ["1500", "1683", "1970", "2255", "2400", "9000"])
def test_the_last_microsecond_of_a_day_is_of_that_day(year: str):
    """However far it is from 1970."""
    lines = [f'{{"n": {number}, "t": "{year}-{at}"}}'.encode() for number, at in enumerate(MIDNIGHT)]
    spec = definition("1d Asia/Tokyo", time={"field": "t", "unit": "iso", "zone": "Asia/Tokyo"})
    assert found(spec, lines)[1] == [(1,), (1,)] == expected(spec, lines)[1]


@pytest.mark.parametrize("kind", ["text", "boolean", "integer", "decimal(2)", "float", None])
def test_reasons_of_numbers(kind: str | None):
    """What no float holds is out of range before it is of the wrong type."""
    spec = definition(fields={"b": {"path": "b"} | ({"type": kind} if kind else {})})
    values = ("1e309", "-1e309", "1e999999999999", "1.5", str(HUGE), "-0", "[]", '"x"', "null")
    same_of_each(spec, [f'{{"n": {n}, "t": 1, "b": {value}}}'.encode() for n, value in enumerate(values)])


FAULTS = (
    *(rb'{"a":"\ud83d\ude00",}', rb'{"a":"\ud83d', rb'{"a":"\ud83d\u', rb'{"a":"\ud83d\ude0', rb'{"\ud83d'),
    *(
        rb'{"\ud83d":1}',
        rb'[["\ude00"',
        rb"[[[[",
        rb"[[[ [",
        rb'{"a" 1, "x":[[[[]]]]}',
        rb'{"a":1,"b":1,"c":1,"d":1,"e',
    ),
    *(rb'{"a":1,"b":1,"c":1,"d":1,"e\ud800":1}', rb'{"a":NaN,"b":"\ud800"}', rb'{"a":"\ud800","b":NaN}'),
    *(
        rb'{"a":"\\ud800"}',
        rb'{"a":"\\\ud800"}',
        rb'{"a":\ud800}',
        rb'{"a":"\x\ud800"}',
        rb'{"a":"\ud800\ud800\udc00"}',
    ),
    *(rb'{"a":[[[[]]]],"b":"\ud800"}', rb'{"a":"\ud800","b":[[[[]]]]}', '{"é":"é","é\\ud800"'.encode(), rb'1 "\ud800"'),
)


def test_what_comes_first_says_why_a_record_is_malformed():
    """Brackets, members and half code points, as far as a parser comes."""
    same_of_each(definition() | {"limits": {"depth_max": 3, "members_max": 4}}, FAULTS)


BYTES = {
    "no UTF-8": b'{"n":1,"t":1}\n\xff\xfe\n{"n":2,"t":1,"s":"\xff"}\n{"n":3,"t":1}\n',
    "mixed ends": b'{"n":1,"t":1}\n{"n":2,"t":1}\r\n{"n":3,"t":1}\n\r\n \n{"n":4,"t":1}',
    "a lone CR": b'{"n":1,\r"t":1}\n{"n":2,"t":1}\n\r{"n":3,"t":1}\r\r\n',
    "odd characters": b'{"n":1,"t":1,"s":"\x00\x01"}\n{"n":2,"t":1,"s":"\x7f\xc2\x85\xe2\x80\xa8"}\n\x0b\n',
    "long lines": b"\n".join([b'{"n":1,"t":1,"s":"%s"}' % (b"x" * many) for many in (97, 98, 300)] + [b" " * 500]),
    "nothing": b"",
}
PACKED = [(name, "") for name in BYTES] + [("mixed ends", ".gz"), ("no UTF-8", ".zst")]


@pytest.mark.parametrize(("name", "packed"), PACKED)
def test_lines_of_files_byte_by_byte(tmp_path: Path, name: str, packed: str):
    """What the rules name is no reason to stop."""
    path = tmp_path / f"events.jsonl{packed}"
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[packed]
    path.write_bytes(pack(BYTES[name]))
    spec = definition() | {"limits": {"record_bytes_max": len(b'{"n":1,"t":1,"s":""}') + 97}}
    engine = BatchEngine(load_text(json.dumps(spec)))
    engine.add_files([str(path)])
    assert engine.run().reasons() == expected(spec, BYTES[name].split(b"\n"))[0]


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"n":1,"t":1}\n')
    engine = BatchEngine(load_text(json.dumps(definition())))
    engine.add_files([str(path)])
    assert engine.run().accounts() == {"counted": 1}


@pytest.mark.parametrize(("name", "data"), [("a.gz", b"plain"), ("a.zst", b"plain"), ("a.jsonl", b"PAR1"), ("b", None)])
def test_files_without_lines_are_told(tmp_path: Path, name: str, data: bytes | None):
    """Packed otherwise than named, Parquet, or not there."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=rf"{name} cannot be read"):
        BatchEngine(load_text(json.dumps(definition()))).add_files([str(tmp_path / name)])
