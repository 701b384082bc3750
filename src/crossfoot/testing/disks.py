"""A disk that fails, or loses what was not synced, at the operation that a test has chosen."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

from crossfoot.log.disk import Disk
from crossfoot.native import Crashed


@dataclass(slots=True)
class FaultyDisk(Disk):
    """Does what it is asked for, up to operation number `fails_at`, counted from 0.

    `fault` is an error number of the system, or None for a crash; then `loses` is how many bytes of the last write that
    nobody has synced are gone, as after a power failure.
    """

    fails_at: int = 1 << 60
    fault: int | None = None
    loses: int = 0
    done: list[str] = field(default_factory=list)
    _unsynced: dict[int, tuple[int, int]] = field(default_factory=dict)

    def write(self, file: int, data: bytes, at: int) -> None:
        """Write, or fail half-way."""
        if self._fails("write"):
            Disk.write(self, file, data[: len(data) // 2], at)
            self._break()
        Disk.write(self, file, data, at)
        self._unsynced[os.fstat(file).st_ino] = file, at + len(data)

    def sync(self, file: int) -> None:
        """Sync, or fail before."""
        if self._fails("sync"):
            self._lose(file)
            self._break()
        Disk.sync(self, file)
        self._unsynced.pop(os.fstat(file).st_ino, None)

    def replace(self, old: Path, new: Path) -> None:
        """Give a file its name, or fail before."""
        if self._fails("replace"):
            self._break()
        Disk.replace(self, old, new)

    def remove(self, file: Path) -> None:
        """Delete a file, or fail before."""
        if self._fails("remove"):
            self._break()
        Disk.remove(self, file)

    def sync_folder(self, folder: Path) -> None:
        """Sync a folder, or fail before."""
        if self._fails("sync_folder"):
            self._break()
        Disk.sync_folder(self, folder)

    def _fails(self, what: str) -> bool:
        self.done.append(what)
        return len(self.done) > self.fails_at

    def _lose(self, file: int) -> None:
        if self.loses and os.fstat(file).st_ino in self._unsynced:
            size = os.fstat(file).st_size
            os.ftruncate(file, max(0, size - self.loses))

    def _break(self) -> None:
        if self.fault is None:
            raise Crashed(f"crash asked for at {self.done[-1]}")
        raise OSError(self.fault, os.strerror(self.fault))


NO_SPACE, NO_DISK = errno.ENOSPC, errno.EIO
