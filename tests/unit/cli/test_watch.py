"""The view of a running service."""

import json
import os
import socket
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from crossfoot.cli import main
from crossfoot.cli import watch as watching
from crossfoot.cli.watch import rows, view
from crossfoot.seen.board import Showing, shown
from crossfoot.seen.socket import NAME, ask
from crossfoot.seen.state import Retry
from tests.unit.seen.states import FORWARDING, FULL, state


def drawn(found) -> str:
    console = Console(width=100, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(view(found))
    return captured.get()


def test_the_view_shows_rate_lag_copies_and_late_records():
    """With partitions and sinks as tables."""
    text = drawn(FULL)
    for part in ("1,234", "8.00 %", "2.00 %", "12 every 250 ms", "2015-09-12T10:00:00Z", "retrying kafka:clicks"):
        assert part in text
    lines = [line.split() for line in text.splitlines()]
    assert ["kafka:clicks/0", "40", "2.5", "s"] in lines
    assert ["kafka:cells", "10", "2", "100", "no", "broker", "answers"] in lines


def test_a_service_that_has_nothing_yet_is_shown():
    """Without partitions, watermark or records."""
    assert "none yet" in drawn(state(checkpoints=0))


def test_what_a_service_has_not_is_no_row():
    """One in front of a store counts no copies, and has neither epochs nor a watermark."""
    names = ["service", "records", "records/s", "out", "malformed", "queue bytes", "lag", "requests sent again"]
    assert [name for name, _ in rows(FORWARDING)] == [*names, "retries", "lag of kafka:clicks/0"]


def test_a_sink_that_fails_has_one_row():
    """Its own."""
    failing = state(sinks=FULL.sinks, retrying=(Retry("sink kafka:cells", 4, "no broker answers"),))
    assert [name for name, value in rows(failing) if "no broker answers" in str(value)] == ["sink kafka:cells"]


def test_one_state_for_scripts(tmp_path, capsys):
    """What the socket says."""
    with shown("run", Showing(tmp_path / NAME)) as board:
        board.publish(FULL)
        assert main(["watch", "--store", str(tmp_path), "--once", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["accounts"]["counted"], found["lags"][0]["records"]) == (90, 40)


def test_output_that_is_no_terminal_is_one_state(tmp_path, capsys):
    """A line for each number; another service's socket is named by its path."""
    with shown("relay", Showing(tmp_path / "relay.sock")) as board:
        board.publish(FULL)
        assert main(["watch", "--socket", str(tmp_path / "relay.sock")]) == 0
    lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    assert ["records", "100"] in lines


def test_a_service_that_hangs_is_not_said_to_be_away(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    """Who holds the socket is named: to start another one would not help."""
    monkeypatch.setattr(watching, "ask", partial(ask, timeout_s=0.1))
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / NAME))
        hanging.listen(0)
        told = f"holds {tmp_path / NAME} and does not answer within 0.1 s"
        assert main(["watch", "--store", str(tmp_path), "--once"]) == 6
        assert capsys.readouterr().err.splitlines()[0] == f"error: process {os.getpid()} {told}"
        # Who asked stands in the line still, and it holds no other.
        assert main(["watch", "--store", str(tmp_path), "--once"]) == 6
        assert capsys.readouterr().err.splitlines()[0] == f"error: a process {told}"


def test_where_nothing_runs_one_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """And the next step."""
    assert main(["watch", "--store", str(tmp_path)]) == 6
    assert capsys.readouterr().err.splitlines()[0] == f"error: no service answers at {tmp_path / NAME}"
