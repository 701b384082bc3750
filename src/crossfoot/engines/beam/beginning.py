"""How a job begins, by the command or by the file of an exported pipeline: checked, claimed, handed to its runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crossfoot.engines.beam.checking import Ask, check, claim
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.submit import Launch, submit
from crossfoot.settings import environment


def begin(
    job: Job,
    launch: Launch,
    *more: tuple[str, Ask],
    steps: Callable[[Any], object] | None = None,
    claimed: Ask = lambda: None,
) -> Any:
    """What Beam says of the job, whose steps may be others. Nothing is written before all was asked, `more` as well.

    `claimed` is called once the table is the job's, and nothing is counted yet.
    """
    check(job, launch, environment(), *more)
    claim(job)
    claimed()
    return submit(job, launch, steps)
