"""How far a sink has everything: a small file in the store's folder, replaced whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from crossfoot.files import replace_whole

FOLDER = "sinks"


@dataclass(frozen=True, slots=True)
class Mark:
    """The sink of this identity has every cell as of an epoch. `file` is where the store's files went on then."""

    identity: str = ""
    epoch: int = 0
    file: int = 0

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
        found = json.loads(path_of(store, sink).read_text(encoding="utf-8"))
        return Mark(str(found["identity"]), int(found["epoch"]), int(found["file"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Mark()


def write(store: Path, sink: str, mark: Mark) -> None:
    """Durable when this returns."""
    path = path_of(store, sink)
    path.parent.mkdir(exist_ok=True)
    replace_whole(path, json.dumps({"sink": sink, **asdict(mark)}).encode())
