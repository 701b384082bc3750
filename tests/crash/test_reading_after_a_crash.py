"""What a reader sees of an epoch whose commit was cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfoot.engines.embedded import Crashed, EmbeddedEngine
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
