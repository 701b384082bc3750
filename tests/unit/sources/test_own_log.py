"""Our own log as a source: the store's position is the one that counts."""

from pathlib import Path

import pytest

from crossfoot.errors import StoreError
from crossfoot.log.log import Log
from crossfoot.settings import Settings
from crossfoot.sources.own_log import LogInput, folder_name
from crossfoot.sources.socket_client import SocketClient
from crossfoot.testing.clocks import ManualClock
from tests.counting import CLICKS, click
from tests.live import LiveRun

SOCKET = CLICKS.replace("{files: clicks.jsonl, format: json}", "{socket: in.sock, format: json}").replace(
    "received: none", "received: ingest"
) + "accept: {lateness: 100y}\n".replace("100y", "40000d")


class Fed:
    """An engine that notes what it is given."""

    def __init__(self) -> None:
        self.blocks: list[tuple] = []

    def feed_block(self, partition: str, data: bytes, columns: tuple, now_us: int) -> None:
        self.blocks.append((partition, data, memoryview(columns[1]).cast("Q").tolist(), now_us))


class NoDoor:
    def start(self, log: Log) -> None: ...
    def notes(self) -> list[str]:
        return []

    def close(self) -> None: ...


def log_of(folder: Path, **options) -> Log:
    return Log(folder / "log" / "x", ManualClock(5), **options)


def kept(log: Log, position: int, identity: str = "") -> dict:
    return {"x": {"identity": identity or log.identity, "next_offset": position}}


def test_it_is_read_from_the_stores_position(tmp_path):
    """What was counted is not read again."""
    log = log_of(tmp_path)
    log.append([b"a", b"b"])
    log.append([b"c"])
    source, fed = LogInput("x", log, NoDoor()), Fed()
    assert source.open(kept(log, 2)) == [("x", log.identity)]
    assert source.begin(["x"]) == {"x": 2}
    assert not source.is_done()
    assert source.feed(fed, 100, 0, 0).bytes == 1
    assert fed.blocks == [("x", b"c", [2], 5)]
    assert source.is_done()
    assert source.look(9).idle == ("x",)


@pytest.mark.parametrize(
    ("position", "identity", "message"),
    [
        (5, "", "x was cut: position 5 was counted, its log ends at 4"),
        (0, "", r"position 0 of x is gone: its log begins at \d"),
        (4, "log:1", "the log of x is not the one that was counted"),
    ],
)
def test_a_log_that_does_not_fit_the_store_stops(position, identity, message, tmp_path):
    """Nothing is skipped that nobody asked for."""
    log = log_of(tmp_path, segment_bytes=100)
    for _ in range(4):
        log.append([b"0123456789"])
    for segment in log.release(4):
        log.drop(segment)
    with pytest.raises(StoreError, match=message) as error:
        LogInput("x", log, NoDoor()).open(kept(log, position, identity))
    assert "nothing was skipped" in error.value.hint


def test_committed_segments_are_deleted(tmp_path):
    """One an epoch."""
    log = log_of(tmp_path, segment_bytes=100)
    for _ in range(4):
        log.append([b"0123456789"])
    source = LogInput("x", log, NoDoor())
    source.open({})
    source.mark()()
    assert log.first == 0
    source.feed(Fed(), 1000, 0, 0)
    source.mark()()
    assert log.first > 0


def test_lag_is_said_in_records_and_seconds(tmp_path):
    """The age is that of the newest record that was taken."""
    log = log_of(tmp_path)
    log.append([b"a"])
    source = LogInput("x", log, NoDoor())
    source.open({})
    source.feed(Fed(), 1, 0, 0)
    log.append([b"b", b"c"])
    assert [(lag.records, lag.seconds) for lag in source.lags(2_000_005)] == [(2, 2.0)]


@pytest.mark.parametrize("name", ["a/b", "..", ".", "socket:in.sock", "x" * 300, "ü" * 90])
def test_a_sources_name_is_the_name_of_one_folder(name):
    """Other names, other folders; none leads out of the store."""
    folder = folder_name(name)
    assert "/" not in folder
    assert folder.strip(".")
    assert len(folder) < 200
    assert folder_name(name + "x") != folder


def send(run: LiveRun, *seqs: int) -> None:
    with SocketClient(run.folder / "in.sock") as client:
        client.send(map(click, seqs))


def test_a_socket_is_counted(tmp_path):
    """A record at each position; copies are duplicates."""
    run = LiveRun(tmp_path, SOCKET)
    assert run.run(lambda: send(run, 1, 2) or 2, lambda: send(run, 2, 3) or 4) == {"counted": 3, "duplicate": 1}
    part = run.partitions()["socket:in.sock"]
    assert (part["records"], part["next_offset"], part["gaps"]) == (4, 4, 0)
    assert run.run(lambda: send(run, 4) or 1) == {"counted": 1}


def test_a_socket_beside_followed_files(tmp_path):
    """In one loop: neither holds up the other."""
    two = "[{socket: in.sock}, {files: a.jsonl, follow: true}]"
    text = CLICKS.replace("{files: clicks.jsonl, format: json}", two).replace(
        "received: none", "received: {field: got, unit: iso}"
    )
    run = LiveRun(tmp_path, text + "accept: {lateness: 40000d}\n", Settings(epoch_seconds=0.05, idle_seconds=0.05))
    got = {"got": "2015-09-12T10:00:00Z"}

    def both() -> int:
        with SocketClient(tmp_path / "in.sock") as client:
            client.send([{**click(1), **got}])
        (tmp_path / "a.jsonl").write_text(str({**click(2), **got}).replace("'", '"') + "\n")
        return 2

    assert run.run(both) == {"counted": 2}
    assert set(run.partitions()) == {"socket:in.sock", "a.jsonl"}
