"""Files that are followed: growing, rotated, replaced, truncated, deleted; folders and patterns where files appear.

A partition is a file, not a path: the name of the first file at a path is the path's, that of the next one the path's
and `@2`. A file that is renamed stays the partition it was; one that is truncated or rewritten is another one from then
on.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from crossfoot.errors import DataError
from crossfoot.seen.state import Lag
from crossfoot.sources.files import Place, expand, name_of
from crossfoot.sources.followed import CutError, Followed, Key, Sight
from crossfoot.sources.lines import Chunk, LongLine
from crossfoot.sources.live import Acknowledge, Failing, Feed, Known, LiveSource, Moved, Named, Room, Seen, nothing
from crossfoot.sources.partition import Position
from crossfoot.sources.reading import Reading, reading_of
from crossfoot.sources.streams import is_packed

FILES_MAX = 800
"""Files that are open at the same time."""
QUIET_LOOKS = 5
"""A file that is found nowhere any more is at its end when so many looks in a row saw it not grow."""


@dataclass(frozen=True, slots=True)
class FollowedFiles:
    """Paths, folders and patterns of a definition that are followed."""

    name: str
    files: tuple[str, ...]
    place: Place

    def open(self, room: Room) -> LiveSource:
        """Nothing is opened before the store is known."""
        return FollowInput(self, reading_of(room.definition, room.settings))


class FollowInput:
    """The files while they are followed."""

    def __init__(self, files: FollowedFiles, reading: Reading) -> None:
        self.name = files.name
        self._files = files
        self._reading = reading
        self._known: dict[str, Position] = {}
        self._open: dict[Key, Followed] = {}
        self._joining: dict[str, Followed] = {}
        self._passed: dict[Key, int] = {}
        self._gone: list[str] = []
        self._cut: set[str] = set()
        self._notes: list[str] = []
        self._said: set[str] = set()

    # Which files there are.

    def open(self, known: Known) -> list[Named]:
        """The files that are there; those of the store that are nowhere any more are finished."""
        self._known = {name: Position.of(dict(kept)) for name, kept in known.items() if self._is_ours(name, kept)}
        added = self._join(self._sights())
        for name, position in self._known.items():
            if not position.finished and name not in self._joining:
                added += self._find_renamed(name, position)
        return added

    def _is_ours(self, name: str, kept: object) -> bool:
        """Whether a partition of the store is a file of this source, by its name."""
        path = str(self._path_of(name))
        patterns = [os.path.normpath(self._files.place.start / text) for text in self._files.files]
        is_file = isinstance(kept, dict) and kept["identity"].partition(":")[0].isdecimal()
        return is_file and any(fnmatch(path, text) or path.startswith(f"{text}{os.sep}") for text in patterns)

    def _path_of(self, name: str) -> Path:
        base, mark, number = name.rpartition("@")
        return self._files.place.home / (base if mark and number.isdecimal() else name)

    def _find_renamed(self, name: str, position: Position) -> list[Named]:
        """A file that was begun and has a name now that is not looked for: it lies beside where it was."""
        folder = self._path_of(name).parent
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.is_file() and path.stat().st_ino == position.identity.inode:
                sight = _sight(path, self._files.place.home)
                if sight and (file := self._opened(sight)) and file.fits(position):
                    return self._named(file, name, position)
        self._gone.append(name)
        self._note(f"{name} is gone: it is finished with the {position.bytes} bytes that were counted")
        return []

    def _sights(self) -> list[Sight]:
        """Every file that the source stands for now. What cannot be seen is said once."""
        found: dict[str, Path] = {}
        for text in self._files.files:
            try:
                found |= {name_of(path, self._files.place.home): path for path in expand(text, self._files.place)}
            except DataError as error:
                self._note(f"{error.message}; it is looked for again")
        sights = [_sight(path, self._files.place.home) for _, path in sorted(found.items())]
        return [sight for sight in sights if sight is not None]

    def _join(self, sights: list[Sight]) -> list[Named]:
        """Files that nobody reads yet and that have something to read."""
        added: list[Named] = []
        for sight in sights:
            if sight.key in self._open or self._passed.get(sight.key) == sight.bytes or self._has_older(sight):
                continue
            if is_packed(sight.path):
                self._note(f"{sight.name} is packed: it is not followed")
            elif len(self._open) + len(self._joining) >= FILES_MAX:
                self._note(f"more than {FILES_MAX} files are followed: {sight.name} waits until others are finished")
                continue
            elif file := self._opened(sight):
                added += self._identified(file)
                continue
            self._passed[sight.key] = sight.bytes
        return added

    def _has_older(self, sight: Sight) -> bool:
        """Whether the file that was at this path before is not read to its end yet."""
        return any(file.base == sight.name and not file.is_at_end for file in self._open.values())

    def _opened(self, sight: Sight) -> Followed | None:
        """The file, if it holds something to read."""
        try:
            file = Followed(sight, self._reading)
        except DataError as error:
            self._note(Failing(f"{error.message}; it is tried again"))
            return None
        if file.has_line and file.key not in self._open:
            return file
        file.close()
        return None

    def _identified(self, file: Followed) -> list[Named]:
        """The partition that a file is: one that was counted already, or a new one."""
        used = self._cut | {other.name for other in (*self._open.values(), *self._joining.values())}
        for name, position in self._known.items():
            if name not in used and file.fits(position):
                if position.finished and file.size == file.at_of(position):
                    self._passed[file.key] = file.size
                    file.close()
                    return []
                return self._named(file, name, position)
        if older := [name for name in self._known if name == file.base or name.startswith(f"{file.base}@")]:
            self._note(f"{file.base} is another file than {older[-1]}: it is a partition of its own")
        name, number = file.base, 1
        while name in self._known or name in used:
            number += 1
            name = f"{file.base}@{number}"
        return self._named(file, name, None)

    def _named(self, file: Followed, name: str, position: Position | None) -> list[Named]:
        file.name = name
        if position is not None:
            file.go_on(position)
        self._joining[name] = file
        self._known[name] = position or Position(file.identity)
        return [(name, str(file.identity))]

    def begin(self, names: Iterable[str]) -> dict[str, int]:
        """Read those that have joined. Lines have no positions of their own."""
        for name in names:
            if file := self._joining.pop(name, None):
                self._open[file.key] = file
        return {}

    # While they are read.

    def feed(self, into: Feed, bytes_max: int, wait_s: float, now_us: int) -> Moved:
        """Hand over the lines that have come, of each file its share."""
        taken = self._feed_all(into, bytes_max, now_us)
        if not taken and wait_s:
            select.select([], [], [], wait_s)
            taken = self._feed_all(into, bytes_max, now_us)
        notes, self._notes = tuple(self._notes), []
        return Moved(taken, 0, notes)

    def _feed_all(self, into: Feed, bytes_max: int, now_us: int) -> int:
        for name in self._gone:
            into.finish(name)
        self._gone = []
        share = max(1 << 16, bytes_max // max(1, len(self._open)))
        return sum([self._feed(file, into, share, now_us) for file in tuple(self._open.values())])

    def _feed(self, file: Followed, into: Feed, bytes_max: int, now_us: int) -> int:
        try:
            before = file.at
            _hand_over(file.read(bytes_max), file.name, into, now_us)
            if not file.is_ending or file.at > before:
                return file.at - before
            _hand_over(file.rest(), file.name, into, now_us)
            self._known[file.name] = file.position()
        except CutError as error:
            self._cut.add(file.name)
            self._note(f"{error.message}; what it holds now is a partition of its own")
        except OSError as error:
            self._note(Failing(f"cannot read {file.name}: {error.strerror or error}; it is tried again"))
            return 0
        into.finish(file.name)
        del self._open[file.key]
        self._passed.pop(file.key, None)
        file.close()
        return 0

    def look(self, now_us: int) -> Seen:
        """Look for files that were renamed, deleted or added."""
        sights = self._sights()
        there = {sight.key: sight for sight in sights}
        for key, file in self._open.items():
            file.quiet_looks = 0 if key in there else file.quiet_looks + 1
            file.is_ending = file.quiet_looks > QUIET_LOOKS
        idle = [file.name for file in self._open.values() if file.is_at_end and not file.has_half_line]
        added = self._join(sights)
        notes, self._notes = tuple(self._notes), []
        return Seen(tuple(idle), now_us, tuple(added), notes)

    def mark(self) -> Acknowledge:
        """The store keeps the positions."""
        return nothing

    def is_done(self) -> bool:
        """Whether what was there when a file was opened was read."""
        return all(file.at >= file.until for file in self._open.values())

    def lags(self, now_us: int) -> list[Lag]:
        """Whether a file has bytes that wait; how many records they are is not known."""
        del now_us
        files = sorted(self._open.values(), key=lambda file: file.name)
        return [Lag(file.name, 0 if file.is_at_end else 1, 0.0 if file.is_at_end else None) for file in files]

    def close(self) -> None:
        """Close all files."""
        for file in (*self._open.values(), *self._joining.values()):
            file.close()
        self._open, self._joining = {}, {}

    def _note(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._notes.append(text)


def _sight(path: Path, home: Path) -> Sight | None:
    """A regular file; None for anything else, and for what has gone meanwhile."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Sight(name_of(path, home), str(path), (status.st_dev, status.st_ino), status.st_size)


def _hand_over(chunks: Iterator[Chunk], name: str, into: Feed, now_us: int) -> None:
    for chunk in chunks:
        if isinstance(chunk, LongLine):
            into.skip(name, chunk.length, chunk.head)
        else:
            into.feed(name, chunk.data, now_us)
