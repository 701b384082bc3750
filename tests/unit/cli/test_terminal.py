"""What is different on a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.counting import CLICKS, click, lines


def on_terminal(folder: Path, *arguments: str, **environment: str) -> str:
    """What a command writes to a terminal."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "crossfoot", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        cwd=folder,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm", **environment},
    )
    os.close(follower)
    told = b""
    try:
        while piece := os.read(leader, 4096):
            told += piece
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    assert child.wait() == 0
    return told.decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A counted store whose data tries to be a command for the terminal."""
    folder = tmp_path_factory.mktemp("terminal")
    records = [click(hour, f"2015-09-12T{hour:02}:00:00Z", page="\x1b[2Jgone [bold]x[/bold]") for hour in range(10, 14)]
    (folder / "clicks.jsonl").write_bytes(lines(records))
    (folder / "clicks.yaml").write_text(CLICKS)
    on_terminal(folder, "run", "clicks.yaml")
    return folder


def test_run_names_the_next_command(folder):
    """A person gets the command that may come next."""
    assert "next: crossfoot query clicks --by page,country --grain 1m" in on_terminal(folder, "run", "clicks.yaml")


def test_query_draws_a_line(folder):
    """A series has its sparkline and its facts."""
    told = on_terminal(folder, "query", "clicks", "--grain", "1h")
    assert "████" in told
    assert "epoch" in told


def test_data_cannot_speak_to_the_terminal(folder):
    """Control characters and markup in values are shown as they are."""
    told = on_terminal(folder, "query", "clicks", "--by", "page", "--grain", "1h")
    assert "\x1b[2J" not in told
    assert "\\x1b[2Jgone [bold]x[/bold]" in told


def test_no_color_is_respected(folder):
    """With NO_COLOR nothing is coloured."""
    told = on_terminal(folder, "query", "clicks", "--by", "page", NO_COLOR="1")
    assert "\x1b[3" not in told
    assert "\x1b[9" not in told
