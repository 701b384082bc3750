"""What the log does to a disk, in one place, so that a test can make it fail."""

from __future__ import annotations

import os
from pathlib import Path

from crossfoot.files import make_folder, sync_folder


class Disk:
    """The operations whose order makes the log durable."""

    def write(self, file: int, data: bytes, at: int) -> None:
        """All of the bytes, at a place of an open file."""
        view = memoryview(data)
        while view:
            done = os.pwrite(file, view, at)
            view, at = view[done:], at + done

    def sync(self, file: int) -> None:
        """What was written is durable."""
        os.fdatasync(file)

    def cut(self, file: int, length: int) -> None:
        """Nothing behind this place."""
        os.ftruncate(file, length)

    def replace(self, old: Path, new: Path) -> None:
        """Give a file its name."""
        old.replace(new)

    def remove(self, file: Path) -> None:
        """Delete a file, if it is there."""
        file.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Names in a folder are durable."""
        sync_folder(folder)

    def make_folder(self, folder: Path) -> None:
        """A folder, and those above it, are there, and durable under their names."""
        make_folder(folder, self.sync_folder)
