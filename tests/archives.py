"""A store beside what the reference engine recounts from its archive."""

from __future__ import annotations

from pathlib import Path

from crossfoot.archive.reading import recount
from crossfoot.definition.load import load_file
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.engines.reference import ReferenceEngine


class Stored(EmbeddedEngine):
    """What a store holds, without opening it for writing."""

    def __init__(self, store: Path) -> None:
        self.path, self.definition = store, load_file(store / "definition.yaml")


def assert_recount_agrees(folder: Path, store: str = ".crossfoot") -> None:
    """The same epoch, cells, ledger by partition and minute with its digests, clocks and partitions."""
    live = Stored(folder / store)
    again = ReferenceEngine(live.definition)
    assert recount(folder / store, again, live.definition) == live.status().epoch
    assert again.cells() == live.cells()
    assert sorted(again.ledger(), key=repr) == sorted(live.ledger(), key=repr)
    assert again.status() == live.status()
    assert sorted(map(place, again.side_log()), key=repr) == sorted(map(place, live.side_log()), key=repr)


def place(entry: object) -> tuple[object, ...]:
    """All of an entry but its bytes, of which a store may keep the beginning only."""
    return tuple(getattr(entry, name) for name in entry.__slots__ if name != "raw")  # type: ignore[attr-defined]
