"""Objects and files of HDFS are counted as the same bytes in files are, by real servers of each kind."""

import gzip
import io
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import zstandard

from crossfoot.cli import main
from crossfoot.definition.load import load_text
from crossfoot.dev.broker import free_ports
from crossfoot.dev.objects import hdfs_cluster
from crossfoot.dev.parts import HDFS
from crossfoot.dev.processes import Processes
from crossfoot.errors import DataError, ServiceError
from crossfoot.services.run import Job, Progress, run
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.sources import remote
from tests.counting import CLICKS, click, lines
from tests.crash.processes import SMALL, call, state
from tests.real import data as real_data
from tests.services.objects import Shelf, asked, on_azure, on_gcs, on_hdfs, on_s3
from tests.services.parts import part
from tests.services.proxy import Proxy

KINDS: dict[str, Callable[[int], Shelf]] = {"s3": on_s3, "gcs": on_gcs, "azure": on_azure, "hdfs": on_hdfs}
SMALL_BLOCKS = Settings(block_bytes=1 << 10, commit_bytes=1 << 11)
EDITS = """
crossfoot: 1
namespace: edits
source: {{files: {files}, format: json}}
event:
  time: {{field: time, unit: iso}}
  received: none
  id: [time, page, user]
  fields:
    channel: channel
    robot: {{path: isRobot, type: boolean}}
    added: {{path: added, type: integer}}
metrics:
  edits: {{by: [[], [channel], [channel, robot]], measures: {{edits: count, added: sum(added)}}, grains: [1h, all]}}
"""


@pytest.fixture(params=KINDS)
def shelf(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = KINDS[request.param](request.getfixturevalue(request.param).port)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def s3_shelf(s3, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = on_s3(s3.port)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def count(folder: Path, url: str, watch: Watch = Watch(), settings: Settings = Settings(), text: str = CLICKS):  # noqa: B008
    """One run over the objects of a URL."""
    definition = load_text(text.replace("clicks.jsonl", f'"{url}"'))
    return run(Job(definition, folder / ".crossfoot", folder, folder), settings, watch)


def clicks(first: int, number: int) -> bytes:
    return lines(click(seq, page=f"p{seq % 7}") for seq in range(first, first + number))


def edits(parts: int) -> list[bytes]:
    """Edits of Wikipedia, cut into parts."""
    every = real_data.edits()
    return [b"".join(line + b"\n" for line in every[part::parts]) for part in range(parts)]


def packed(parts: list[bytes]) -> dict[str, bytes]:
    """Parts as objects of each kind."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for number, part in enumerate(parts[3:]):
            member = tarfile.TarInfo(f"{number}.json")
            member.size = len(part)
            tar.addfile(member, io.BytesIO(part))
    return {
        "a/1.json": parts[0],
        "a/2.json.gz": gzip.compress(parts[1]),
        "b/3.json.zst": zstandard.compress(parts[2]),
        "b/c/4.tar.gz": archive.getvalue(),
    }


def counted(folder: Path, files: str) -> dict:
    """All that a run of the edits leaves in a store of its own."""
    folder.mkdir()
    (folder / "edits.yaml").write_text(EDITS.format(files=files))
    assert main(["run", str(folder / "edits.yaml")]) == 0
    return state(folder)


def test_objects_count_as_files_do(shelf, tmp_path):
    """Plain, packed and in an archive, found by a folder's name: accounts, digests and every cell are equal."""
    for name, data in packed(edits(5)).items():
        shelf.put(f"in/{name}", data)
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    local = counted(tmp_path / "local", f"{tmp_path}/in")
    there = counted(tmp_path / "there", f"{shelf.url}in/")
    assert there == local
    assert there["totals"]["counted"] > 30_000


def test_a_pattern_is_that_of_files(shelf, tmp_path):
    """A star stays in its folder, two do not; what begins with a dot or an underscore is no data."""
    for name in ("x/1.jsonl", "x/2.jsonl", "x/y/3.jsonl", "x/_done", "x/.part", "x/5.csv"):
        shelf.put(name, b"{}")
    wanted = {"x/*.jsonl": 2, "**/*.jsonl": 3, "x/[2-9]*": 2, "**/y/*": 1, "": 4}
    assert {pattern: len(remote.NOWHERE.find(shelf.url + pattern)) for pattern in wanted} == wanted


def test_what_was_added_is_counted(shelf, tmp_path):
    """And what was counted is not read again."""
    shelf.put("1.jsonl", clicks(0, 50))
    assert count(tmp_path, shelf.url).totals["counted"] == 50
    shelf.put("2.jsonl", clicks(50, 10))
    seen: list[Progress] = []
    again = count(tmp_path, shelf.url, Watch(state=seen.append))
    assert (again.totals["counted"], again.outcome.unchanged) == (60, 1)
    assert {progress.partition for progress in seen} == {f"{shelf.url}2.jsonl"}


@pytest.mark.parametrize("part", [False, True])
def test_a_rewritten_object_is_refused(part, shelf, tmp_path):
    """Also where its size, its beginning and its end are as they were, and where it was counted in part."""
    data = clicks(0, 500)
    shelf.put("1.jsonl", data)
    goes_on = iter([True] * 40)
    outcome = count(tmp_path, shelf.url, Watch(stop=lambda: part and not next(goes_on, False)), SMALL_BLOCKS).outcome
    assert outcome.stopped == (outcome.bytes < len(data)) == part
    assert outcome.bytes > 10_000
    shelf.put("1.jsonl", data[:9000] + data[9000:10000].replace(b'"FR"', b'"DE"') + data[10000:])
    with pytest.raises(DataError, match=r"1\.jsonl was (rewritten|replaced)"):
        count(tmp_path, shelf.url)


def test_an_object_that_was_replaced_by_a_longer_one_goes_on(shelf, tmp_path):
    """If it begins with what was counted."""
    shelf.put("1.jsonl", clicks(0, 500))
    count(tmp_path, shelf.url)
    shelf.put("1.jsonl", clicks(0, 600))
    assert count(tmp_path, shelf.url).totals["counted"] == 600


def test_a_file_of_hdfs_that_grew_goes_on(hdfs, tmp_path):
    """Of what was counted only the last bytes are read again."""
    shelf = on_hdfs(hdfs.port)
    shelf.put("1.jsonl", clicks(0, 500))
    count(tmp_path, shelf.url)
    shelf.append("1.jsonl", clicks(500, 100))
    grown = count(tmp_path, shelf.url)
    assert grown.totals == {"counted": 600}
    assert grown.outcome.bytes == len(clicks(500, 100))


def test_a_killed_run_goes_on(shelf, tmp_path):
    """Killed at a durable step; the store ends as that of an undisturbed run does."""
    for number in range(3):
        shelf.put(f"{number}.jsonl", clicks(number * 300, 300))
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "clicks.yaml").write_text(CLICKS.replace("clicks.jsonl", shelf.url))
    code, _, _ = call(
        tmp_path / "killed", "run", "clicks.yaml", environment={**SMALL, "CROSSFOOT_CRASH": "frame.half:6"}
    )
    assert code == -signal.SIGKILL
    for name in ("killed", "whole"):
        code, _, error = call(tmp_path / name, "run", "clicks.yaml")
        assert (code, error) == (0, [])
    assert state(tmp_path / "killed") == state(tmp_path / "whole")


def test_a_server_that_goes_away_keeps_what_was_counted(s3_shelf, tmp_path, monkeypatch):
    """The run ends with an error that asks for another try, which counts the rest."""
    for number in range(4):
        s3_shelf.put(f"{number}.jsonl", clicks(number * 300, 300))
    proxy = Proxy(s3_shelf.port)
    for name, value in s3_shelf.at(proxy.port).items():
        monkeypatch.setenv(name, value)
    watch = Watch(state=lambda done: proxy.close() if done.partition.endswith("1.jsonl") else None)
    with pytest.raises(ServiceError, match="does not answer") as caught:
        count(tmp_path, s3_shelf.url, watch)
    assert caught.value.exit_code == 6
    for name, value in s3_shelf.environment.items():
        monkeypatch.setenv(name, value)
    rest = count(tmp_path, s3_shelf.url)
    assert (rest.outcome.accounts["counted"], rest.totals["counted"]) == (600, 1200)


def test_an_hdfs_that_goes_away_and_comes_back(tmp_path):
    """The files are those that they were: only the rest is counted."""
    processes = Processes(tmp_path / "hdfs")
    place = (part(HDFS), *free_ports(0, 0), tmp_path / "data")
    server = hdfs_cluster(*place)
    server.start(processes)
    try:
        shelf = on_hdfs(server.port)
        for number in range(4):
            shelf.put(f"{number}.jsonl", clicks(number * 300, 300))
        watch = Watch(state=lambda done: done.partition.endswith("1.jsonl") and processes.kill(server.name))
        with pytest.raises(ServiceError, match="does not answer"):
            count(tmp_path, shelf.url, watch)
        hdfs_cluster(*place).start(processes)
        rest = count(tmp_path, shelf.url)
    finally:
        processes.stop([server.name], seconds=5)
    assert (rest.outcome.accounts["counted"], rest.totals["counted"]) == (600, 1200)


def test_an_object_that_is_replaced_while_it_is_read_is_refused(s3_shelf, tmp_path, monkeypatch):
    """Every range is asked for on the condition that the object is the one that was found."""
    monkeypatch.setattr("crossfoot.sources.files.READ_BYTES", 4 << 10)
    s3_shelf.put("1.jsonl", clicks(0, 3000))
    watch = Watch(state=lambda _: s3_shelf.put("1.jsonl", clicks(3000, 3000)))
    with pytest.raises(DataError, match=r"1\.jsonl was rewritten while it was read"):
        count(tmp_path, s3_shelf.url, watch, SMALL_BLOCKS)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_are_read_from_objects(form, shelf, tmp_path):
    """CSV and Parquet."""
    table = pa.table({"seq": ["1", "2"], "at": ["2015-09-12T10:00:00Z"] * 2, "page": ["a", "b"]})
    out = io.BytesIO()
    pq.write_table(table, out) if form == "parquet" else pa.csv.write_csv(table, out)
    shelf.put(f"t.{form}", out.getvalue())
    text = CLICKS.replace("format: json", f"format: {form}")
    assert count(tmp_path, f"{shelf.url}t.{form}", text=text).totals == {"counted": 2}


def test_a_batch_reads_objects(shelf, tmp_path, monkeypatch, capsys):
    """The cells' files are those of the same bytes in a file; a second batch has nothing to do."""
    monkeypatch.chdir(tmp_path)
    shelf.put("1.jsonl", clicks(0, 500))
    Path("1.jsonl").write_bytes(clicks(0, 500))
    Path("clicks.yaml").write_text(CLICKS)
    for out, files in (("there", shelf.url), ("here", "1.jsonl"), ("there", shelf.url)):
        assert main(["batch", "clicks.yaml", "--input", files, "--out", out]) == 0
    assert "the inputs are as they were" in capsys.readouterr().out
    assert tables(Path("there")) == tables(Path("here")) != []


def tables(folder: Path) -> list[pa.Table]:
    return [pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))]


def test_a_definition_is_proposed_and_checked_from_an_object(shelf, tmp_path, monkeypatch, capsys):
    """The URL is the source of the proposal."""
    monkeypatch.chdir(tmp_path)
    shelf.put("1.jsonl", clicks(0, 500))
    assert main(["init", "--from", f"{shelf.url}1.jsonl"]) == 0
    assert main(["check", "crossfoot.yaml", "--sample", f"{shelf.url}1.jsonl"]) == 0
    assert main(["doctor", "crossfoot.yaml"]) == 0
    assert "1 file" in capsys.readouterr().out


def test_what_is_not_there_is_named(shelf, tmp_path):
    """A bucket, an object, a pattern without a match."""
    shelf.put("1.jsonl", b"")
    for name in ("2.jsonl", "*.csv", "none/"):
        with pytest.raises(DataError, match="no object matches"):
            count(tmp_path, shelf.url + name)


@pytest.mark.parametrize("kind", ["s3", "azure"])
def test_a_bucket_that_is_not_there_is_named(kind, request, tmp_path, monkeypatch):
    """It is no fault of the network."""
    shelf = KINDS[kind](request.getfixturevalue(kind).port)
    for name, value in shelf.environment.items():
        monkeypatch.setenv(name, value)
    other = shelf.url.replace("://t", "://u")  # the Cloud Storage server answers 500 here, Google 404
    with pytest.raises(DataError, match=f"there is no bucket {other[:-1]}$"):
        count(tmp_path, other)


def test_rights_that_are_missing_are_named(s3_shelf, s3, tmp_path):
    """The server says no; no secret is shown."""
    s3_shelf.put("1.jsonl", clicks(0, 10))
    asked(f"{s3.address}/moto-api/reset-auth", "POST", b"0")
    try:
        with pytest.raises(ServiceError, match="does not let us read: 403 Forbidden") as caught:
            count(tmp_path, s3_shelf.url)
    finally:
        asked(f"{s3.address}/moto-api/reset-auth", "POST", b"inf")
    assert "tiger" not in f"{caught.value}{caught.value.hint}"


def test_options_are_those_of_the_source(s3_shelf, tmp_path, monkeypatch):
    """A secret is read from the environment where the definition says its name."""
    s3_shelf.put("1.jsonl", clicks(0, 10))
    for name in s3_shelf.environment:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MY_ID", "reader")
    monkeypatch.setenv("MY_SECRET", "tiger")
    options = f"endpoint: 'http://127.0.0.1:{s3_shelf.port}', allow_http: 'true', region: us-east-1"
    options += ", access_key_id: '${MY_ID}', secret_access_key: '${MY_SECRET}'"
    text = CLICKS.replace("format: json", f"format: json, options: {{{options}}}")
    assert count(tmp_path, s3_shelf.url, text=text).totals == {"counted": 10}
