"""A generation that is put in force while a run counts on; after a kill at any moment it is in force or it is not."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from crossfoot.generations import number_in_force
from crossfoot.query.client import Store
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.embedded import EmbeddedStore
from tests.backfilling import assert_rebuilt_agrees
from tests.counting import click, lines
from tests.crash.processes import call, start
from tests.crash.test_live_kill import FOLLOW, SMALL, SOCKET, Sender

MORE = "  by_country: {by: [[country], []], measures: {clicks: count}, grains: [1h]}\n"
QUICK = {**SMALL, "CROSSFOOT_ARCHIVE_SECONDS": "0.05"}


def changed(text: str) -> str:
    return text.replace("metrics:\n", "metrics:\n" + MORE)


class Followed:
    """A file that grows while a test looks on, and the process that follows it."""

    def __init__(self, folder: Path, text: str = FOLLOW) -> None:
        self.folder, self.seq = folder, 0
        self.store = folder / ".crossfoot"
        (folder / "clicks.yaml").write_text(text)
        (folder / "changed.yaml").write_text(changed(text))
        self.write(50)
        self.run = start(folder, "run", "clicks.yaml", environment=QUICK)
        self.until(lambda: self.counted == 50)

    def write(self, many: int) -> None:
        with (self.folder / "clicks.jsonl").open("ab") as out:
            out.write(lines(click(self.seq + number) for number in range(many)))
        self.seq += many

    def until(self, done: Callable[[], bool]) -> None:
        while not done():
            assert self.run.poll() is None, self.run.communicate()

    @property
    def counted(self) -> int:
        if not (self.store / "definition.yaml").exists():
            return 0
        return accounts_of(EmbeddedStore(self.store)).totals.get("counted", 0)

    def stop(self) -> str:
        self.run.send_signal(signal.SIGTERM)
        _, told = self.run.communicate(timeout=120)
        assert self.run.returncode == 0, told
        return str(told)


def clicks_of(store: Path, metric: str) -> int:
    return int(Store.open(store).query(metric, grain="1h").to_arrow()["clicks"].to_pylist()[0])


def test_a_run_goes_on_in_the_generation_that_is_put_in_force_meanwhile(tmp_path: Path):
    followed = Followed(tmp_path)
    followed.write(20)
    code, _, told = call(tmp_path, "backfill", "changed.yaml", "--yes", environment=QUICK)
    assert code == 0, told
    followed.write(30)
    followed.until(lambda: followed.counted == 100)
    assert "another generation is put in force" in followed.stop()
    assert (clicks_of(followed.store, "clicks"), clicks_of(followed.store, "by_country")) == (100, 100)
    assert_rebuilt_agrees(followed.store)


def test_a_reader_that_is_open_sees_no_epoch_go_back(tmp_path: Path):
    followed = Followed(tmp_path)
    reader, epochs = Store.open(followed.store), [0]
    switching = start(tmp_path, "backfill", "changed.yaml", "--yes", environment=QUICK)
    while switching.poll() is None:
        followed.write(1)
        clicks = reader.query("clicks", grain="1h").to_arrow()["clicks"].to_pylist()[0]
        assert clicks <= reader.query("totals").to_arrow()["clicks"].to_pylist()[0]
        epochs.append(reader.epoch)
    _, told = switching.communicate()
    assert (switching.returncode, epochs) == (0, sorted(epochs)), told
    assert reader.query("by_country", grain="1h").to_arrow().num_rows == 1
    followed.stop()


def test_what_was_acknowledged_over_the_socket_is_counted_once_across_a_switch(tmp_path: Path):
    (tmp_path / "clicks.yaml").write_text(SOCKET)
    (tmp_path / "changed.yaml").write_text(changed(SOCKET))
    run = start(tmp_path, "run", "clicks.yaml", environment=QUICK)
    first = Sender(tmp_path, 0, 1)
    first.start()
    while first.answered < 5:
        first.join(0.002)
    code, _, told = call(tmp_path, "backfill", "changed.yaml", "--yes", environment=QUICK)
    assert code == 0, told
    first.join(60)
    second = Sender(tmp_path, first.seq, 1)
    second.start()
    while second.answered < 5:
        second.join(0.002)
        assert run.poll() is None
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=120)
    second.join(60)
    code, _, told = call(tmp_path, "run", "changed.yaml", "--once", environment=QUICK)
    assert code == 0, told
    store = tmp_path / ".crossfoot"
    answered = first.seq + 5 * second.answered
    counted = accounts_of(EmbeddedStore(store)).totals["counted"]
    assert answered <= counted <= answered + 5
    assert clicks_of(store, "by_country") == counted
    assert_rebuilt_agrees(store)


@pytest.mark.parametrize("seed", range(4))
def test_a_backfill_that_is_killed_at_any_moment_is_in_force_or_is_not(tmp_path: Path, seed: int):
    moments = random.Random(seed)
    followed = Followed(tmp_path)
    for _ in range(6):
        child = start(tmp_path, "backfill", "changed.yaml", "--yes", environment=QUICK)
        followed.write(3)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(moments.uniform(0.3, 2.5))
        child.kill()
        child.communicate()
    if number_in_force(followed.store) == 0:
        code, _, told = call(tmp_path, "backfill", "changed.yaml", "--yes", environment=QUICK)
        assert code == 0, told
    followed.write(10)
    followed.until(lambda: followed.counted == followed.seq)
    followed.stop()
    assert clicks_of(followed.store, "by_country") == followed.seq
    assert_rebuilt_agrees(followed.store)
