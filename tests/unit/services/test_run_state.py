"""How a run over files stands, as it is published."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crossfoot.seen.board import Board, Showing
from crossfoot.seen.log import Log
from crossfoot.seen.state import Spent, State
from crossfoot.services import run
from tests.counting import click, count, lines


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[State]:
    """What is published, state by state."""
    published: list[State] = []

    class Kept(Board):
        def publish(self, state: State) -> State:
            published.append(state)
            return super().publish(state)

    @contextmanager
    def shown(service: str, _showing: Showing) -> Iterator[Board]:
        yield Kept(Log("", service))

    monkeypatch.setattr(run, "shown", shown)
    return published


def test_only_epochs_are_timed(states, tmp_path):
    """A run that finds nothing new writes none; that the store has some is seen from the start."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1)]))
    epoch = count(tmp_path).epoch
    assert (states[-1].epoch, states[-1].epochs.times, states[-1].batches) == (epoch, 1, None)
    states.clear()
    count(tmp_path)
    assert [(state.epoch, state.epochs) for state in states] == [(epoch, Spent())] * len(states)
