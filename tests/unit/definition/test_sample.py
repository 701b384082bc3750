"""Proposals from a sample, and whether a definition fits one."""

import gzip
import io
import json
import tarfile
from collections import Counter
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.definition.messages import EXAMPLE
from crossfoot.definition.model import Definition, Format, IdSpec, TimeSpec
from crossfoot.definition.sample.look import look_at
from crossfoot.definition.sample.propose import propose
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.errors import DataError
from crossfoot.sources.sample import beginning
from tests.counting import count
from tests.needs import shared_data

FAR_FUTURE_US = 4_102_444_800_000_000


def lines(*records) -> bytes:
    return "".join([json.dumps(record) + "\n" for record in records]).encode()


def accounts(definition: Definition, data: bytes) -> dict[str, int]:
    """How many records of the sample end in each account."""
    engine = ReferenceEngine(definition)
    engine.register(["sample"])
    engine.feed("sample", data, FAR_FUTURE_US)
    engine.commit()
    found: Counter[str] = Counter()
    for row in engine.ledger():
        found[str(row.account)] += row.records
    return {name: records for name, records in found.items() if records}


def clicks(many=100):
    return [
        {
            "event_id": f"e{number}",
            "ts": 1_700_000_000_000 + number * 1000,
            "kind": ["view", "click"][number % 2],
            "user": {"id": number % 17, "country": "FR"},
            "price": number / 4,
            "items": [1],
            "new": number % 3 == 0,
        }
        for number in range(many)
    ]


CLICKS = lines(*clicks())


def test_json_lines():
    """Time and unit, id, dimensions, people and measures are found, and every record is counted."""
    definition = load_text(propose(CLICKS, "clicks.jsonl"))
    assert definition.event.time == TimeSpec(("ts",), "ms")
    assert definition.event.id == IdSpec("fields", (("event_id",),))
    assert definition.metrics[0].sets == ((), ("kind",), ("new",))
    assert [measure.kind for measure in definition.metrics[0].measures] == ["count", "distinct", "sum"]
    assert accounts(definition, CLICKS) == {"counted": 100}


def test_the_proposal_gives_reasons():
    """Each choice has a comment."""
    text = propose(CLICKS, "clicks.jsonl")
    assert "# in ms, from 2023-11-14 to 2023-11-14" in text
    assert "# 100 different values in 100 different records" in text
    assert "# 2 values: view, click" in text


def test_copies_do_not_hide_an_id():
    """Equal records say nothing about ids; they are counted once."""
    data = lines(*clicks(), *clicks(30))
    definition = load_text(propose(data, "clicks.jsonl"))
    assert definition.event.id == IdSpec("fields", (("event_id",),))
    assert accounts(definition, data) == {"counted": 100, "duplicate": 30}


def test_without_an_id_equal_records_are_one():
    """A fingerprint of all fields, with what might be an id beside it."""
    records = [{**record, "event_id": "same"} for record in clicks()]
    text = propose(lines(*records), "clicks.jsonl")
    assert load_text(text).event.id.kind == "fingerprint"
    assert "no field is an id: equal records are one event; or [ts, user.id], if these always differ" in text


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        ({"items": [{"sku": "a"}]}, {"items": [{"sku": "b"}]}, "items"),
        ({"of": {"items": ["a"]}}, {"of": {"items": ["b"]}}, "of.items"),
        ({"items": ["a"]}, {}, "items"),
        ({"size": 1}, {"size": {"cm": 1}}, "size"),
    ],
)
def test_what_no_fingerprint_holds_is_told_apart_by_position(first, second, named):
    """Records that may differ in a list alone are no copies; the reason names it, and what to do."""
    same = {"at": "2024-05-01T10:00:00Z", "user": "u1", "total": 5}
    data = lines({**same, **first}, {**same, **second})
    text = propose(data, "a.jsonl")
    assert load_text(text).event.id == IdSpec("position")
    assert f"records may differ in {named} alone" in text
    assert "name an id, or {fingerprint: [PATH, …]}" in text
    assert accounts(load_text(text), data) == {"counted": 2}


def test_lists_that_are_always_the_same_need_no_position():
    """What does not differ tells no records apart, and neither does an empty object."""
    records = [{"at": "2024-05-01T10:00:00Z", "n": number % 2, "items": [1]} for number in range(4)]
    data = lines(*records, {**records[0], "of": {}})
    assert load_text(propose(data, "a.jsonl")).event.id == IdSpec("fingerprint", (("at",), ("n",)))


def test_the_columns_of_a_table_that_hold_lists(tmp_path):
    """Rows of Parquet that differ in a list alone are known by position, those of a map by its keys."""
    kinds = {
        "list": (pa.list_(pa.string()), [["a"], ["b"]]),
        "map": (pa.map_(pa.string(), pa.string()), [[("k", "a")], [("k", "b")]]),
    }
    found = {}
    for name, (kind, values) in kinds.items():
        columns = {"at": ["2024-05-01T10:00:00Z"] * 2, "user": ["u1"] * 2, "more": pa.array(values, kind)}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        data = beginning(f"{name}.parquet", tmp_path)
        text = propose(data, "a.parquet", Format("parquet"))
        definition = load_text(text.replace("format: parquet", "format: json"))
        found[name] = (definition.event.id.kind, accounts(definition, data))
    assert found == {"list": ("position", {"counted": 2}), "map": ("fields", {"counted": 2})}


@pytest.mark.parametrize(
    ("value", "unit"),
    [(1_700_000_000, "s"), (1_700_000_000_000, "ms"), (1_700_000_000_000_000, "us"), (1_700_000_000_000_000_000, "ns")],
)
def test_units_by_magnitude(value, unit):
    """A number of seconds, milli-, micro- or nanoseconds since 1970 is told by its size."""
    definition = load_text(propose(lines({"t": value, "time": value}, {"time": value + 1}), "a.jsonl"))
    assert definition.event.time == TimeSpec(("time",), unit)


def test_local_times_ask_for_their_zone():
    """A text without offset gets a zone, and the comment says to name the right one."""
    text = propose(b"id,at,n\n1,2024-01-01 10:00:00,5\n2,2024-01-01 11:00:00,7\n", "a.csv")
    assert load_text(text).event.time == TimeSpec(("at",), "iso", None, "UTC")
    assert "name the one it is of" in text


def test_csv():
    """The header names the columns; numbers and decimals are told from texts."""
    data = b"id,at,n,price,zip\n" + b"".join(
        b"%d,2024-01-%02dT00:00:00Z,%d,%d.50,0%d\n" % (number, number % 28 + 1, number % 7, number, 1000 + number)
        for number in range(50)
    )
    definition = load_text(propose(data, "shop.csv"))
    types = {field.name: (field.type.name, field.type.scale) for field in definition.event.fields}
    assert definition.format == Format("csv")
    assert types == {"n": ("integer", 0), "price": ("decimal", 1)}


@pytest.mark.parametrize(
    ("data", "records", "unread"),
    [
        (b"id,time,v\r1,2024-05-01T10:00:00Z,5\r", 1, 0),
        (b"id,time,v\n1,2024-05-01T10:00:00Z,5\r6\n2,2024-05-01T10:00:00Z,5\n", 2, 1),
        (b'id,time,v\n1,2024-05-01T10:00:00Z,"5\r6\n\n7"\n2,2024-05-01T10:00:00Z,5\n', 2, 0),
        (b"id,time,v\n1,2024-05-01T10:00:00Z,5\n2,2024-05-01T10:00:00Z\n3,2024-05-01T10:00:00Z,5\n4\n", 2, 2),
        (b",time,v\n1,2024-05-01T10:00:00Z,5\n2,2024-05-01T10:00:00Z,5\n", 2, 0),
        (b",time,\n1,2024-05-01T10:00:00Z,5\n", 1, 0),
        (b"id,time,v\n1,2024-05-01T10:00:00Z,5", 1, 0),
        (b"id,time,v\n1,2024-05-01T10:00:00Z," + b"x" * 200_000 + b"\n", 1, 0),
    ],
)
def test_csv_is_read_as_it_is_counted(tmp_path, data, records, unread):
    """Every kind of line end, long cells, columns without a name; rows with other cells are none, and are told."""
    (tmp_path / "a.csv").write_bytes(data)
    text = propose(data, "a.csv")
    assert f"# Proposed from {records} records" in text
    assert (f"; {unread} of {records + unread} are not" in text) == bool(unread)
    totals = count(tmp_path, text).totals
    assert totals == {"counted": records} | ({"malformed": unread} if unread else {})


LOG = (
    b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl \\"x\\""\n'
    b'1.2.3.5 - bob [17/May/2015:10:05:04 +0000] "POST /b HTTP/1.1" 404 - "-" "curl"\n'
    b'1.2.3.5 - - [17/May/2015:10:05:04 +0000] "\\x16\\x03" 400 226 "-" "-"\n'
)


def test_access_logs():
    """The combined format is known; `-` for no bytes is null, and a broken request line still counts."""
    definition = load_text(propose(LOG, "access.log"))
    assert definition.event.id == IdSpec("position")
    assert accounts(definition, LOG) == {"counted": 3}


def test_cloudevents():
    """Their attributes are known, and have a default id and time."""
    record = {"specversion": "1.0", "source": "/a", "type": "t", "time": "2024-01-01T00:00:00Z", "data": {"n": 1}}
    data = lines(*[{**record, "id": str(number)} for number in range(3)])
    definition = load_text(propose(data, "events.jsonl"))
    assert definition.format.name == "cloudevents"
    assert accounts(definition, data) == {"counted": 3}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the sample is empty"),
        (b"\n \n", "the sample is empty"),
        (b'[{"a": 1},\n{"a": 2}]\n', "the file is one JSON array"),
        (b'{\n "a": 1\n}\n', "the file is JSON over several lines"),
        (b"a;b;c\n1;2;3\n", "separated by semicolons"),
        (b"just words\nand more\n", "no format fits the first line: 'just words'"),
        (b'{"a": 1}\n', "no field of the sample is a time: a"),
        (b"\x00\x01\x02", "no format fits"),
        (b"id,time,v,v\n1,2024-05-01,5,6\n", "the first line names more than one column v"),
        (b"id,time,v\n", "as CSV, it is a header without rows"),
        (b"id,time,v\n1,2024-05-01\n2,2024-05-01\n", "as CSV, 2 of 2 rows have another number of cells"),
        (b"1,2024-05-01,5\n2,2024-05-01,5\n", "as CSV, it does not name the columns"),
    ],
)
def test_what_gives_no_proposal(data, message):
    """The reason is said, with the next step."""
    with pytest.raises(DataError, match=message) as caught:
        propose(data, "a")
    assert caught.value.hint


@given(st.text(st.sampled_from('a1,;"\r\n\t\x00{['), max_size=40))
def test_no_text_is_a_fault(text):
    """Whatever a file holds, there is a proposal or a reason why there is none."""
    with suppress(DataError):
        propose(text.encode(), "a")


KEYS = st.sampled_from(
    [*["id", "user", "a b", "x.y", "null", "n", "price", "createdAt"], *["é", "\x07", "a\nb", "\ufeff", "window", "12"]]
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.integers(0, 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=4)
    | st.lists(st.integers(), max_size=1)
)
RECORDS = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=2), max_size=6)


@settings(max_examples=60)
@given(records=st.lists(RECORDS, min_size=1, max_size=12))
def test_every_proposal_loads_and_counts_its_sample(records):
    """Whatever the records hold, none of the sample is refused, unless an id that is proposed is used twice."""
    data = lines(*[{**record, "time": "2024-01-01T00:00:00Z"} for record in records])
    found = accounts(load_text(propose(data, "a b.jsonl")), data)
    assert sum(found.values()) == len(records)
    assert set(found) <= {"counted", "duplicate"}


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("wikipedia-edits/wikiticker-2015-09-12-sampled.json.gz", {"counted": 2000}),
        ("git-history/pinot-file-events.jsonl.gz", {"counted": 2000}),
        ("github-events-pinot/2021-07-21-few-hours.json.gz", {"counted": 800}),
        ("apache-access-log/apache_logs.gz", {"counted": 2000}),
    ],
)
def test_real_files(name, counted):
    """The beginning of each real file is counted whole by the definition that is proposed for it."""
    with gzip.open(shared_data(name)) as file:
        data = b"".join(file.readlines()[:2000])
    assert accounts(load_text(propose(data, name)), data) == counted


def test_a_real_csv():
    """Invoice lines: no id, exact prices."""
    with tarfile.open(shared_data("online-retail/by-day.tar.gz")) as archive:
        member = archive.extractfile(next(found for found in archive if found.isfile()))
        assert member is not None
        definition = load_text(propose(member.read(), "by-day.tar.gz"))
    assert definition.event.id.kind == "fingerprint"
    assert {field.name: field.type.name for field in definition.event.fields}["unit_price"] == "decimal"


SHOP = load_text(EXAMPLE)
GOOD = {"ts": 1_700_000_000_000, "received_at": 1_700_000_000_500, "client": "a", "seq": 1, "action": "view"}
WHOLE = {**GOOD, "geo": {"country": "FR"}, "dwell": 5, "price": 1.5, "ratio": 0.5}


def test_a_fitting_sample_has_no_notes():
    """Paths, what uses them, how often they are found, and what is not read."""
    look = look_at(SHOP, lines(WHOLE, {**WHOLE, "extra": 1}))
    assert (look.records, look.unreadable, look.notes, look.unread) == (2, 0, (), ("extra",))
    found = {path.path: (path.used_by, path.found, path.missing, path.kinds) for path in look.paths}
    assert found["geo.country"] == ("country", 2, 0, {"text": 2})


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({"ts": 1_700_000_000}, "time: declared in ms, and the numbers look like s: 1700000000 to 1700000000"),
        ({"ts": 5}, "time: not all numbers are times between 1990 and 2100: 5 to 5"),
        ({"ts": "2024-01-01T00:00:00Z"}, "time: declared in ms, and the sample has texts that look like iso"),
        ({"dwell": "5"}, "dwell_ms: declared integer, and the sample has 1 text of 1"),
        ({"geo": {"contry": "FR"}}, "country: no record has geo.country; did you mean geo.contry?"),
    ],
)
def test_what_looks_wrong_is_noted(changed, note):
    """Units, types and names that do not fit the sample."""
    assert note in look_at(SHOP, lines({**WHOLE, **changed})).notes


def test_lines_that_cannot_be_read_are_counted():
    """A broken line is no record, and the others are looked at."""
    assert look_at(SHOP, lines(WHOLE) + b"{broken\n").unreadable == 1


def test_rows_of_a_table_are_looked_at():
    """CSV cells are texts that may be numbers."""
    text = EXAMPLE.replace("format: json", "format: csv").partition("tests:")[0]
    rows = io.StringIO("ts,received_at,client,seq,action,dwell\n1700000000000,1700000000500,a,1,view,x\n")
    notes = look_at(load_text(text), rows.getvalue().encode()).notes
    assert "dwell_ms: declared integer, and the sample has 1 text of 1" in notes
