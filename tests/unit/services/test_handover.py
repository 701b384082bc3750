"""How a store changes hands."""

from __future__ import annotations

import threading
from pathlib import Path

from crossfoot.generations import FOLDER
from crossfoot.services.handover import asked, is_asked, wait_for


def test_a_request_of_a_process_that_has_died_is_removed(tmp_path: Path):
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "switch").touch()
    wait_for(tmp_path, lambda: False)
    assert not is_asked(tmp_path)


def test_who_counts_waits_until_who_asked_is_done(tmp_path: Path):
    (tmp_path / FOLDER).mkdir()
    waiting = threading.Thread(target=wait_for, args=(tmp_path, lambda: False))
    with asked(tmp_path):
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
    waiting.join(30)
    assert not waiting.is_alive()
    assert not is_asked(tmp_path)


def test_a_stop_ends_the_waiting(tmp_path: Path):
    (tmp_path / FOLDER).mkdir()
    with asked(tmp_path):
        wait_for(tmp_path, lambda: True)
        assert is_asked(tmp_path)
