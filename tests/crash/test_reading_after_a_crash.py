"""What a reader sees of an epoch whose commit was cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfoot.engines.embedded import Crashed, EmbeddedEngine
from crossfoot.errors import StoreError
from crossfoot.stores.embedded import EmbeddedStore
from tests.engines import FAR_FUTURE_US
from tests.golden import folders

DEFINITION = folders.read(folders.HOME / "ids-that-share-a-half").definition
RECORD = b'{"t": "2024-05-01T10:00:00Z", "id": %d, "v": 1}'


@pytest.mark.parametrize("step", ["frame.before", "frame.half", "frame.written", "frame.synced"])
def test_an_epoch_that_head_does_not_name_is_not_seen(step: str, tmp_path: Path):
    """The frame may be in the journal, even whole: until HEAD gives its length, it was not acknowledged."""
    engine = EmbeddedEngine(tmp_path / "store", DEFINITION, crash_at=(step, 3))
    engine.feed("a", RECORD % 1, FAR_FUTURE_US)
    assert engine.commit() == 2
    engine.feed("a", RECORD % 2, FAR_FUTURE_US)
    with pytest.raises(Crashed):
        engine.commit()
    assert (engine.status().epoch, engine.cells()[0].rows[0]["events"]) == (2, 1)
    engine.abandon()


@pytest.fixture
def behind(tmp_path: Path) -> Path:
    """A store with an event in its checkpoint, and one in an epoch behind it."""
    engine = EmbeddedEngine(tmp_path / "store", DEFINITION)
    engine.feed("a", RECORD % 1, FAR_FUTURE_US)
    engine.checkpoint()
    engine.feed("a", RECORD % 2, FAR_FUTURE_US)
    assert engine.commit() == 3
    engine.abandon()
    return tmp_path / "store"


def goes_on(store: Path) -> bool:
    """A writer finds what was committed, and readers again after it."""
    EmbeddedEngine(store, DEFINITION).abandon()
    return EmbeddedStore(store).meta["epoch"] == 3


def test_without_a_whole_head_nothing_is_guessed(behind: Path):
    """Neither reader nor writer takes a damaged HEAD for an empty one."""
    head = behind / "HEAD"
    data = bytearray(head.read_bytes())
    data[9] ^= 1
    head.write_bytes(data)
    with pytest.raises(StoreError, match=r"a wrong checksum in .*HEAD") as told:
        EmbeddedStore(behind)
    assert "remove that file" in str(told.value.hint)
    with pytest.raises(StoreError, match=r"a wrong checksum in .*HEAD"):
        EmbeddedEngine(behind, DEFINITION)
    head.unlink()
    assert goes_on(behind)


@pytest.mark.parametrize("left", [None, b"", bytes(36)])
def test_a_head_that_never_came_to_the_disk(left: bytes | None, behind: Path):
    """After a power cut there may be none, or zeros: a writer reads the journal to its end, readers wait for one."""
    head = behind / "HEAD"
    head.unlink() if left is None else head.write_bytes(left)
    with pytest.raises(StoreError, match=r"there is a journal, but no .*HEAD"):
        EmbeddedStore(behind)
    assert goes_on(behind)
