"""CSV and Parquet as JSON lines."""

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfoot import _core
from crossfoot.errors import DataError
from crossfoot.sources import tables
from crossfoot.sources.csv_records import Block, Endless, Unclosed, split
from crossfoot.sources.files import Place, discover
from crossfoot.sources.lines import Lines, LongLine
from crossfoot.sources.partition import Position
from crossfoot.sources.reading import Reading, look_again, read_group


def reading(form: str = "csv", columns: tuple[str, ...] = ("a", "b"), block_bytes: int = 1 << 16) -> Reading:
    return Reading(form, columns, 1000, block_bytes, _core.tail_hash, _core.crc32c)


def read(path: Path, how: Reading, positions: dict[str, Position] | None = None) -> list[bytes]:
    inputs = discover([path.name], Place(path.parent, path.parent))
    lines: list[bytes] = []
    for _, chunks in read_group(inputs, inputs.groups[0], positions or {}, how):
        for chunk in chunks:
            lines += [b"long"] if isinstance(chunk, LongLine) else chunk.data.splitlines()
    return lines


def rows(path: Path, how: Reading) -> list[dict[str, object]]:
    return [json.loads(line) for line in read(path, how)]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cells_are_texts_and_empty_ones_are_left_out(tmp_path, end):
    """Every cell is a text; an empty one is null; only wanted columns are read."""
    path = write(tmp_path / "a.csv", end.join(["a,x,b", "1,2,3", ",,", "04,y,z z"]))
    assert rows(path, reading()) == [{"a": "1", "b": "3"}, {}, {"a": "04", "b": "z z"}]


def test_quoted_cells_may_hold_anything(tmp_path):
    """Commas, quotes and line ends inside quotes are content."""
    path = write(tmp_path / "a.csv", 'a,b\n"x,""y""\nz",2\n5" pipe,"3"\n')
    assert rows(path, reading()) == [{"a": 'x,"y"\nz', "b": "2"}, {"a": '5" pipe', "b": "3"}]


def test_blank_lines_are_no_rows(tmp_path):
    """Empty lines and lines of blanks are passed over."""
    assert rows(write(tmp_path / "a.csv", "a,b\n\n1,2\n  \n\n3,4\n\n"), reading()) == [
        {"a": "1", "b": "2"},
        {"a": "3", "b": "4"},
    ]


def test_uneven_rows_keep_their_place(tmp_path):
    """A row that does not fit the header becomes a line that is no JSON, at its place."""
    path = write(tmp_path / "a.csv", "a,b\n1,2\n1,2,3\nx\n3,4\n")
    assert read(path, reading()) == [
        b'{"a":"1","b":"2"}',
        b'row of 3 cells for 2 columns: ["1","2","3"]',
        b'row of 1 cells for 2 columns: ["x"]',
        b'{"a":"3","b":"4"}',
    ]


def test_a_quote_that_is_never_closed_costs_its_line(tmp_path):
    """The line with the open quote is malformed; what follows is read."""
    path = write(tmp_path / "a.csv", 'a,b\n1,2\n"x,2\n' + "3,4\n" * 500)
    lines = read(path, reading())
    assert lines[:2] == [b'{"a":"1","b":"2"}', b'quote without an end: "x,2']
    assert lines[2:] == [b'{"a":"3","b":"4"}'] * 500


def test_bytes_that_are_no_text_reach_the_core(tmp_path):
    """Invalid UTF-8 is not replaced: the core finds it."""
    path = write(tmp_path / "a.csv", b"a,b\n\xff,2\n\xc3\xa9,4\n")
    assert read(path, reading()) == [b'{"a":"\xff","b":"2"}', b'{"a":"\xc3\xa9","b":"4"}']


def test_a_line_without_an_end_is_measured(tmp_path):
    """A line over the limit is not held."""
    path = write(tmp_path / "a.csv", b"a,b\n" + b"x" * 100_000 + b"\n1,2\n")
    assert read(path, reading(block_bytes=512)) == [b"long", b'{"a":"1","b":"2"}']


@pytest.mark.parametrize(
    ("text", "message"),
    [("x,y\n1,2\n", "names none of the columns a, b"), ("a,a\n1,2\n", "more than one column a"), ("\n", "none of")],
)
def test_a_header_that_does_not_fit_is_an_error(tmp_path, text, message):
    """Without the wanted names there is nothing to count."""
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "a.csv", text), reading())


def test_a_grown_file_is_continued(tmp_path):
    """Positions are ordinals of rows; what is behind them is read."""
    path = write(tmp_path / "a.csv", "a,b\n" + "1,2\nx\n" * 300)
    counted = b"".join(line + b"\n" for line in read(path, reading()))[:-256]
    (partition,) = discover(["a.csv"], Place(tmp_path, tmp_path)).partitions
    done = counted.count(b"\n")
    counted = b"".join(line + b"\n" for line in read(path, reading())[:done])
    position = Position(partition.identity, done, len(counted), (256, _core.tail_hash(counted[-256:])))
    rest = read(path, reading(block_bytes=700), {"a.csv": position})
    assert rest == read(path, reading())[done:]
    write(path, path.read_text() + "7,8\n")
    inputs = discover(["a.csv"], Place(tmp_path, tmp_path))
    assert look_again(inputs, {"a.csv": position}, reading()) == {"a.csv": True}


def test_a_rewritten_file_is_an_error(tmp_path):
    """Other rows before the position are noticed."""
    path = write(tmp_path / "a.csv", "a,b\n" + "1,2\n" * 2000)
    (partition,) = discover(["a.csv"], Place(tmp_path, tmp_path)).partitions
    position = Position(partition.identity, 2000, 1, (100, 12345))
    with pytest.raises(DataError, match="was rewritten"):
        read(path, reading(), {"a.csv": position})


CELLS = st.text('ab,"\n\r =é', max_size=4)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=12), st.integers(1, 40))
def test_both_ways_to_read_csv_agree(table, block_bytes):
    """Arrow and the reader that goes row by row give the same lines, whatever the blocks."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(table)
    data = text.getvalue().encode()
    blocks = [part.data for part in split(iter([data]), 1000, block_bytes) if isinstance(part, Block)]
    fast = b"".join(tables._block_to_lines(block, ["a", "b"], ("a", "b")) for block in blocks)
    assert fast == tables._rows_to_lines(data, ["a", "b"], ["a", "b"])


@given(st.binary(max_size=300), st.integers(1, 50), st.integers(1, 50))
def test_every_byte_of_a_csv_stands_in_one_part(data, size, limit):
    """Whatever the bytes: nothing is lost and nothing is read twice."""
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])
    parts = list(split(pieces, limit, 8))
    lengths = {Block: lambda p: len(p.data), Unclosed: lambda p: len(p.line), Endless: lambda p: p.length}
    assert sum(lengths[type(part)](part) for part in parts) == len(data)


def parquet(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_values_are_exact(tmp_path):
    """Integers and floats are numbers, decimals and times are texts, nulls are left out, structs are objects."""
    path = parquet(
        tmp_path / "a.parquet",
        n=pa.array([2**62, None]),
        price=pa.array([Decimal("1.50"), Decimal("-0.05")], pa.decimal128(20, 2)),
        at=pa.array([dt.datetime(2015, 9, 12, 1, 2, 3, 4), None], pa.timestamp("us", "UTC")),
        day=pa.array([dt.date(2015, 9, 12), dt.date(1, 1, 3)]),
        x=pa.array([0.1, 1e300]),
        word=pa.array(["é", "y"]).dictionary_encode(),
        geo=pa.array([{"country": "FR", "since": dt.datetime(2020, 1, 1)}, {"country": None, "since": None}]),
    )
    found = rows(path, reading("parquet", ("n", "price", "at", "day", "x", "word", "geo")))
    assert found == [
        {
            "n": 2**62,
            "price": "1.50",
            "at": "2015-09-12 01:02:03.000004Z",
            "day": "2015-09-12",
            "x": 0.1,
            "word": "é",
            "geo": {"country": "FR", "since": "2020-01-01 00:00:00.000000"},
        },
        {"price": "-0.05", "day": "0001-01-03", "x": 1e300, "word": "y", "geo": {}},
    ]


def test_parquet_floats_that_json_does_not_have_are_no_numbers(tmp_path):
    """NaN and the infinities become texts, which no numeric field takes."""
    path = parquet(tmp_path / "a.parquet", x=pa.array([1.5, float("nan"), float("-inf"), None]))
    assert rows(path, reading("parquet", ("x",))) == [{"x": 1.5}, {"x": "nan"}, {"x": "-inf"}, {}]


def test_parquet_maps_are_objects(tmp_path):
    """Their keys are texts in JSON, whatever they are in the table."""
    numbers = pa.array([[(1, "a"), (2, None)], None], pa.map_(pa.int64(), pa.string()))
    path = parquet(tmp_path / "a.parquet", m=numbers)
    assert rows(path, reading("parquet", ("m",))) == [{"m": {"1": "a"}}, {}]


def test_parquet_is_continued(tmp_path):
    """Rows behind the position are read."""
    path = parquet(tmp_path / "a.parquet", a=pa.array(range(1000)))
    (partition,) = discover(["a.parquet"], Place(tmp_path, tmp_path)).partitions
    rest = read(path, reading("parquet", ("a",)), {"a.parquet": Position(partition.identity, 990)})
    assert rest == [b'{"a":%d}' % n for n in range(990, 1000)]


def test_damaged_parquet_is_named(tmp_path):
    """A file that is no Parquet is an error with its name."""
    with pytest.raises(DataError, match=r"a.parquet is damaged at row 0: parquet: "):
        read(write(tmp_path / "a.parquet", b"nonsense"), reading("parquet"))


def test_packed_parquet_is_refused(tmp_path):
    """Parquet is read where it can be read at any place."""
    with pytest.raises(DataError, match=r"a\.parquet\.gz is packed or a stream"):
        read(write(tmp_path / "a.parquet.gz", b"x"), reading("parquet"))


def test_lines_of_a_block_are_whole():
    """What a table gives ends with a newline."""
    (chunk,) = tables._csv(iter([b"a,b\n1,2"]), "a.csv", reading())
    assert chunk == Lines(b'{"a":"1","b":"2"}\n')
