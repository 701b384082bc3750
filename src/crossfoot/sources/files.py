"""Paths, globs, folders, archives and standard input -> partitions, in a fixed order.

A partition is named by its path relative to the definition's folder, or absolute where it lies elsewhere: the same from
every working directory. An archive's members are `archive.tar.gz!member`. A stream (standard input, a named pipe) is
known by its first bytes, so that the same stream given again is the same partition.
"""

from __future__ import annotations

import difflib
import glob
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO

from crossfoot.errors import DataError
from crossfoot.sources.partition import HEAD_BYTES, Identity, Partition, Position, State
from crossfoot.sources.remote import LOCAL, NOWHERE, READ_BYTES, Remote, RemoteFile, is_elsewhere
from crossfoot.sources.stream_heads import ENDLESS, Patience, head_of, known_as
from crossfoot.sources.streams import DamageError, Pieces, is_archive, members, read_pieces, unpack, unreadable

STDIN = "-"
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where inputs are looked for (`start`), what their names are relative to (`home`), what folders leave out.

    Paths may be written with `..`; links stay as they are written.
    """

    start: Path
    home: Path
    leave_out: tuple[Path, ...] = ()
    remote: Remote = NOWHERE

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", _written(self.home))
        object.__setattr__(self, "leave_out", tuple(map(_written, self.leave_out)))


def _written(path: Path) -> Path:
    """`..` is taken out of the text alone."""
    return Path(os.path.normpath(path))


@dataclass(slots=True)
class Inputs:
    """The partitions of a run, grouped by the file that holds them, and the streams that were begun already."""

    groups: list[tuple[Partition, ...]] = field(default_factory=list)
    streams: dict[str, IO[bytes]] = field(default_factory=dict)
    remote: dict[str, RemoteFile] = field(default_factory=dict)
    """Files whose bytes come from elsewhere, by their URL."""
    total_bytes: int = 0
    """Bytes of all files as they are stored; streams are not in it."""
    read_bytes: int = 0
    """How much of that was read."""
    stop: Callable[[], bool] = lambda: False
    """Asked while a stream gives nothing."""

    @property
    def partitions(self) -> list[Partition]:
        """All partitions in their order."""
        return [partition for group in self.groups for partition in group]

    def open(self, path: str) -> IO[bytes]:
        """A file, from its beginning."""
        return self.remote[path].open(READ_BYTES) if path in self.remote else Path(path).open("rb")


def discover(
    inputs: Sequence[str],
    place: Place,
    stdin: IO[bytes] | None = None,
    positions: Mapping[str, Position] = MappingProxyType({}),
    patience: Patience = ENDLESS,
) -> Inputs:
    """The partitions that the inputs stand for. Nothing found, or something unreadable, is a `DataError`.

    A file that is as it was when its positions came to its end is not read. A stream of which nothing has come when we
    are asked to stop is a group of none.
    """
    found = Inputs()
    paths: dict[str, str] = {}
    for text in inputs:
        if text == STDIN:
            paths[STDIN] = STDIN
        elif is_elsewhere(text):
            files = place.remote.find(text)
            found.remote |= files
            paths |= {url: url for url in files}
        else:
            paths |= {name_of(path, place.home): str(path) for path in expand(text, place)}
    for name, path in sorted(paths.items()):
        found.groups.append(tuple(_partitions(name, path, (found, stdin), positions, patience)))
    return found


def expand(text: str, place: Place) -> list[Path]:
    """The files that a path, a folder or a pattern stands for now; DataError where there are none."""
    text = text.removeprefix(f"{LOCAL}://")
    path = _written(place.start / Path(text).expanduser())
    if path.is_dir():
        return _in_folder(path, place)
    if os.path.lexists(path):
        return [path]
    if not glob.has_magic(text):
        raise _missing(text, path)
    matches = (Path(match) for match in glob.iglob(str(path), recursive=True))  # noqa: PTH207 (as shells match)
    files = [match for match in matches if not match.is_dir()]
    if not files:
        raise DataError(f"no file matches {text}", f"it was looked for in {place.start}")
    return files


def _missing(text: str, path: Path) -> DataError:
    if not path.parent.is_dir():
        return DataError(f"there is no file {text}", f"there is no folder {path.parent} either; check the path")
    near = difflib.get_close_matches(path.name, [found.name for found in path.parent.iterdir()], 1)
    return DataError(f"there is no file {text}", f"did you mean {near[0]}?" if near else "check the path")


def _in_folder(folder: Path, place: Place) -> list[Path]:
    """Every file below a folder; hidden ones, the definition and the store are left out."""
    found = []
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        kept = [Path(parent, name) for name in (*folders, *names) if name[0] != "."]
        kept = [path for path in kept if path not in place.leave_out]
        folders[:] = [name for name in folders if Path(parent, name) in kept]
        found += [path for path in kept if path.is_file()]
    if not found:
        raise DataError(f"the folder {folder} holds no files", "name a folder with data, or a pattern: 'logs/*.gz'")
    return found


def _refuse(error: OSError) -> None:
    raise unreadable(str(error.filename), error) from error


def name_of(path: Path, home: Path) -> str:
    """What the store calls a file: the same by whatever way its folder and the definition's are reached."""
    name = path
    if path.is_relative_to(home):
        name = path.relative_to(home)
    elif (at := path.parent.resolve() / path.name).is_relative_to(home.resolve()):
        name = at.relative_to(home.resolve())
    return name.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _partitions(
    name: str, path: str, inputs: tuple[Inputs, IO[bytes] | None], positions: Mapping[str, Position], patience: Patience
) -> Iterator[Partition]:
    found, stdin = inputs
    try:
        file, state = (stdin or _standard_input(), None) if path == STDIN else _opened(path, found)
        if state is None:
            if (head := head_of(file, patience)) is not None:
                found.streams[path] = file
                is_of = known_as(name, head, positions, patience.is_table)
                yield Partition(is_of, path, Identity.of(0, head), head)
            return
        with file:
            if unread := _unread(name, path, state, positions):
                yield from unread
                return
            found.total_bytes += state.bytes
            if state.is_object and not is_archive(path):
                # What it is says all: nothing is asked of its bytes until they are counted.
                yield Partition(name, path, Identity.of(state.inode, b""), b"", state=state)
                return
            pieces = unpack(read_pieces(file, name, _PIECE_BYTES), name)
            if is_archive(path):
                yield from _members(name, path, pieces, state)
            else:
                head = _head(pieces)
                yield Partition(name, path, Identity.of(state.inode, head), head, state=state)
    except OSError as error:
        raise unreadable(name, error) from error


def _opened(path: str, found: Inputs) -> tuple[IO[bytes], State | None]:
    """A file to look at, and how it is; a stream has no state."""
    if remote := found.remote.get(path):
        return remote.open(READ_BYTES if is_archive(path) else _PIECE_BYTES), remote.state
    file = Path(path).open("rb", buffering=0)  # noqa: SIM115 (whoever asked closes it)
    status = os.fstat(file.fileno())
    return file, State.of(status) if stat.S_ISREG(status.st_mode) else None


def _unread(name: str, path: str, state: State, positions: Mapping[str, Position]) -> list[Partition]:
    """What a file holds, if it is as it was when all of that was read to its end."""
    known = {of: position for of, position in positions.items() if of == name or of.startswith(f"{name}!")}
    if not all(position.stands_at_end_of(state) for position in known.values()):
        return []
    return [
        Partition(of, path, position.identity, b"", of[len(name) + 1 :] or None, state, unread=True)
        for of, position in known.items()
    ]


def _standard_input() -> IO[bytes]:
    """Without a buffer: what has come can be seen, and waited for."""
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


def _head(pieces: Pieces) -> bytes:
    """The first unpacked bytes: the same however they are packed."""
    head = b""
    try:
        while len(head) < HEAD_BYTES and (piece := next(pieces, b"")):
            head += piece
    except DamageError:
        return head[:HEAD_BYTES]  # named when the file is read
    return head[:HEAD_BYTES]


def _members(name: str, path: str, pieces: Pieces, state: State) -> Iterator[Partition]:
    """The members that can be listed; what is damaged behind them is named when it is read."""
    count = 0
    try:
        for member, content in members(pieces, name):
            head = _head(unpack(content, member))
            count += 1
            yield Partition(f"{name}!{member}", path, Identity.of(state.inode, head), head, member, state)
    except DamageError:
        if not count:
            raise
        return
    if not count:
        raise DataError(f"the archive {name} holds no files", "check that it is the right one")
