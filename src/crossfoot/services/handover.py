"""How a store changes hands while it is counted into: somebody asks, and the run that holds it lets go at the end of an
epoch, and opens it again when that is done.

Who asks holds a lock on the request as long as it lives. A request whose lock nobody holds is that of a process that
has died: it is removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from crossfoot.errors import HeldError
from crossfoot.files import held, make_folder
from crossfoot.generations import FOLDER

_ASKED = "switch"
_LOCK = "LOCK"
_PAUSE_S = 0.02


def only_one(store: Path) -> IO[str]:
    """One process at a time builds a generation of a store; HeldError says which does."""
    make_folder(store / FOLDER)
    hint = "wait for it or stop it; what it has built is kept"
    return held(store / FOLDER / _LOCK, f"a generation of {store} is being built", hint)


@contextmanager
def asked(store: Path) -> Iterator[None]:
    """Whoever counts into the store is asked to let go until the end of this."""
    path = store / FOLDER / _ASKED
    with held(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_asked(store: Path) -> bool:
    """Whether somebody waits for the store."""
    return (store / FOLDER / _ASKED).exists()


def wait_for(store: Path, stop: Callable[[], bool]) -> None:
    """Until who asked is done or has died, or until asked to stop."""
    path = store / FOLDER / _ASKED
    while path.exists() and not stop():
        with suppress(HeldError), held(path, f"{store} is asked for"):
            path.unlink()
            return
        pause()


def pause() -> None:
    """Between two looks."""
    time.sleep(_PAUSE_S)
