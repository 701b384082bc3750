"""The clock of the machine is set while a service runs: stamps do not go back, and nothing is lost."""

import json
from datetime import UTC, datetime

import pytest

from crossfoot.archive.parts import parts_of
from crossfoot.archive.reading import rows
from crossfoot.sources.socket_client import SocketClient
from tests.archives import assert_recount_agrees
from tests.counting import CLICKS, STAMPED, click
from tests.jumps import DAY_S, HOUR_S, SetClock
from tests.live import LiveRun

INGEST = (
    CLICKS.replace("{files: clicks.jsonl, format: json}", "{socket: in.sock}").replace(
        "received: none", "received: ingest"
    )
    + "accept: {lateness: 7d}\narchive: {}\n"
)


def now(seq: int) -> dict:
    return click(seq, at=datetime.now(UTC).isoformat())


def stamps(run: LiveRun) -> list[int]:
    return [row["stamp"] for row in rows(parts_of(run.folder / "store")) if row["kind"] == "record"]


def send(run: LiveRun, seq: int, off_s: int) -> int:
    run.clock.set(off_s)
    with SocketClient(run.folder / "in.sock") as client:
        client.send([now(seq)])
    return seq + 1


@pytest.mark.parametrize("jumps", [[0, -HOUR_S, 0], [0, DAY_S, 0, -HOUR_S]], ids=["back", "forward and back"])
def test_the_stamps_of_our_log_do_not_go_back(jumps, tmp_path):
    """Everything is counted: a stamp that is ahead of the clock is our own, and no fault of the sender."""
    run = LiveRun(tmp_path, INGEST, clock=SetClock())
    steps = [lambda seq=seq, off_s=off_s: send(run, seq, off_s) for seq, off_s in enumerate(jumps)]
    assert run.run(*steps) == {"counted": len(jumps)}
    assert stamps(run) == sorted(stamps(run))
    assert_recount_agrees(tmp_path, "store")


def test_a_clock_that_was_set_back_between_two_runs(tmp_path):
    """The log knows its newest stamp."""
    run = LiveRun(tmp_path, INGEST, clock=SetClock())
    run.run(lambda: send(run, 0, DAY_S))
    assert run.run(lambda: send(run, 1, -HOUR_S) - 1) == {"counted": 1}
    assert stamps(run) == sorted(stamps(run))
    assert_recount_agrees(tmp_path, "store")


def test_what_others_have_stamped_ahead_of_a_clock_is_invalid_and_moves_nothing(tmp_path):
    """An hour back: what a file says was received in the future has an account of its own."""
    text = STAMPED.replace("files: clicks.jsonl", "files: clicks.jsonl, follow: true") + "archive: {}\n"
    run = LiveRun(tmp_path, text, clock=SetClock())

    def write(seq: int, off_s: int) -> int:
        run.clock.set(off_s)
        with (tmp_path / "clicks.jsonl").open("a") as file:
            got = datetime.now(UTC).isoformat()
            file.write(json.dumps({**now(seq), "got": got}) + "\n")
        return seq + 1

    write(0, 0)
    found = run.run(lambda: 1, lambda: write(1, -HOUR_S), lambda: write(2, 0))
    assert found == {"counted": 2, "invalid": 1}
    assert_recount_agrees(tmp_path, "store")
