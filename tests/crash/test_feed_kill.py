"""The feeds of a warehouse are killed at any moment: no row is missing, and none is there twice."""

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.counting import lines
from tests.crash.processes import DEFINITION, SMALL, call, records, start
from tests.warehouses import SINK, check_counted, opened, positions

FED = DEFINITION + SINK
QUICK = {
    **SMALL,
    "CROSSFOOT_FEED_BYTES": "4K",
    "CROSSFOOT_WAREHOUSE_SECONDS": "0.01",
    "CROSSFOOT_SINK_WAIT_SECONDS": "60",
}
QUIET_S = 5.0
"""A process that changes nothing for so long has nothing left to do."""


def prepare(folder: Path, number: int) -> int:
    """A folder with a definition and its data; how many records that is."""
    made = records(number)
    (folder / "clicks.yaml").write_text(FED)
    (folder / "clicks.jsonl").write_bytes(lines(made))
    return len(made)


def written(folder: Path) -> set[tuple[str, int, int]]:
    """What lies in a folder: paths, sizes, times of the last change."""
    found = set()
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.add((str(path), status.st_size, status.st_mtime_ns))
    return found


def run_and_kill(folder: Path, moments: random.Random, *arguments: str, environment: dict[str, str] = QUICK) -> bool:
    """Whether it was killed before it was done.

    The moment is a number of changes on disk, not a time: it lies inside the work however fast a process starts. One
    that has nothing left to change is killed, too, but was done.
    """
    child = start(folder, *arguments, environment=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before, left, changed_s = written(folder), moments.randint(1, 20), time.monotonic()
    while left and child.poll() is None and time.monotonic() - changed_s < QUIET_S:
        time.sleep(0.001)
        after = written(folder)
        if after != before:
            before, left, changed_s = after, left - 1, time.monotonic()
    child.kill()
    return child.wait(60) == -signal.SIGKILL and not left


def check(folder: Path, number: int) -> None:
    for command in (("run", "clicks.yaml"), ("feed", "clicks.yaml", "--once")):
        code, _, error = call(folder, *command, environment=QUICK)
        assert code == 0, error
    warehouse = opened(folder, FED)
    found = positions(warehouse)
    assert set(found.values()) == {1}
    assert len(found) == number
    check_counted(warehouse, folder / ".crossfoot")


def kill_and_check(folder: Path, seed: int, kills: int) -> None:
    number, moments, killed = prepare(folder, 60 * kills + 600), random.Random(seed), 0
    for _ in range(kills):
        command = moments.choice([("run", "clicks.yaml"), ("feed", "clicks.yaml")])
        killed += run_and_kill(folder, moments, *command)
    assert killed >= kills // 2
    check(folder, number)


def test_feeds_that_are_killed_lose_and_double_nothing(tmp_path):
    """Twenty kills, of the run with its feeds and of the raw feed in turn."""
    kill_and_check(tmp_path, 1, 20)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10))
def test_feeds_that_are_killed_by_the_hundred(seed, tmp_path):
    """Two hundred kills, over ten warehouses."""
    kill_and_check(tmp_path, 100 + seed, 20)
