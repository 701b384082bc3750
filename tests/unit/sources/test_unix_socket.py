"""The socket source: what was acknowledged is durable and is counted, and nothing else is appended."""

import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crossfoot.errors import CallError, DataError, ServiceError, StoreError
from crossfoot.log.log import Log
from crossfoot.log.reader import LogReader
from crossfoot.sources import unix_socket
from crossfoot.sources.socket_client import SocketClient
from crossfoot.sources.unix_socket import FIRST_BYTES, HEADER, JSON_LINES, SocketDoor
from crossfoot.testing.clocks import ManualClock
from crossfoot.testing.disks import NO_DISK, FaultyDisk


class Open:
    """A door that is open, and its log."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.path = folder / "in.sock"
        self.log = Log(folder / "log" / "x", ManualClock(7))
        given = {"batch_bytes_max": 1 << 20, "queue_bytes": 1 << 20, **limits}
        self.door = SocketDoor(self.path, "socket:in.sock", **given)
        self.door.start(self.log)

    def records(self) -> list[bytes]:
        return [record for frame in iter(LogReader(self.log, 0).next, None) for record in frame.records()]

    def raw(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        connection.connect(str(self.path))
        return connection


@pytest.fixture
def opened(tmp_path):
    made = Open(tmp_path)
    yield made
    made.log.close()
    made.door.close()


def test_a_batch_is_answered_with_the_position_behind_it(opened):
    """It is synced then; blank lines are no records."""
    with SocketClient(opened.path) as client:
        assert client.send([{"a": 1}, {"a": 2}]) == 2
        assert client.send_lines(b'{"a":3}\r\n\n  \n{"a":4}') == 4
        assert client.send([]) == 4
    assert opened.records() == [b'{"a": 1}', b'{"a": 2}', b'{"a":3}\r', b'{"a":4}']


def test_a_table_is_taken_as_json_lines(opened):
    """Nulls are left out."""
    with SocketClient(opened.path) as client:
        assert client.send_table(pa.table({"a": [1, None], "b": ["x", "y"]})) == 2
    assert opened.records() == [b'{"a":1,"b":"x"}', b'{"b":"y"}']


def test_a_batch_that_is_no_arrow_stream_is_refused(opened):
    """Nothing of it is appended, and the connection goes on."""
    with SocketClient(opened.path) as client:
        with pytest.raises(DataError, match="the batch was refused: it is no Arrow IPC stream"):
            client._send(2, b"nonsense")
        assert client.send([{"a": 1}]) == 1
    assert opened.door.notes()[0].startswith("socket:in.sock: a batch was refused: it is no Arrow")
    assert opened.door.notes() == []


@pytest.mark.parametrize(
    ("kind", "size", "message"),
    [(9, 5, "unknown kind of batch: 9"), (JSON_LINES, (1 << 20) + 1, "a batch of 1048577 bytes is over the limit")],
)
def test_a_batch_that_is_not_taken_is_named(opened, kind, size, message):
    """And the next one is."""
    with SocketClient(opened.path) as client:
        with pytest.raises(DataError, match=message):
            client._send(kind, bytes(size))
        assert client.send([{"a": 1}]) == 1


@pytest.mark.parametrize("sent", [b"\x05", HEADER.pack(100, JSON_LINES), HEADER.pack(100, JSON_LINES) + b'{"a":1}\n'])
def test_a_client_that_dies_half_way_appends_nothing_half(opened, sent):
    """What it was answered is kept."""
    with SocketClient(opened.path) as client:
        client.send([{"a": 1}])
    with opened.raw() as connection:
        connection.sendall(sent)
    with SocketClient(opened.path) as client:
        assert client.send([{"a": 2}]) == 2
    assert len(opened.records()) == 2


def test_a_batch_waits_until_there_is_room(tmp_path):
    """The connection is not read meanwhile; it goes on when the other batch has come."""
    size, rest = FIRST_BYTES + 90, FIRST_BYTES + 50
    opened = Open(tmp_path, queue_bytes=size + 10, batch_bytes_max=size)
    with opened.raw() as slow, SocketClient(opened.path, timeout_s=0.2) as client:
        slow.sendall(HEADER.pack(size, JSON_LINES) + b"x" * (size - 10))
        while opened.door._free == size + 10:
            opened.log.wait(0, 0.001)
        with pytest.raises(ServiceError):
            client.send_lines(b"y" * rest)
        slow.sendall(b"x" * 10)
        assert slow.recv(9) == b"\0" + (1).to_bytes(8, "little")
    opened.log.wait(1, 10)
    assert opened.records() == [b"x" * size, b"y" * rest]
    opened.log.close()
    opened.door.close()


def test_what_is_announced_and_does_not_come_takes_no_room(tmp_path):
    """Two who let their batches drip hold up nobody."""
    size = 2 * FIRST_BYTES
    opened = Open(tmp_path, queue_bytes=size, batch_bytes_max=size)
    with opened.raw() as one, opened.raw() as other, SocketClient(opened.path, timeout_s=10) as client:
        for slow in (one, other):
            slow.sendall(HEADER.pack(size, JSON_LINES) + b"\n")
        assert client.send([{"a": 1}]) == 1
        assert client.send_lines(b"y" * size) == 2
    opened.log.close()
    opened.door.close()


def told(slow: socket.socket, more: bytes) -> bytes:
    """All that is said to one who sends on slowly, until the connection is closed."""
    slow.settimeout(0.05)
    said = b""
    for _ in range(400):
        with suppress(TimeoutError, ConnectionResetError):
            piece = slow.recv(100)
            if not piece:
                return said
            said += piece
        with suppress(BrokenPipeError, ConnectionResetError):
            slow.sendall(more)
    raise AssertionError("it is never closed")


@pytest.mark.parametrize(("begun", "more"), [(HEADER.pack(1000, JSON_LINES), b"x"), (b"\1", b"")])
def test_a_batch_that_was_begun_must_come_whole_in_its_time(opened, monkeypatch, begun, more):
    """However often a byte of it comes; the client is told, and the room is free."""
    monkeypatch.setattr(unix_socket, "BATCH_SECONDS", 0.3)
    with opened.raw() as slow:
        slow.sendall(begun)
        assert told(slow, more).startswith(b"\2it did not come whole within ")
    assert opened.door.notes()[0].startswith("socket:in.sock: a batch was given up: it did not come whole within")
    assert opened.records() == []


def test_what_is_refused_must_pass_in_its_time(opened, monkeypatch):
    """Its connection is closed otherwise."""
    monkeypatch.setattr(unix_socket, "BATCH_SECONDS", 0.3)
    with opened.raw() as slow:
        slow.sendall(HEADER.pack(1000, 9))
        said = told(slow, b"x")
        assert said.startswith(b"\1unknown kind of batch")
        assert b"\2it did not come whole within" in said


def test_the_time_of_a_batch_stands_still_while_it_waits_for_room(tmp_path):
    """What many send at once is not given up because others are first."""
    size, clock = 2 * FIRST_BYTES, ManualClock()
    opened = Open(tmp_path, queue_bytes=size, batch_bytes_max=size, clock=clock)
    door = opened.door
    door._free = 0
    with opened.raw() as waiting:
        waiting.sendall(HEADER.pack(size, JSON_LINES) + b"x" * FIRST_BYTES)
        while not door._changed._waiters:
            opened.log.wait(0, 0.001)
        clock.advance(2 * unix_socket.BATCH_SECONDS)
        with door._changed:
            door._free = size
            door._changed.notify_all()
        waiting.sendall(b"x" * FIRST_BYTES)
        assert waiting.recv(9) == b"\0" + (1).to_bytes(8, "little")
    opened.log.close()
    door.close()


def test_a_client_is_told_why_its_connection_was_closed(opened, monkeypatch):
    """Also where it still sends."""
    monkeypatch.setattr(unix_socket, "BATCH_SECONDS", 0.05)
    with SocketClient(opened.path) as client:
        client._socket.sendall(HEADER.pack(1000, JSON_LINES))
        while not opened.door._notes or opened.door._connections:
            opened.log.wait(0, 0.001)
        with pytest.raises(ServiceError, match="does not answer: it did not come whole within"):
            client.send([{"a": 1}])


def test_only_the_owner_may_connect(opened):
    """The socket's file has the mode 0600."""
    assert stat.S_IMODE(opened.path.stat().st_mode) == 0o600


def test_the_socket_of_a_living_process_is_left_alone(opened):
    """Two would share the clients."""
    with pytest.raises(CallError, match=f"another process listens at {opened.path}"):
        SocketDoor(opened.path, "x", 1, 1)
    with SocketClient(opened.path) as client:
        assert client.send([{}]) == 1


def test_the_socket_of_a_dead_process_is_replaced(tmp_path):
    """Its file is still there."""
    path = tmp_path / "in.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    opened = Open(tmp_path)
    with SocketClient(path) as client:
        assert client.send([{}]) == 1
    opened.log.close()
    opened.door.close()
    assert not path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    """It may be somebody's."""
    (tmp_path / "in.sock").write_text("mine")
    with pytest.raises(CallError, match="there is something else than a socket"):
        SocketDoor(tmp_path / "in.sock", "x", 1, 1)
    assert (tmp_path / "in.sock").read_text() == "mine"


def test_a_path_that_is_too_long_is_named(tmp_path):
    """The system takes about a hundred bytes."""
    with pytest.raises(CallError, match=r"cannot listen at .*AF_UNIX path too long"):
        SocketDoor(tmp_path / ("x" * 120), "x", 1, 1)


def test_nobody_listens(tmp_path):
    """The client says what to do."""
    with pytest.raises(ServiceError, match="does not answer: No such file") as error:
        SocketClient(tmp_path / "in.sock")
    assert "crossfoot run" in error.value.hint


def test_a_log_that_has_failed_acknowledges_nothing(opened):
    """The client may send the batch again to the next process."""
    opened.log.disk = FaultyDisk(fails_at=1, fault=NO_DISK)
    with SocketClient(opened.path) as client:
        with pytest.raises(ServiceError, match="cannot sync the log"):
            client.send([{"a": 1}])
        with pytest.raises(ServiceError, match="does not answer"):
            client.send([{"a": 1}])
    with pytest.raises(StoreError):
        opened.log.check()


def test_a_closed_door_closes_its_connections(tmp_path):
    """Its threads end."""
    opened = Open(tmp_path)
    with SocketClient(opened.path) as client:
        client.send([{}])
        opened.log.close()
        opened.door.close()
        with pytest.raises(ServiceError, match="does not answer"):
            client.send([{}])
    assert not opened.door._connections
