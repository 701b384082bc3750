"""A counting process that is killed at any moment loses nothing and counts nothing twice."""

import json
import os
import random
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import Crashed, EmbeddedEngine
from crossfoot.errors import CrossfootError
from crossfoot.native import durable_steps
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import click, lines
from tests.crash.processes import DEFINITION, SMALL, call, prepare, records, start, state


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict:
    """What an undisturbed run gives."""
    folder = prepare(tmp_path_factory.mktemp("undisturbed"))
    code, _, error = call(folder, "run", "clicks.yaml")
    assert (code, error) == (0, [])
    found = state(folder)
    assert found["unaccounted"] == 0
    assert min(found["totals"][name] for name in ("counted", "duplicate", "too_late", "malformed")) > 0
    return found


@pytest.mark.parametrize("step", durable_steps())
def test_killed_at_a_durable_step(step, undisturbed, tmp_path):
    """Killed at a step that makes something durable, the next run ends with the same numbers, cell by cell."""
    prepare(tmp_path)
    nth = 1 if step == "checkpoint.merged" else 2
    code, _, _ = call(tmp_path, "run", "clicks.yaml", environment={**SMALL, "CROSSFOOT_CRASH": f"{step}:{nth}"})
    assert code == -signal.SIGKILL
    code, _, error = call(tmp_path, "run", "clicks.yaml", environment=SMALL)
    assert (code, error) == (0, [])
    assert state(tmp_path) == undisturbed
    assert call(tmp_path, "verify")[0] == 0


@pytest.mark.parametrize("step", [step for step in durable_steps() if not step.startswith("checkpoint.")])
def test_killed_while_an_epoch_is_written_beside_counting(step, undisturbed, tmp_path):
    """Where no checkpoint is due epochs are written while the next ones are counted: as much is kept."""
    prepare(tmp_path)
    epochs = {**SMALL, "CROSSFOOT_CHECKPOINT_BYTES": "1M"}
    code, _, _ = call(tmp_path, "run", "clicks.yaml", environment={**epochs, "CROSSFOOT_CRASH": f"{step}:4"})
    assert code == -signal.SIGKILL
    assert call(tmp_path, "run", "clicks.yaml", environment=epochs)[0] == 0
    assert state(tmp_path) == undisturbed
    assert call(tmp_path, "verify")[0] == 0


def test_an_error_beside_counting_is_that_of_a_later_call(tmp_path):
    """Nothing is written behind an epoch that failed."""
    engine = EmbeddedEngine(tmp_path / "store", load_text(DEFINITION), crash_at=("frame.half", 3))
    engine.register(["a"])
    for record in lines(records(2)).splitlines(keepends=True):
        engine.feed("a", record, 0)
        engine.commit_beside()
    with pytest.raises(Crashed):
        engine.commit()
    engine.abandon()
    reopened = EmbeddedEngine(tmp_path / "store", load_text(DEFINITION))
    assert (reopened.progress()["epoch"], reopened.partitions()["a"]["records"]) == (2, 1)
    reopened.abandon()


def test_killed_at_every_step_in_turn(undisturbed, tmp_path):
    """A process that is killed again and again gets there in the end."""
    prepare(tmp_path)
    for step in durable_steps():
        call(tmp_path, "run", "clicks.yaml", environment={**SMALL, "CROSSFOOT_CRASH": f"{step}:1"})
    assert call(tmp_path, "run", "clicks.yaml", environment=SMALL)[0] == 0
    assert state(tmp_path) == undisturbed


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(seed, tmp_path):
    """Killed wherever it happens to be in the stream, the same stream given again is counted once."""
    (tmp_path / "clicks.yaml").write_text(DEFINITION)
    data = lines(records(3000))
    moments = random.Random(seed)
    for _ in range(3):
        feed_and_kill(tmp_path, data[: moments.randrange(8_000, len(data))])
    child = start(tmp_path, "run", "clicks.yaml", "--input", "-", environment=SMALL, stdin=-1)
    child.communicate(data, timeout=120)
    assert child.returncode == 0
    (tmp_path / "whole.jsonl").write_bytes(data)
    assert call(tmp_path, "run", "clicks.yaml", "--store", "other", "--input", "whole.jsonl")[0] == 0
    interrupted, whole = state(tmp_path), state(tmp_path, "other")
    # A record without an id is known by its partition's name, which differs here.
    for found in (interrupted, whole):
        found["digests"].pop("malformed")
    assert interrupted == whole


def feed_and_kill(folder: Path, data: bytes) -> None:
    child = start(folder, "run", "clicks.yaml", "--input", "-", environment=SMALL, stdin=-1)
    assert child.stdin is not None
    child.stdin.write(data)
    child.stdin.flush()
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(number, tmp_path):
    """Ctrl-C and TERM commit what was read; the next run goes on from there."""
    (tmp_path / "clicks.yaml").write_text(DEFINITION)
    data = lines(records(3000))
    child = start(tmp_path, "run", "clicks.yaml", "--input", "-", environment=SMALL, stdin=-1)
    assert child.stdin is not None
    child.stdin.write(data[:200_000])
    child.stdin.flush()
    # It has taken all but what a pipe holds, so it is in its loop.
    child.send_signal(number)
    assert child.wait(timeout=60) == 130
    child.communicate()
    child = start(tmp_path, "run", "clicks.yaml", "--input", "-", "--format", "json", environment=SMALL, stdin=-1)
    out, _ = child.communicate(data, timeout=60)
    assert json.loads(out)["store"]["records"] == len(data.splitlines())


def test_asked_to_stop_while_nothing_comes(tmp_path):
    """What has come is shown while standard input is open and idle, and a stop does not wait for its end."""
    (tmp_path / "clicks.yaml").write_text(DEFINITION)
    child = start(tmp_path, "run", "clicks.yaml", "--input", "-", stdin=-1)
    assert child.stdin is not None
    child.stdin.write(lines(click(seq, got="2015-09-12T10:00:00Z") for seq in range(3)))
    child.stdin.flush()
    for _ in range(600):
        with suppress(CrossfootError):
            if state(tmp_path)["totals"].get("counted") == 3:
                break
        threading.Event().wait(0.05)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=30) == 130
    child.communicate()
    assert state(tmp_path)["totals"]["counted"] == 3


def test_stopped_while_counting_files(tmp_path):
    """A run that was stopped says how to go on, and the store can be read."""
    os.mkfifo(tmp_path / "clicks.jsonl")
    (tmp_path / "clicks.yaml").write_text(DEFINITION)
    child = start(tmp_path, "run", "clicks.yaml", environment=SMALL)
    # Open in both directions: this end never waits for the other, and the input never ends.
    with (tmp_path / "clicks.jsonl").open("r+b", buffering=0) as pipe:
        data = lines(records(3000))
        while data:
            data = data[pipe.write(data) :]
        # All but what a pipe holds was taken, so the store is there and its handlers stand.
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=60) == 130
    child.communicate()
    assert EmbeddedStore(tmp_path / ".crossfoot").meta["epoch"] > 0
