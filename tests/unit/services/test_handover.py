"""How a store changes hands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossfoot.definition.load import load_text
from crossfoot.generations import FOLDER
from crossfoot.services.handover import asked, is_asked, wait_for
from crossfoot.services.live import LiveJob, LiveWatch, run_live
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.sources.openers import openers_of
from crossfoot.warehouse.parquet import ParquetWarehouse
from tests.counting import STAMPED, click, lines
from tests.warehouses import check_counted, opened

PATIENCE_S = 60
FEEDING = STAMPED.replace("format: json}", "format: json, follow: true}") + (
    "archive: {}\nsinks: [{warehouse: {folder: warehouse, feeds: [counted]}}]\n"
)


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


class Writing:
    """A run whose warehouse does not come to the end of its first write before it is freed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "clicks.jsonl").write_bytes(lines(click(n, got="2015-09-12T10:08:00Z") for n in range(9)))
        definition, put = load_text(FEEDING), ParquetWarehouse.put
        self.entered, self.free, self.over = threading.Event(), threading.Event(), threading.Event()
        self.notes: list[str] = []
        self.states: list[Any] = []
        self.said = threading.Condition()

        def slow(*args: Any) -> None:
            self.entered.set()
            self.free.wait(PATIENCE_S)
            put(*args)

        monkeypatch.setattr(ParquetWarehouse, "put", slow)
        sources = openers_of(definition, Place(folder, folder, (folder / "store",)), {})
        settings = Settings(epoch_seconds=0.02, idle_seconds=0.02, sink_wait_seconds=0.0, warehouse_seconds=0.0)
        watch = LiveWatch(state=self._state, note=self._note, stop=self.over.is_set)
        self.failed: Exception | None = None
        self._job = LiveJob(definition, folder / "store", sources, home=folder), settings, watch
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            run_live(*self._job)
        except Exception as error:  # noqa: BLE001 - the test says which
            self.failed = error
        with self.said:
            self.said.notify_all()

    def _note(self, text: str) -> None:
        with self.said:
            self.notes.append(text)
            self.said.notify_all()

    def _state(self, state: Any) -> None:
        with self.said:
            self.states.append(state)
            self.said.notify_all()

    def wait(self, until: Callable[[], bool]) -> None:
        """Until that is so, or the run has failed."""
        with self.said:
            assert self.said.wait_for(lambda: self.failed is not None or until(), PATIENCE_S)

    def end(self) -> None:
        """Of the run, whatever came before."""
        self.free.set()
        self.over.set()
        self.thread.join(PATIENCE_S)


@pytest.fixture
def writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = Writing(tmp_path, monkeypatch)
    assert run.entered.wait(PATIENCE_S)
    (tmp_path / "store" / FOLDER).mkdir()
    with asked(tmp_path / "store"):
        run.wait(lambda: bool(run.notes))
    run.wait(lambda: len(run.notes) > 1)
    yield run
    run.end()


def test_a_write_that_goes_on_is_waited_for_before_its_feed_is_opened_again(writing: Writing, tmp_path: Path):
    """Then counting goes on."""
    assert writing.notes[1:] == ["what is being written is waited for: warehouse:warehouse counted"]
    before, last = len(writing.states), writing.states[-1].epoch
    writing.free.set()
    writing.wait(lambda: any(state.sinks[0].epoch >= last for state in writing.states[before:]))
    writing.end()
    assert writing.failed is None
    check_counted(opened(tmp_path, FEEDING), tmp_path / "store")


def test_a_stop_ends_the_waiting_for_a_write(writing: Writing):
    writing.over.set()
    writing.thread.join(PATIENCE_S)
    assert (writing.thread.is_alive(), writing.free.is_set(), writing.failed) == (False, False, None)
