"""URLs, ranges, and objects in memory and in a folder as files."""

import io
from datetime import UTC, datetime
from pathlib import Path

import obstore
import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from crossfoot import _core
from crossfoot.definition.load import load_text
from crossfoot.errors import CallError, CrossfootError, DataError, ServiceError
from crossfoot.settings import Settings
from crossfoot.sources import remote
from crossfoot.sources.files import Inputs, Place, discover
from crossfoot.sources.objects import Bucket
from crossfoot.sources.partition import Identity, Position, State
from crossfoot.sources.reading import Reading, look_again, read_group, reading_of
from crossfoot.sources.remote import NOWHERE, Pattern, Remote, RemoteFile, Url, remote_of, url_of, without_secrets
from tests.counting import CLICKS

DATA = bytes(range(256)) * 40
NAMES = ("a/1.json", "a/2.json", "a/b/3.json", "a/.4.json", "a/_tmp/5.json", "a/6.json._COPYING_", "7.json")


@pytest.fixture(params=["memory", "local"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    store: ObjectStore = MemoryStore() if request.param == "memory" else LocalStore(tmp_path)
    return Bucket(store, "s3://b", {})


def place_of(bucket: Bucket, folder: Path) -> Place:
    class One(Remote):
        def find(self, text: str) -> dict[str, RemoteFile]:
            return {file.url: file for file in bucket.find(url_of(text))}

    return Place(folder, folder, remote=One())


def reading() -> Reading:
    return reading_of(load_text(CLICKS), Settings())


def position(inputs: Inputs, data: bytes, digest: int | None = -1, **more) -> Position:
    """Where a run stands that has counted so much."""
    tail = (min(256, len(data)), _core.tail_hash(data[-256:]))
    identity = inputs.partitions[0].identity
    known = _core.crc32c(data, 0) if digest == -1 else digest
    return Position(identity, data.count(b"\n"), len(data), tail, known, **more)


def behind(inputs: Inputs, at: Position) -> bytes:
    """What follows a position."""
    (group,) = inputs.groups
    return b"".join(
        chunk.data
        for partition, chunks in read_group(inputs, group, {partition.name: at for partition in group}, reading())
        for chunk in chunks
    )


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://b/a/1", Url("s3", "b", "a/1")),
        ("S3A://b/a/1", Url("s3", "b", "a/1")),
        ("gcs://b", Url("gs", "b", "")),
        ("azure://c/x?.gz", Url("az", "c", "x?.gz")),
        ("abfss://c@account.dfs.core.windows.net/x", Url("abfss", "c@account.dfs.core.windows.net", "x")),
        ("webhdfs://host:1/x#y", Url("hdfs", "host:1", "x#y")),
    ],
)
def test_a_url_has_one_spelling(text, url):
    """So that an object is one partition however it is written."""
    assert url_of(text) == url


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://b/a", "nothing reads ftp://"),
        ("s3:///a", "s3:// names no bucket or server"),
        ("s3://me:tiger@b/a", "a URL of s3:// holds no user and no password"),
        ("abfss://me:tiger@b/a", "a URL of abfss:// holds no user and no password"),
        ("hdfs://me@b/a", "a URL of hdfs:// holds no user and no password"),
    ],
)
def test_a_url_that_nothing_reads_is_refused(text, message):
    """Its text, which may hold a password, is not shown."""
    with pytest.raises(CallError) as caught:
        url_of(text)
    assert (str(caught.value), "tiger" in caught.value.hint) == (message, False)


def test_what_is_not_installed_is_named(monkeypatch):
    """With the way to get it."""
    monkeypatch.setattr(remote, "find_spec", lambda _: None)
    with pytest.raises(CallError, match="s3:// needs the package obstore") as caught:
        NOWHERE.find("s3://b/a")
    assert caught.value.hint == "pip install 'crossfoot[objects]'"


def test_options_are_those_of_the_text(tmp_path):
    """What is named elsewhere has those of the only source."""
    text = CLICKS.replace("source: {files: clicks.jsonl", "source: {files: 's3://b/a', options: {region: x}")
    made = remote_of(load_text(text), {})
    assert (made.options, made.others) == ({"s3://b/a": (("region", "x"),)}, (("region", "x"),))


def test_urls_that_no_source_names_have_the_options_of_the_only_source_of_urls():
    """Files of this machine beside it have none."""
    text = CLICKS.replace(
        "source: {files: clicks.jsonl",
        "source: [{files: a.jsonl, name: here}, {files: 's3://b/a', options: {region: x}",
    )
    made = remote_of(load_text(text.replace("format: json}", "format: json}]", 1)), {})
    assert made.others == (("region", "x"),)


@pytest.mark.parametrize("url", ["s3://b/a", "hdfs://h/a"])
def test_an_option_that_does_not_exist_is_named(url):
    """No value is shown."""
    with pytest.raises(CallError, match="nonsense") as caught:
        Remote(others=(("nonsense", "tiger"),)).find(url)
    assert "tiger" not in f"{caught.value}{caught.value.hint}"


def test_plain_http_must_be_allowed():
    """The option that allows it is named."""
    options = (("endpoint", "http://127.0.0.1:1"), ("skip_signature", "true"), ("region", "x"))
    with pytest.raises(ServiceError, match=r"plain http is refused: .*allow_http"):
        Remote(others=options).find("s3://b/a")


def test_a_secret_that_is_not_set_is_named():
    """By its name in the environment."""
    with pytest.raises(CallError, match="secret_access_key: MY_SECRET"):
        Remote(others=(("secret_access_key", "${MY_SECRET}"),)).find("s3://b/a")


def test_no_secret_is_shown():
    """Neither a signature in a URL nor a value of ours."""
    said = without_secrets("GET http://h/a?sig=tiger: no lion\nmore", {"token": "lion", "region": "no"})
    assert said == "GET http://h/a no …"


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a/1.json", ["a/1.json"]),
        ("a", ["a/1.json", "a/2.json", "a/b/3.json"]),
        ("a/", ["a/1.json", "a/2.json", "a/b/3.json"]),
        ("", ["7.json", "a/1.json", "a/2.json", "a/b/3.json"]),
        ("a/*.json", ["a/1.json", "a/2.json"]),
        ("a/**", ["a/1.json", "a/2.json", "a/b/3.json"]),
        ("**/[13].json", ["a/1.json", "a/b/3.json"]),
        ("?/1.json", ["a/1.json"]),
        ("a/9.json", []),
        ("x/*", []),
    ],
)
def test_names_stand_for_objects(path, names, bucket):
    """An object, a folder, a pattern; hidden ones are left out, and those without bytes."""
    for name in NAMES:
        obstore.put(bucket.store, name, b"{}")
    obstore.put(bucket.store, "a/c", b"")
    assert sorted(file.url for file in bucket.find(Url("s3", "b", path))) == [f"s3://b/{name}" for name in names]


def test_a_pattern_says_how_deep_it_looks():
    """So that no folder below is listed for nothing."""
    found = [(each.folder, each.depth) for path in ("/a/*", "/a/x*/b/?", "/a/**/b") if (each := Pattern.of(path))]
    assert found == [("/a", 0), ("/a", 2), ("/a", None)]
    assert Pattern.of("/a/b") is None


def test_an_object_is_a_file(bucket, tmp_path):
    """It can be read from anywhere, by pieces of any size."""
    obstore.put(bucket.store, "x", DATA)
    (file,) = bucket.find(url_of("s3://b/x"))
    with file.open(1000) as opened:
        assert opened.read() == DATA
        assert (opened.seek(-10, io.SEEK_END), opened.read()) == (len(DATA) - 10, DATA[-10:])
        assert (opened.seek(700), opened.read(600), opened.tell()) == (700, DATA[700:1300], 1300)


def test_another_object_of_the_same_name_is_not_read(bucket):
    """It was replaced after it was found."""
    obstore.put(bucket.store, "x", DATA)
    (file,) = bucket.find(url_of("s3://b/x"))
    obstore.put(bucket.store, "x", DATA + DATA)
    with pytest.raises(DataError, match="s3://b/x was rewritten while it was read"):
        file.open(1000).read()


def test_an_object_that_is_gone_is_named(bucket):
    """It was deleted after it was found."""
    obstore.put(bucket.store, "x", DATA)
    (file,) = bucket.find(url_of("s3://b/x"))
    obstore.delete(bucket.store, "x")
    with pytest.raises(DataError, match="s3://b/x is gone since it was found"):
        file.open(1000).read()


def test_what_breaks_off_is_asked_for_again():
    """From where it broke off, a limited number of times."""
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        asked.append((start, end))
        return DATA[start : min(end, start + 100)]

    state = State(1, 350, (0, 0), is_object=True)
    assert RemoteFile("s3://b/x", state, fetch).open(1000).read() == DATA[:350]
    assert asked == [(0, 350), (100, 350), (200, 350), (300, 350)]
    with pytest.raises(ServiceError, match=r"s3://b/x broke off at byte 500, 5 times"):
        RemoteFile("s3://b/x", State(1, 900, (0, 0)), fetch).open(1000).read()


def test_nothing_is_asked_of_an_object_that_is_only_looked_for(bucket, tmp_path):
    """What it is, is known from the list."""
    obstore.put(bucket.store, "x", b"a\n")
    inputs = discover(["s3://b/x"], place_of(bucket, tmp_path))
    obstore.delete(bucket.store, "x")
    (partition,) = inputs.partitions
    assert (partition.name, partition.head, inputs.total_bytes) == ("s3://b/x", b"", 2)


def test_an_object_as_it_was_is_passed_over(bucket, tmp_path):
    """When it was read to its end."""
    obstore.put(bucket.store, "x", b"a\n")
    place = place_of(bucket, tmp_path)
    first = discover(["s3://b/x"], place)
    at = position(first, b"a\n", finished=True, state=str(first.partitions[0].state))
    assert discover(["s3://b/x"], place, positions={"s3://b/x": at}).partitions[0].unread


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_an_object_that_was_counted_in_part_is_read_behind_that(mark, bucket, tmp_path):
    """Nothing before it but the last bytes; a byte order mark is none of them."""
    obstore.put(bucket.store, "x", mark + b"a\nb\nc\n")
    inputs = discover(["s3://b/x"], place_of(bucket, tmp_path))
    assert behind(inputs, position(inputs, b"a\nb\n")) == b"c\n"


def replaced(bucket: Bucket, folder: Path, old: bytes, new: bytes, digest: int | None = -1) -> tuple[Inputs, Position]:
    """An object of which two lines were counted, as it is found now."""
    place = place_of(bucket, folder)
    obstore.put(bucket.store, "x", old)
    at = position(discover(["s3://b/x"], place), old[:4], digest)
    obstore.put(bucket.store, "x", new)
    return discover(["s3://b/x"], place), at


def test_an_object_that_was_replaced_goes_on_if_it_begins_so(bucket, tmp_path):
    """All that was counted is compared."""
    assert behind(*replaced(bucket, tmp_path, b"a\nb\nc\n", b"a\nb\nd\ne\n")) == b"d\ne\n"


@pytest.mark.parametrize(
    ("new", "digest", "message"),
    [
        (b"a\nX\nc\nd\n", -1, "s3://b/x was rewritten since it was counted: other bytes before byte 4"),
        (b"a\nb\nc\nd\n", None, "s3://b/x was rewritten since it was counted: other bytes before byte 4"),
        (b"a\n", -1, "s3://b/x was truncated since it was counted: 2 of 4 bytes"),
    ],
)
def test_an_object_that_was_rewritten_is_refused(new, digest, message, bucket, tmp_path):
    """Also where it cannot be told what was counted of it."""
    inputs, at = replaced(bucket, tmp_path, b"a\nb\nc\n", new, digest)
    with pytest.raises(DataError) as caught:
        look_again(inputs, {"s3://b/x": at}, reading())
    assert str(caught.value) == message


def test_a_file_url_is_a_path(tmp_path):
    """The same partition as by its path."""
    (tmp_path / "a b.json").write_bytes(b"{}\n")
    place = Place(tmp_path, tmp_path)
    found = [
        discover([text], place).partitions[0].name
        for text in (f"file://{tmp_path}/a b.json", f"file://{tmp_path}/*.json")
    ]
    assert found == ["a b.json", "a b.json"]


def state_of(e_tag: str | None, version: str | None, second: int) -> State:
    """Of an object as a list shows it."""
    changed = datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)
    meta = {"path": "x", "size": 3, "e_tag": e_tag, "version": version, "last_modified": changed}
    return Bucket(MemoryStore(), "s3://b", {})._file(meta).state


def test_what_an_object_is():
    """Its ETag, else its version, else when it was changed."""
    assert state_of('"a"', None, 1) == state_of('"a"', "7", 2) != state_of('"b"', None, 1)
    assert state_of(None, "7", 1) == state_of(None, "7", 2) != state_of(None, "8", 1)
    assert state_of(None, None, 1) != state_of(None, None, 2)


def test_an_objects_identity_is_read_back(bucket, tmp_path):
    """From the store's text."""
    obstore.put(bucket.store, "x", b"a\n")
    identity = discover(["s3://b/x"], place_of(bucket, tmp_path)).partitions[0].identity
    assert Identity.parse(str(identity)) == identity


@pytest.mark.parametrize("url", ["hdfs://127.0.0.1:1/x", "hdfs://h:x/a"])
def test_hdfs_that_does_not_answer_is_named(url, monkeypatch: pytest.MonkeyPatch):
    """With the port that is meant."""
    from crossfoot.sources import hdfs

    monkeypatch.setattr(hdfs, "_RETRIES_MAX", 0)
    with pytest.raises(CrossfootError, match=r"does not answer: connection refused$|is no server$") as caught:
        NOWHERE.find(url)
    assert "\n" not in str(caught.value)
    assert "9870" in caught.value.hint
