"""A Unix socket as a source: batches of records in, the synced position out.

A batch is 4 bytes of length (little-endian), one byte of kind, and so many bytes: JSON lines, or an Arrow IPC stream.
The answer is a byte 0 and the position behind the batch (8 bytes, little-endian), or a line of text behind a byte 1
(the batch is wrong) or 2 (it may be sent again, to the next process). A batch is appended whole or not at all, and
acknowledged once it is synced. Only a batch of which something has come takes a share of the room that all have.
"""

from __future__ import annotations

import socket
import stat
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from crossfoot.clock import Clock, SystemClock
from crossfoot.errors import CallError, CrossfootError, DataError
from crossfoot.log.log import Log
from crossfoot.sources.live import Failing, LiveSource, Room
from crossfoot.sources.own_log import open_log

HEADER = struct.Struct("<IB")
POSITION = struct.Struct("<Q")
JSON_LINES, ARROW = 1, 2
TAKEN, REFUSED, FAILED = b"\0", b"\1", b"\2"
BATCH_BYTES_MAX = 16 << 20
CONNECTIONS_MAX = 64
BATCH_SECONDS = 30.0
"""A batch that was begun must come whole within this time; while it waits for room the time stands still."""
FIRST_BYTES = 64 << 10
"""So much of a batch is read before it has room: what is announced and does not come takes none from others."""
_NOTES_MAX = 16
_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Listener:
    """What the definition says of a socket."""

    path: Path
    name: str

    def open(self, room: Room) -> LiveSource:
        """The log, and the socket's file, which nobody can connect to yet."""
        door = SocketDoor(
            self.path,
            self.name,
            min(BATCH_BYTES_MAX, room.settings.queue_bytes),
            room.settings.queue_bytes,
            room.clock,
        )
        try:
            return open_log(self.name, room, door)
        except BaseException:
            door.close()
            raise


class SocketDoor:
    """Listens; each connection has a thread. All of them together hold at most `queue_bytes` of batches, beside
    the first bytes of each.
    """

    def __init__(
        self, path: Path, name: str, batch_bytes_max: int, queue_bytes: int, clock: Clock | None = None
    ) -> None:
        self._path = path
        self._name = name
        self._batch_bytes_max = batch_bytes_max
        self._free = queue_bytes
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._notes: deque[str] = deque(maxlen=_NOTES_MAX)
        self._thread: threading.Thread | None = None
        _refuse_living(path)
        self._draft = path.with_name(f".{path.name}.new")
        self._socket = _bind(path, self._draft)
        self._inode = self._draft.stat().st_ino

    def start(self, log: Log) -> None:
        """Listen, and append to this log. Who finds the socket's file can connect."""
        self._socket.listen(CONNECTIONS_MAX)
        self._draft.replace(self._path)
        self._thread = threading.Thread(target=self._accept, args=(log,), name="crossfoot-socket", daemon=True)
        self._thread.start()

    def notes(self) -> list[str]:
        """What was refused."""
        return [self._notes.popleft() for _ in range(len(self._notes))]

    def close(self) -> None:
        """Take no further batch; the socket's file goes, if it is still ours."""
        self._closing.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._changed:
            serving = list(self._connections.items())
            self._changed.notify_all()
        for connection, _ in serving:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in (self._thread, *[thread for _, thread in serving]):
            if thread is not None:
                thread.join()
        for file in (self._draft, self._path):
            with suppress(FileNotFoundError):
                if file.lstat().st_ino == self._inode:
                    file.unlink()

    # Connections.

    def _accept(self, log: Log) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError as error:
                if not self._closing.wait(_AGAIN_SECONDS):
                    why = f"{self._name}: cannot take a connection: {error.strerror}; it is tried again"
                    self._notes.append(Failing(why))
                continue
            self._begin(connection, log)

    def _begin(self, connection: socket.socket, log: Log) -> None:
        with self._changed:
            if len(self._connections) >= CONNECTIONS_MAX or self._closing.is_set():
                _say(connection, FAILED, f"there are {CONNECTIONS_MAX} connections already")
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection, log), name=self._name, daemon=True)
            self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket, log: Log) -> None:
        try:
            while self._take(connection, log):
                pass
        except OSError:
            pass  # the client has gone: what was acknowledged is synced, and nothing else was appended
        finally:
            connection.close()
            with self._changed:
                self._connections.pop(connection, None)

    def _take(self, connection: socket.socket, log: Log) -> bool:
        """Answer one batch. Whether another may follow."""
        connection.settimeout(None)
        begun = connection.recv(1)
        if not begun:
            return False
        coming = _Coming(connection, self._clock)
        try:
            rest = coming.read(HEADER.size - 1)
            if rest is None:
                return False
            length, kind = HEADER.unpack(begun + rest)
            if length > self._batch_bytes_max or kind not in (JSON_LINES, ARROW):
                self._refused(connection, _wrong_header(length, kind, self._batch_bytes_max))
                return coming.pass_over(length)
            first = coming.read(min(length, FIRST_BYTES))
            with self._room(length, coming) if length > FIRST_BYTES else nullcontext():
                body = first and coming.read(length, first)
                return body is not None and not self._closing.is_set() and self._append(connection, log, kind, body)
        except _LateError:
            self._notes.append(f"{self._name}: a batch was given up: {_LATE}")
            _say(connection, FAILED, _LATE)
            return False

    def _append(self, connection: socket.socket, log: Log, kind: int, body: bytes) -> bool:
        try:
            position = log.append(records_of(kind, body))
        except DataError as error:
            self._refused(connection, error.message)
            return True
        except CrossfootError as error:
            _say(connection, FAILED, error.message)
            return False
        connection.settimeout(BATCH_SECONDS)
        connection.sendall(TAKEN + POSITION.pack(position))
        return True

    @contextmanager
    def _room(self, size: int, coming: _Coming) -> Iterator[None]:
        """A share of the bytes that all batches may take; waits, not reading, until it is there."""
        began_s = self._clock.elapsed_s()
        with self._changed:
            self._changed.wait_for(lambda: self._free >= size or self._closing.is_set())
            self._free -= size
        coming.stood_still(self._clock.elapsed_s() - began_s)
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()

    def _refused(self, connection: socket.socket, why: str) -> None:
        self._notes.append(f"{self._name}: a batch was refused: {why}")
        _say(connection, REFUSED, why)


def records_of(kind: int, body: bytes) -> list[bytes]:
    """The records of a batch; blank lines are none. DataError where it is not what it says."""
    lines = body if kind == JSON_LINES else _arrow_lines(body)
    return [line for line in lines.split(b"\n") if line.strip()]


def _arrow_lines(body: bytes) -> bytes:
    import pyarrow as pa

    from crossfoot.sources.tables import table_to_lines

    try:
        return table_to_lines(pa.ipc.open_stream(body).read_all())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"it is no Arrow IPC stream: {' '.join(str(error).split())}") from error


def _wrong_header(length: int, kind: int, most: int) -> str:
    if kind not in (JSON_LINES, ARROW):
        return f"unknown kind of batch: {kind} (1: JSON lines, 2: Arrow IPC stream)"
    return f"a batch of {length} bytes is over the limit of {most}"


def _say(connection: socket.socket, kind: bytes, why: str) -> None:
    with suppress(OSError):
        connection.settimeout(BATCH_SECONDS)
        connection.sendall(kind + why.replace("\n", " ").encode() + b"\n")


class _LateError(Exception):
    """A batch did not come in its time."""


_LATE = f"it did not come whole within {BATCH_SECONDS:g} s"


class _Coming:
    """A batch on its way, which has so long to come."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._until_s = clock.elapsed_s() + BATCH_SECONDS

    def stood_still(self, seconds: float) -> None:
        """So long nothing was read of it."""
        self._until_s += seconds

    def read(self, size: int, first: bytes = b"") -> bytes | None:
        """So many bytes, those that came first among them; None where the other side has gone before they came."""
        if len(first) == size:
            return first
        data = bytearray(size)
        data[: len(first)] = first
        view = memoryview(data)[len(first) :]
        while view:
            received = self._receive(view)
            if not received:
                return None
            view = view[received:]
        return bytes(data)

    def pass_over(self, size: int) -> bool:
        """Read what is not taken, so that the answer arrives and the next batch is found. Whether all of it came."""
        piece = memoryview(bytearray(1 << 16))
        while size and (received := self._receive(piece[:size])):
            size -= received
        return not size

    def _receive(self, into: memoryview) -> int:
        left_s = self._until_s - self._clock.elapsed_s()
        if left_s <= 0:
            raise _LateError
        self._connection.settimeout(left_s)
        try:
            return self._connection.recv_into(into)
        except TimeoutError as error:
            raise _LateError from error


def _bind(path: Path, draft: Path) -> socket.socket:
    """A socket's file that only its owner may use, under a name that nobody looks for."""
    opened = socket.socket(socket.AF_UNIX)
    try:
        draft.unlink(missing_ok=True)
        opened.bind(str(draft))
        draft.chmod(0o600)
    except OSError as error:
        opened.close()
        raise CallError(f"cannot listen at {path}: {error.strerror or error}", "name another path") from error
    return opened


def _refuse_living(path: Path) -> None:
    """One that a dead process has left may be replaced."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CallError(f"there is something else than a socket at {path}", "take it away, or name another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_AGAIN_SECONDS)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError:
            pass  # it does not answer, but somebody is there
    raise CallError(f"another process listens at {path}", "stop it, or name another path")
