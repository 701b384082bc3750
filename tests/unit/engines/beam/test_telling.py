"""What is told of a job that fails: bad data in one line, and everything else with what the log has of it."""

from __future__ import annotations

import logging
from threading import ExceptHookArgs

import grpc
import pytest

from crossfoot.engines.beam.telling import hook_over, is_told
from crossfoot.errors import DataError

TRACE = "Traceback (most recent call last):\n  File \"a.py\", line 1\n%s [while running 'Count']"


class BrokenCall(grpc.RpcError, grpc.Call):
    """As a worker meets it whose runner has let go of it."""

    def __init__(self, said: str | None = "it is not registered\nin the worker pool") -> None:
        self.said = said

    def details(self) -> str | None:
        return self.said


BrokenCall.__abstractmethods__ = frozenset()


def record(said: str, raised: Exception | None) -> logging.LogRecord:
    """What is logged."""
    trace = (type(raised), raised, None) if raised else None
    return logging.LogRecord("a", logging.ERROR, "a.py", 1, said, None, trace)


@pytest.mark.parametrize(
    ("said", "raised", "is_there"),
    [
        (TRACE % "crossfoot.sources.streams.DamageError: a.gz is damaged", None, False),
        ("a.gz is damaged [while running 'Split files']", DataError("a.gz is damaged"), False),
        (TRACE % "crossfoot.errors.StoreError: it is held", None, True),
        ("it is held [while running 'Count']", RuntimeError("it is held"), True),
        ("the job begins", None, True),
    ],
)
def test_the_log_has_all_but_faults_of_the_data(said: str, raised: Exception | None, is_there: bool):
    """Whether they are in its text or raised as they are."""
    told = record(said, raised)
    before = logging.Formatter().format(record(said, raised))
    assert is_told(told) is is_there
    assert logging.Formatter().format(told) == before


@pytest.mark.parametrize(
    ("raised", "line"),
    [
        (BrokenCall(), "cannot read it is not registered in the worker pool"),
        (BrokenCall(None), "cannot read BrokenCall"),
        (grpc.RpcError("gone"), "cannot read gone"),
        (grpc.RpcError(), "cannot read RpcError"),
    ],
)
def test_a_broken_connection_is_a_line(raised: Exception, line: str):
    """With what its other end has said, and no traceback."""
    told = record("cannot read", raised)
    assert is_told(told)
    assert logging.Formatter().format(told) == line


@pytest.mark.parametrize(
    ("raised", "line"),
    [
        (BrokenCall(), "Error processing inst006. it is not registered in the worker pool"),
        (ValueError("of a step"), f"Error processing inst006. Original traceback is\n{TRACE % 'an error'}"),
    ],
)
def test_a_worker_that_writes_its_traceback_as_text(raised: Exception, line: str):
    """It does so while it has the error in hand."""
    told = record(f"Error processing inst006. Original traceback is\n{TRACE % 'an error'}", None)
    try:
        raise raised
    except (BrokenCall, ValueError):
        assert is_told(told)
    assert logging.Formatter().format(told) == line


def test_a_thread_that_ends_by_one_too(caplog):
    """Everything else is left to whom it was left to before."""
    left: list[ExceptHookArgs] = []
    hook = hook_over(left.append)
    broken = ExceptHookArgs((BrokenCall, BrokenCall(), None, None))
    other = ExceptHookArgs((ValueError, ValueError("a"), None, None))
    hook(broken)
    hook(other)
    assert (caplog.messages, left) == (
        ["a thread of Beam ended: it is not registered in the worker pool"],
        [other],
    )
