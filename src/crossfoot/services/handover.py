"""How a store changes hands while it is counted into: somebody asks, and the run that holds it lets go at the end of an
epoch, and opens it again when that is done.

Who asks holds a lock on the request as long as it lives. A request whose lock nobody holds is that of a process that
has died: it is removed.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from crossfoot.errors import StoreError
from crossfoot.generations import FOLDER

_ASKED = "switch"
_LOCK = "LOCK"
_PAUSE_S = 0.02


@contextmanager
def only_one(store: Path) -> Iterator[None]:
    """One process at a time builds a generation of a store; StoreError says which does."""
    folder = store / FOLDER
    folder.mkdir(exist_ok=True)
    with (folder / _LOCK).open("a+", encoding="ascii") as lock:
        if not _takes(lock):
            lock.seek(0)
            what = f"a generation of {store} is being built by process {lock.read().strip()}"
            raise StoreError(what, "wait for it or stop it; what it has built is kept")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def asked(store: Path) -> Iterator[None]:
    """Whoever counts into the store is asked to let go until the end of this."""
    path = store / FOLDER / _ASKED
    with _request(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _request(path: Path) -> IO[str]:
    """Locked, and still at its place: who found it without a lock may have removed it."""
    while True:
        request = path.open("w", encoding="ascii")
        fcntl.flock(request, fcntl.LOCK_EX)
        if _is_at(path, request):
            return request
        request.close()


def _is_at(path: Path, file: IO[str]) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def is_asked(store: Path) -> bool:
    """Whether somebody waits for the store."""
    return (store / FOLDER / _ASKED).exists()


def wait_for(store: Path, stop: Callable[[], bool]) -> None:
    """Until who asked is done or has died, or until asked to stop."""
    path = store / FOLDER / _ASKED
    while not stop():
        try:
            with path.open("r+", encoding="ascii") as request:
                if _takes(request):
                    path.unlink(missing_ok=True)
                    return
        except FileNotFoundError:
            return
        pause()


def pause() -> None:
    """Between two looks."""
    time.sleep(_PAUSE_S)


def _takes(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
