"""The demo as a newcomer runs it, piped: its numbers, and the commands that it offers."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from crossfoot.native import durable_steps

STORE = "a store's folder"


def run(words: list[str], room: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of ours in a folder."""
    assert words[0] == "crossfoot"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CROSSFOOT_")}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=room, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the demo runs."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(room: Path) -> list[str]:
    """What `crossfoot demo --chaos` prints; every check in it held."""
    result = run(["crossfoot", "demo", "--chaos", "--store", STORE], room)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    return result.stdout.splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "all           42,444   39,244      3,020       120         60           0",
        "  ok      edits counted: 39,244",
        "  ok      copies removed: 3,140",
        "  ok      copies over the allowed lateness, refused as too_late: 120",
        "  ok      records without an account: 0",
        "edits by robots     15,420  15,420",
        "new pages            2,278   2,278",
        "  ok      cells equal to those of DuckDB: 110,772 of 110,772",
        "  ok      cells equal to those of the count without kills: 110,772 of 110,772",
        "  ok      the ledger's totals and digests are the same",
        "  ok      lines: 541,909",
        "  ok      different lines counted: 536,641",
        "  ok      repeats removed: 5,268",
        "  ok      cells equal to those of DuckDB: 39 of 39",
    ],
)
def test_it_tells(line: str, told: list[str]):
    """The known numbers, each in its line."""
    assert line in told


def test_every_durable_step_kills_a_process(told: list[str]):
    """None is left out, and none ends another way."""
    killed = [line.split()[0] for line in told if line.endswith("records are committed")]
    assert killed == [*durable_steps(), "none:"]


def test_processes_are_killed_from_outside_too(told: list[str]):
    """Three of them."""
    assert sum("kill -9 from outside" in line for line in told) == 3


def test_piped_output_is_plain(told: list[str]):
    """No colours, no bars."""
    assert "\x1b" not in "".join(told)


def test_the_commands_that_it_prints_work(told: list[str], room: Path):
    """Each can be pasted into a shell, whatever the folder is called."""
    commands = [shlex.split(line) for line in told if line.startswith("  crossfoot ")]
    results = [run(command, room) for command in commands]
    assert [result.returncode for result in results] == [0, 0, 0, 0], [result.stderr for result in results]
    assert "Wikipedia:Vandalismusmeldung" in results[1].stdout


def test_the_delivered_files_are_there_to_be_counted_again(told: list[str], room: Path):
    """The definition beside them leads to the same store, which has nothing left to count."""
    result = run(["crossfoot", "run", f"{STORE}/demo/wikipedia.yaml", "--store", STORE], room)
    assert "4 inputs, 4 without anything new" in result.stdout


def test_a_second_demo_replaces_the_first(told: list[str], room: Path):
    """It prints the same, line by line; only the chaos is not in it."""
    result = run(["crossfoot", "demo", "--store", STORE], room)
    parts = "\n".join(told).split("\n\n")
    plain = [part for part in parts if not part.startswith("Chaos")]
    assert (result.returncode, result.stdout) == (0, "\n\n".join(plain) + "\n")
