"""How far a sink has everything: a small file in the store's folder, replaced whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from crossfoot.files import replace_whole
from crossfoot.generations import FIRST

FOLDER = "sinks"


@dataclass(frozen=True, slots=True)
class Mark:
    """The sink of this identity has every cell as of an epoch of a generation, and none of an earlier one.

    `file` is where that generation's files went on then. Epoch 0: nothing yet, and nothing of an earlier generation.
    """

    identity: str = ""
    epoch: int = 0
    file: int = 0
    generation: int = FIRST

    @property
    def place(self) -> tuple[int, int]:
        """What a reader takes to tell what has changed since."""
        return self.epoch, self.file


def path_of(store: Path, sink: str) -> Path:
    """The file of a sink's mark."""
    digest = hashlib.blake2b(sink.encode(), digest_size=8).hexdigest()
    return store / FOLDER / f"{digest}.json"


def read(store: Path, sink: str) -> Mark:
    """The mark; where there is none, or it cannot be read, the sink is taken to have nothing, which is harmless."""
    try:
        return _mark(_said(path_of(store, sink)))
    except (OSError, ValueError, KeyError, TypeError):
        return Mark()


def _said(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _mark(found: dict[str, Any]) -> Mark:
    return Mark(str(found["identity"]), int(found["epoch"]), int(found["file"]), int(found.get("generation", FIRST)))


class Holder(NamedTuple):
    """A sink that may have cells of a generation, and where its mark is."""

    sink: str
    path: Path
    generation: int


def oldest(store: Path) -> Holder | None:
    """Whose mark is of the oldest generation. Marks that cannot be read hold nothing."""
    found = []
    for path in sorted((store / FOLDER).glob("*.json")):
        try:
            said = _said(path)
            found.append(Holder(str(said["sink"]), path, _mark(said).generation))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return min(found, key=lambda holder: holder.generation, default=None)


def write(store: Path, sink: str, mark: Mark) -> None:
    """Durable when this returns."""
    path = path_of(store, sink)
    path.parent.mkdir(exist_ok=True)
    replace_whole(path, json.dumps({"sink": sink, **asdict(mark)}).encode())
