"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def replace_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole or not at all, and make it durable."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
