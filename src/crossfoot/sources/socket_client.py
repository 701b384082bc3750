"""The other side of a socket source: sends batches, and knows what is durable."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from crossfoot.errors import DataError, ServiceError
from crossfoot.sources.unix_socket import ARROW, FAILED, HEADER, JSON_LINES, POSITION, REFUSED

if TYPE_CHECKING:
    import pyarrow as pa


class SocketClient:
    """A connection to a socket source.

    A batch whose position was answered is durable; one that was not may be sent again. ServiceError where nobody
    listens or the other side has failed, DataError where a batch was refused.
    """

    def __init__(self, path: str | Path, timeout_s: float = 60.0) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise self._gone(error.strerror or str(error)) from error
        self._answers = self._socket.makefile("rb")

    def send(self, events: Iterable[Mapping[str, Any]]) -> int:
        """Send events as one batch; the position behind it."""
        return self.send_lines(b"".join(json.dumps(event).encode() + b"\n" for event in events))

    def send_lines(self, lines: bytes) -> int:
        """Send JSON lines as one batch; the position behind it."""
        return self._send(JSON_LINES, lines)

    def send_table(self, table: pa.Table) -> int:
        """Send the rows of an Arrow table as one batch; the position behind it."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return self._send(ARROW, sink.getvalue().to_pybytes())

    def _send(self, kind: int, body: bytes) -> int:
        try:
            with suppress(BrokenPipeError):  # who closed the connection has said why
                self._socket.sendall(HEADER.pack(len(body), kind) + body)
            return self._answer()
        except OSError as error:
            raise self._gone(error.strerror or str(error)) from error

    def _answer(self) -> int:
        kind = self._answers.read(1)
        if kind == REFUSED:
            raise DataError(f"the batch was refused: {self._answers.readline().decode().rstrip()}", "send it otherwise")
        if kind == FAILED:
            raise self._gone(self._answers.readline().decode().rstrip())
        answer = self._answers.read(POSITION.size) if kind else b""
        if len(answer) != POSITION.size:
            raise self._gone("the connection was closed")
        return int(POSITION.unpack(answer)[0])

    def _gone(self, why: str) -> ServiceError:
        hint = "start `crossfoot run`, and send again what was not answered: copies are not counted twice"
        return ServiceError(f"the socket {self._path} does not answer: {why}", hint)

    def close(self) -> None:
        """Close the connection."""
        self._answers.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
