"""The generations of a store: whole stores in its folder, of which one is in force.

The first is the store's folder itself; the others are `generations/N`. A small file names the one in force; where it is
absent the first is. Whoever opens a store's files asks `in_force` where they are. Archive, logs, marks of sinks and
history belong to all generations: they stay in the store's folder.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from crossfoot import files
from crossfoot.errors import StoreError
from crossfoot.files import replace_whole

FOLDER = "generations"
DEFINITION = "definition.yaml"
"""The file of a generation that says what it was counted with."""
IN_FORCE = "IN_FORCE"
FIRST = 0
_BEGAN = "BEGAN"


def number_in_force(store: Path) -> int:
    """Which generation is in force; 0 is the store's folder itself."""
    file = store / FOLDER / IN_FORCE
    try:
        text = file.read_text(encoding="ascii")
    except (FileNotFoundError, NotADirectoryError):
        return FIRST
    if not (text.endswith("\n") and text[:-1].isdecimal()):
        raise StoreError(f"damaged store: {file} names no generation", f"write one of {folders(store)} into it")
    return int(text)


def folder_of(store: Path, number: int) -> Path:
    """Where a generation lies."""
    return store if number == FIRST else store / FOLDER / str(number)


def in_force(store: str | Path) -> Path:
    """The folder of the generation in force."""
    return folder_of(Path(store), number_in_force(Path(store)))


def put_in_force(store: Path, number: int) -> None:
    """From here on this generation is the store. Durable when it returns; before it the other one is."""
    replace_whole(store / FOLDER / IN_FORCE, f"{number}\n".encode())


@dataclass(frozen=True, slots=True)
class Began:
    """How a generation came into force: at which epoch and file, how many events it had counted, and whether they are
    those that the one before it had."""

    epoch: int
    next_file: int
    counted: int
    same_events: bool


def keep_began(folder: Path, began: Began) -> None:
    """For who has the ids of the generation before."""
    replace_whole(folder / _BEGAN, json.dumps(asdict(began)).encode())


def began(folder: Path) -> Began:
    """How the generation in a folder came into force."""
    return Began(**json.loads((folder / _BEGAN).read_bytes()))


def folders(store: Path) -> list[int]:
    """The generations that have a folder in `generations`, in order."""
    found = (store / FOLDER).iterdir() if (store / FOLDER).is_dir() else iter(())
    return sorted(int(path.name) for path in found if path.name.isdecimal())


def make_folder(store: Path, number: int) -> Path:
    """The folder of a generation that is to be built. Feeds of a warehouse keep their marks for all generations."""
    folder = folder_of(store, number)
    files.make_folder(folder)
    feeds = folder / "feeds"
    if not feeds.is_symlink():
        feeds.symlink_to(Path("..", "..", "feeds"), target_is_directory=True)
        files.sync_folder(folder)
    return folder
