"""What the file of an exported pipeline calls: the same checks and the same end as `crossfoot beam run` has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from crossfoot.engines.beam.beginning import begin
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.runners import find_prism
from crossfoot.engines.beam.submit import Launch, follow

_UPDATE = "--update"


def run(job: Job, launch: Launch, build: Callable[[Any], None]) -> int:
    """Check, say whose the table is, build, run to the end. Prism is that of the machine that the file runs on."""
    options = tuple(option for option in launch.options if option != _UPDATE)
    launch = replace(launch, program=find_prism(), options=options, update=_UPDATE in launch.options)
    follow(job, launch, begin(job, launch, steps=build), lambda: False)
    return 0
