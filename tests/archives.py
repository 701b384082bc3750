"""A store beside what the reference engine recounts from its archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossfoot.archive.engine import ArchivingEngine
from crossfoot.archive.reading import recount
from crossfoot.definition.load import load_file
from crossfoot.definition.model import Definition
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.services.store import keep_definition
from crossfoot.settings import Settings
from crossfoot.testing.clocks import ManualClock
from tests.counting import NOW_US


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


@contextmanager
def unsealed(store: Path, definition: Definition, data: bytes) -> Iterator[Path]:
    """A store that is counted into, with an archive of which no part is sealed yet."""
    engine = ArchivingEngine(store, definition, ManualClock(0), Settings())
    engine.register_as([("a", "")])
    engine.feed("a", data, NOW_US)
    engine.commit()
    keep_definition(store, definition, store.parent)
    yield store
    engine.abandon()
