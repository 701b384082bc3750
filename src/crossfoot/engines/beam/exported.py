"""What the file of an exported pipeline calls: the same checks and the same end as `crossfoot beam run` has."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from crossfoot.engines.beam.beginning import begin
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.runners import need_prism
from crossfoot.engines.beam.submit import Launch, follow

_PROGRAM, _UPDATE = "--prism_location=", "--update"


def run(job: Job, launch: Launch, build: Callable[[Any], None]) -> int:
    """Check, say whose the table is, build, run to the end. Prism is that of the machine that the file runs on."""
    options = tuple(option for option in launch.options if option != _UPDATE and not option.startswith(_PROGRAM))
    launch = replace(launch, program=_prism(launch), options=options, update=_UPDATE in launch.options)
    follow(job, launch, begin(job, launch, steps=build), lambda: False)
    return 0


def _prism(launch: Launch) -> str:
    if launch.runner != "prism":
        return ""
    named = [option.removeprefix(_PROGRAM) for option in launch.options if option.startswith(_PROGRAM)]
    return need_prism(named[-1] if named else shutil.which("prism"))
