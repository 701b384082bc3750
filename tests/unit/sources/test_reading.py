"""Chunks of partitions from where a store stands."""

import gzip
import io
import tarfile
import zlib
from pathlib import Path

import pytest
import zstandard

from crossfoot.errors import DataError
from crossfoot.sources.files import Inputs, Place, discover
from crossfoot.sources.lines import Lines, LongLine
from crossfoot.sources.partition import Position
from crossfoot.sources.reading import Reading, look_again, read_group
from crossfoot.sources.streams import DamageError

READING = Reading("json", ("ts",), record_bytes_max=100, block_bytes=64, tail_hash=zlib.crc32, digest=zlib.crc32)
ROWS = [b'{"n": %d}\n' % number for number in range(50)]


def tar(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return file.getvalue()


WAYS = {
    "a.json": lambda data: data,
    "a.json.gz": gzip.compress,
    "a.json.zst": zstandard.compress,
    "a.tar": lambda data: tar({"m.json": data}),
    "a.tgz": lambda data: gzip.compress(tar({"m.json": data})),
    "a.tar.zst": lambda data: zstandard.compress(tar({"m.json.gz": gzip.compress(data)})),
}


def find(path: Path) -> Inputs:
    return discover([path.name], Place(path.parent, path.parent))


def read(inputs: Inputs, positions: dict[str, Position] | None = None) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for group in inputs.groups:
        for partition, chunks in read_group(inputs, group, positions or {}, READING):
            data = [chunk.data if isinstance(chunk, Lines) else b"long" for chunk in chunks]
            found[partition.name] = b"".join(data)
    return found


def open_only(inputs: Inputs):
    return read_group(inputs, inputs.groups[0], {}, READING)


def position(inputs: Inputs, counted: bytes) -> dict[str, Position]:
    """As the store says it after `counted` of the only partition."""
    (partition,) = inputs.partitions
    tail = counted[-256:]
    known = {
        "identity": str(partition.identity),
        "records": counted.count(b"\n"),
        "bytes": len(counted),
        "tail": [len(tail), zlib.crc32(tail)],
        "digest": zlib.crc32(counted),
        "live": False,
        "state": None,
    }
    return {partition.name: Position.of(known)}


@pytest.mark.parametrize("name", WAYS)
def test_every_way_to_pack_gives_the_same_lines(tmp_path, name):
    """Plain, compressed, archived: the same bytes reach the core, without a byte order mark."""
    (tmp_path / name).write_bytes(WAYS[name](b"\xef\xbb\xbf" + b"".join(ROWS)))
    assert list(read(find(tmp_path / name)).values()) == [b"".join(ROWS)]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", WAYS)
def test_a_grown_input_is_continued(tmp_path, name, mark):
    """Only what was appended is read."""
    path = tmp_path / name
    path.write_bytes(WAYS[name](mark + b"".join(ROWS[:20])))
    positions = position(find(path), b"".join(ROWS[:20]))
    path.write_bytes(WAYS[name](mark + b"".join(ROWS)))
    inputs = find(path)
    plain = {"a.json": b"".join(ROWS[20:])}
    if name in plain or ("tar" not in name and "tgz" not in name):
        assert look_again(inputs, positions, READING) == {name: True} or name != "a.json"
    if name == "a.json":
        assert read(inputs, positions) == plain


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.tar"])
def test_an_unchanged_input_has_nothing_more(tmp_path, name):
    """A second look at the same bytes finds nothing to count."""
    path = tmp_path / name
    path.write_bytes(WAYS[name](b"".join(ROWS)))
    inputs = find(path)
    positions = position(inputs, b"".join(ROWS))
    assert list(look_again(inputs, positions, READING).values()) == [False]


def changed(tmp_path: Path, before: bytes, after: bytes) -> tuple[Inputs, dict[str, Position]]:
    path = tmp_path / "a.json"
    path.write_bytes(before)
    positions = position(find(path), before)
    path.write_bytes(after)
    return find(path), positions


LONG = b"".join(ROWS) * 20


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (LONG[:5000], "a.json was truncated since it was counted: 5000 of 9800 bytes"),
        (b"", "a.json was truncated"),
        (b"#" + LONG[1:], "a.json was rewritten since it was counted: its first bytes are others"),
        (
            LONG[:-5] + b"#" + LONG[-4:] + b"more",
            "a.json was rewritten since it was counted: other bytes before byte 9800",
        ),
    ],
)
def test_a_changed_file_is_an_error(tmp_path, after, message):
    """A file that was cut or rewritten is never continued."""
    inputs, positions = changed(tmp_path, LONG, after)
    with pytest.raises(DataError, match=message):
        look_again(inputs, positions, READING)


def test_a_replaced_file_with_other_content_is_said(tmp_path):
    """Another file under the same name is told from a rewritten one."""
    inputs, positions = changed(tmp_path, LONG, LONG)
    (tmp_path / "new").write_bytes(b"other" + LONG)
    (tmp_path / "new").replace(tmp_path / "a.json")
    with pytest.raises(DataError, match=r"a\.json was replaced by another file since"):
        look_again(find(tmp_path / "a.json"), positions, READING)
    assert inputs


def test_a_cut_file_gives_out_its_whole_lines(tmp_path):
    """What can be read of a damaged input is read, then the damage is named."""
    data = gzip.compress(b"".join(ROWS) + b'{"unfinished')[:-9]
    (tmp_path / "a.json.gz").write_bytes(data)
    inputs = find(tmp_path / "a.json.gz")
    opened = open_only(inputs)
    _, chunks = next(opened)
    got = []
    with pytest.raises(DamageError, match=r"a.json.gz is damaged at unpacked byte \d+: gzip: it ends too early"):
        got.extend(chunks)
    assert b"".join(chunk.data for chunk in got) == b"".join(ROWS)


def test_a_cut_archive_gives_out_the_members_before(tmp_path):
    """The members before the damage are read, then the damage is named."""
    (tmp_path / "a.tar").write_bytes(tar({"one": b"1\n", "two": b"2\n" * 900})[:2048])
    inputs = find(tmp_path / "a.tar")
    with pytest.raises(DamageError, match=r"a.tar!two is damaged"):
        read(inputs)
    assert [partition.name for partition in inputs.partitions] == ["a.tar!one", "a.tar!two"]


def test_a_long_line_is_skipped(tmp_path):
    """A line over the limit is not held, and what follows it is read."""
    (tmp_path / "a.json").write_bytes(b"{}\n" + b"x" * 5000 + b"\n{}\n")
    inputs = find(tmp_path / "a.json")
    ((_, chunks),) = ((partition, list(chunks)) for partition, chunks in open_only(inputs))
    assert chunks == [Lines(b"{}\n"), LongLine(5001, b"x" * 5000), Lines(b"{}\n")]


def test_a_stream_is_continued(tmp_path):
    """The same stream given again is passed over up to the position."""

    def piped(data: bytes) -> Inputs:
        return discover(["-"], Place(tmp_path, tmp_path), io.BytesIO(data))

    positions = position(piped(LONG), LONG[:190])
    assert list(read(piped(LONG), positions).values()) == [LONG[190:]]
