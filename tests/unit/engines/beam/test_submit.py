"""What is told of a job that fails: bad data in one line, and everything else with what the log has of it."""

from __future__ import annotations

import logging

import pytest

from crossfoot.engines.beam.submit import _is_news
from crossfoot.errors import DataError

TRACE = "Traceback (most recent call last):\n  File \"a.py\", line 1\n%s [while running 'Count']"


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
    trace = (type(raised), raised, None) if raised else None
    assert _is_news(logging.LogRecord("a", logging.ERROR, "a.py", 1, said, None, trace)) is is_there
