"""The native core's errors and tables in the terms of the house."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot import _core
from crossfoot.errors import CallError, CrossfootError, DataError, DefinitionError, HeldError, InternalError, StoreError

if TYPE_CHECKING:
    import pyarrow as pa

_KINDS: dict[str, type[CrossfootError]] = {
    "call": CallError,
    "definition": DefinitionError,
    "data": DataError,
    "store": StoreError,
    "held": HeldError,
}


class Crashed(Exception):  # noqa: N818 - an event of a test, not an error
    """The crash that a test asked for at a durable step."""


def durable_steps() -> list[str]:
    """The named durable steps of a commit and a checkpoint, in order."""
    return _core.durable_steps()


@contextmanager
def core_errors() -> Iterator[None]:
    """Turn the core's errors into those of `crossfoot.errors`."""
    try:
        yield
    except _core.CoreError as error:
        kind, message, hint = error.args
        if kind == "crash":
            raise Crashed(message) from None
        raise _KINDS.get(kind, InternalError)(message, hint) from None


def open_reader(path: str | Path, since: tuple[int, int] | None = None) -> _core.Reader:
    """A reader of the newest committed epoch; with a mark it can tell what has changed since."""
    with core_errors():
        return _core.Reader(str(path), since)


def read_stream(stream: bytes) -> pa.Table:
    """The table of an Arrow IPC stream."""
    import pyarrow as pa

    return pa.ipc.open_stream(stream).read_all()
