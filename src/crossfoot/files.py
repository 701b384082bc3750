"""Files that are there whole or not at all, folders that stay, and files that one process holds."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from crossfoot.errors import HeldError, StoreError


def replace_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole or not at all, and make it durable. Where that fails nothing of it stays."""
    draft = path.with_name(f".{path.name}.new")
    try:
        with draft.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, sync: Callable[[Path], None] = sync_folder) -> None:
    """Make a folder, and those above it, where they are not there; durable under their names."""
    if folder.is_dir() and not _is_empty(folder):
        return  # who was ended before the sync has put nothing into it
    if folder.parent != folder:
        make_folder(folder.parent, sync)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def _is_empty(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None


def held(path: Path, what: str = "", hint: str = "") -> IO[str]:
    """A file that this process holds until it is closed, or the process ends; made if it is not there.

    Where another process holds it, `what` is done by that one: HeldError says so, and who it is. Without a `what` this
    waits. Who holds the file may remove it.
    """
    while True:
        with ExitStack() as opened:
            file = opened.enter_context(path.open("a+", encoding="ascii"))
            _lock(file, what, hint)
            if _is_at(path, file):
                file.truncate(0)
                print(os.getpid(), file=file, flush=True)
                opened.pop_all()
                return file


def _lock(file: IO[str], what: str, hint: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if what else 0))
    except BlockingIOError as error:
        file.seek(0)
        number = file.read().strip()
        raise HeldError(f"{what} by {f'process {number}' if number else 'another process'}", hint) from error
    except OSError as error:
        hint = "name a folder on a file system that has locks (flock), or see to the disk"
        raise StoreError(f"cannot lock {file.name}: {error.strerror}", hint) from error


def _is_at(path: Path, file: IO[str]) -> bool:
    """Whether it is still there: who held it may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
