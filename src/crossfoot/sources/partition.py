"""What an input partition is, and how it is recognised when it is counted further."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from crossfoot.errors import DataError, StoreError

HEAD_BYTES = 4096
_FORM = "/"
NEW_STORE = "count it under another name, or into a new store (--store DIR)"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file is beside its name: its inode, and the hash of its first bytes (as many as there were)."""

    inode: int
    length: int
    digest: str

    @classmethod
    def of(cls, inode: int, head: bytes) -> Identity:
        """The identity of a file that begins with `head`."""
        return cls(inode, len(head), _digest(head))

    @classmethod
    def parse(cls, text: str) -> Identity:
        """What `str` of an identity says; StoreError for the identity of something that is no file."""
        inode, _, rest = text.partition(":")
        length, _, digest = rest.partition(":")
        if not (inode.isdecimal() and length.isdecimal()):
            raise StoreError(f"an input of the store was no file: {text}", "count files into a store of their own")
        return cls(int(inode), int(length), digest)

    def __str__(self) -> str:
        return f"{self.inode}:{self.length}:{self.digest}"

    def fits(self, head: bytes) -> bool:
        """Whether a file that begins with `head` can be the same, grown."""
        return len(head) >= self.length and _digest(head[: self.length]) == self.digest


def _digest(head: bytes) -> str:
    return blake2b(head, digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class State:
    """How a file is found: when all of it is as it was, its bytes are."""

    inode: int
    bytes: int
    changed_ns: tuple[int, int]
    is_object: bool = False
    """It is only ever replaced whole: what stands for its inode is another number for any other bytes."""

    @classmethod
    def of(cls, status: os.stat_result) -> State:
        """From the system's account of a file."""
        return cls(status.st_ino, status.st_size, (status.st_mtime_ns, status.st_ctime_ns))

    def __str__(self) -> str:
        return ":".join(map(str, (self.inode, self.bytes, *self.changed_ns)))


@dataclass(frozen=True, slots=True)
class Partition:
    """A file, a member of an archive, or a stream. `path` is what is opened; `name` is what the store knows.

    `state` is that of the file; a stream has none. What is `unread` was passed over, as it is known by its state.
    """

    name: str
    path: str
    identity: Identity
    head: bytes
    member: str | None = None
    state: State | None = None
    unread: bool = False

    @property
    def stream(self) -> bool:
        return self.state is None


@dataclass(frozen=True, slots=True)
class Position:
    """How far a store has counted a partition. `tail` is length and hash of the last bytes before that."""

    identity: Identity
    records: int = 0
    bytes: int = 0
    tail: tuple[int, int] = (0, 0)
    digest: int | None = None
    """CRC-32C of all bytes before it, if it is known."""
    finished: bool = False
    state: str | None = None
    """How the file was when it was read to its end, and the form that it was read in (`at_end`)."""

    @classmethod
    def of(cls, known: dict[str, Any]) -> Position:
        """From the store's own account of a partition."""
        length, digest = known["tail"]
        return cls(
            identity=Identity.parse(known["identity"]),
            records=known["records"],
            bytes=known["bytes"],
            tail=(length, digest),
            digest=known["digest"],
            finished=not known["live"],
            state=known["state"],
        )

    @property
    def file(self) -> str | None:
        """How the file was when it was read to its end."""
        return self.state and self.state.partition(_FORM)[0]

    @property
    def form(self) -> str:
        """The form that it was read in then; empty: lines, or nobody knows."""
        return (self.state or "").partition(_FORM)[2]

    def stands_at_end_of(self, state: State) -> bool:
        """Whether the file was read to its end and is as it was then."""
        return self.finished and self.file == str(state)

    @property
    def is_of_stream(self) -> bool:
        """Whether it was counted from a stream, which has neither inode nor state."""
        return not self.identity.inode and self.state is None

    def is_of(self, state: State) -> bool:
        """Whether what was counted are bytes of this very file or object, and not of one that took its place."""
        counted = self.identity.inode if self.state is None else int(self.state.split(":")[0])
        return counted == state.inode

    def may_hide_changes(self, state: State) -> bool:
        """Whether the file was touched since it was read to its end, and did not grow."""
        return self.file is not None and self.file != str(state) and self.file.split(":")[1] == str(state.bytes)


def positions_of(known: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Position]:
    """Where a store stands in its files and streams, by name; other inputs have no such positions."""
    found = {}
    for name, at in known:
        with suppress(StoreError):
            found[name] = Position.of(dict(at))
    return found


def at_end(partition: Partition, form: str) -> str | None:
    """What the store keeps of a file that was read to its end; a stream has no state."""
    if partition.state is None:
        return None
    return f"{partition.state}{_FORM}{form}" if form else str(partition.state)


def check_head(partition: Partition, position: Position) -> None:
    """The file still begins as it did when it was counted."""
    if partition.state is not None and partition.state.is_object and partition.member is None:
        if position.digest is None and not position.is_of(partition.state):
            raise rewritten(partition.name, position)
        return
    if position.identity.fits(partition.head):
        return
    same = position.identity.inode == partition.identity.inode
    same = same or (partition.state is not None and partition.state.is_object)  # a member of an archive
    if not same and not partition.stream:
        hint = f"{NEW_STORE}; logs that are rotated are followed: `follow: true`, with --once to count and stop"
        raise DataError(f"{partition.name} was replaced by another file since it was counted", hint)
    if len(partition.head) < position.identity.length:
        raise truncated(partition.name, len(partition.head), position)
    raise DataError(f"{partition.name} was rewritten since it was counted: its first bytes are others", NEW_STORE)


def truncated(name: str, there: int, position: Position, unit: str = "bytes") -> DataError:
    """There is less than was counted already."""
    counted = position.bytes if unit == "bytes" else position.records
    return DataError(f"{name} was truncated since it was counted: {there} of {counted} {unit}", NEW_STORE)


def rewritten(name: str, position: Position) -> DataError:
    """The bytes before the position are not those that were counted."""
    return DataError(f"{name} was rewritten since it was counted: other bytes before byte {position.bytes}", NEW_STORE)


def other_rows(name: str, position: Position) -> DataError:
    """The rows before the position are not those that were counted."""
    what = f"{name} was rewritten since it was counted, or its last row was only begun then"
    return DataError(f"{what}: other rows among the first {position.records}", NEW_STORE)


def gone_on(name: str, position: Position) -> DataError:
    """The last line was counted before it was ended."""
    what = f"the last line of {name} was counted as it stood, and goes on now, at byte {position.bytes}"
    hint = "count into a new store; a file that is still written needs `follow: true`, which waits for ends of lines"
    return DataError(what, hint)
