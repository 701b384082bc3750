"""Where definitions and stores are, unless a command says otherwise."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossfoot.definition.model import Definition
from crossfoot.errors import CallError, CrossfootError, InternalError, StoreError

STORE = ".crossfoot"
_NO_PLACE = (
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT)


def load(path: Path) -> Definition:
    """The definition in a file."""
    from crossfoot.definition.load import load_file

    return load_file(path)


def default_store(definition: Path) -> Path:
    """The store beside a definition."""
    return definition.parent / STORE


def shown_store(folder: Path) -> list[str]:
    """The option that names a store, where it needs naming."""
    return [] if folder.absolute() == Path(STORE).absolute() else ["--store", str(folder)]


@contextmanager
def written_to(place: str) -> Iterator[None]:
    """CallError where the place that was named cannot be written to; a full disk is no matter of the call."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        what = f"{(error.strerror or str(error)).lower()}: {error.filename or place}"
        raise CallError(f"nothing can be written to {place}: {what}", "name another place") from error


def refused_by_system(error: OSError) -> CrossfootError:
    """What a refusal that no command foresaw is to who called: a matter of the place, of space, or a fault of ours."""
    what = f"{error.strerror or error}".lower() + (f": {error.filename}" if error.filename else "")
    if error.errno in _FULL:
        return StoreError(what, "free some space, or write to another place, and run again")
    if error.errno in _NO_RIGHT:
        return CallError(what, "get the right to use it, or name another place")
    if error.errno in _NO_PLACE:
        missing = error.errno == errno.ENOENT
        return CallError(what, "make the folder, or name another place" if missing else "name another place")
    return InternalError(what, "free or repair it and run again")
