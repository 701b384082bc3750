"""The status socket: a Unix socket that gives whoever connects one line of JSON, the last published state."""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crossfoot.errors import CallError, ServiceError
from crossfoot.seen.state import State, decode, encode

NAME = "status.sock"
"""The socket's name in a store's folder."""
_ANSWER_S = 1.0
_CREDENTIALS = struct.Struct("3i")
"""What the system tells of the other end: process, user, group."""


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """The path as a socket may have it: a socket's address has room for about a hundred bytes."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _connect(path: Path, timeout_s: float) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout_s)
    try:
        with _address(path) as address:
            client.connect(address)
    except OSError:
        client.close()
        raise
    return client


def ask(path: Path, timeout_s: float = 5.0) -> State:
    """The state of the service behind a socket; ServiceError where nobody answers."""
    line = _said(path, timeout_s)
    if not line:
        raise _nobody(path)
    return decode(line)


def answers(path: Path, timeout_s: float = 5.0) -> bool:
    """Whether a service is behind a socket and takes who asks, though it may have nothing to say yet."""
    try:
        _said(path, timeout_s)
    except ServiceError:
        return False
    return True


def _said(path: Path, timeout_s: float) -> bytes:
    holder = 0
    try:
        with _connect(path, timeout_s) as client, client.makefile("rb") as answer:
            holder = _holder(client)
            return answer.readline()
    except (TimeoutError, BlockingIOError) as error:  # somebody listens
        raise _silent(path, holder, timeout_s) from error
    except OSError as error:
        raise _nobody(path) from error


def _holder(client: socket.socket) -> int:
    """The process that listens at the other end."""
    process, _, _ = _CREDENTIALS.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(process)


def _silent(path: Path, holder: int, timeout_s: float) -> ServiceError:
    who = f"process {holder}" if holder else "a process"
    hint = "it was stopped or hangs: let it go on (kill -CONT), or end it and start it again; what is committed is kept"
    return ServiceError(f"{who} holds {path} and does not answer within {timeout_s:g} s", hint)


def _nobody(path: Path) -> ServiceError:
    return ServiceError(f"no service answers at {path}", "start one (`crossfoot run DEFINITION`), or name its --store")


class StatusSocket:
    """Answers on a thread of its own until it is closed. What a crash left in the path is replaced."""

    def __init__(self, path: Path, state: Callable[[], State | None]) -> None:
        self._path, self._state = path, state
        self._listener = _listen(path)
        self._inode = path.stat().st_ino
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="crossfoot-status", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as both:
            both.register(self._listener, selectors.EVENT_READ)
            both.register(self._woken, selectors.EVENT_READ)
            while all(key.fileobj is not self._woken for key, _ in both.select()):
                with suppress(OSError):
                    self._answer()

    def _answer(self) -> None:
        client, _ = self._listener.accept()
        with client:
            client.settimeout(_ANSWER_S)
            if (state := self._state()) is not None:
                client.sendall(encode(state))

    def close(self) -> None:
        """Stop answering; the path is free again."""
        self._wake.send(b".")
        self._thread.join()
        for each in (self._listener, self._wake, self._woken):
            each.close()
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()


def _listen(path: Path) -> socket.socket:
    """A socket that nobody but its owner may connect to, put in place whole."""
    with suppress(OSError):
        _connect(path, _ANSWER_S).close()
        raise CallError(f"another service answers at {path}", "stop it, or name another path")
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(draft) as address:
            listener.bind(address)
        draft.chmod(0o600)
        listener.listen(8)
        listener.setblocking(False)
        draft.replace(path)
    except OSError:
        listener.close()
        draft.unlink(missing_ok=True)
        raise
    return listener
