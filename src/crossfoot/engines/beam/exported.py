"""What the file of an exported pipeline calls: the same checks and the same end as `crossfoot beam run` has."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from crossfoot.engines.beam.checking import check_services, claim
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.runners import PRISM
from crossfoot.engines.beam.submit import Launch, arguments, follow
from crossfoot.errors import CallError, CrossfootError, ServiceError
from crossfoot.settings import environment

_PROGRAM = "--prism_location="


def run(job: Job, launch: Launch, build: Callable[[Any], None]) -> int:
    """Build, check, say whose the table is, run to the end. Prism is that of the machine that the file runs on."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    launch = replace(launch, program=_prism(launch))
    try:
        pipeline = beam.Pipeline(options=PipelineOptions(list(arguments(job, launch))))
    except ValueError as error:
        raise CallError(f"beam does not take the options: {_line(error)}", "name others on the command line") from error
    build(pipeline)
    check_services(job, environment(), goes_on="--update" in launch.options)
    claim(job)
    try:
        result = pipeline.run()
    except CrossfootError:
        raise
    except Exception as error:
        hint = "look into what its runner has said above"
        raise ServiceError(f"the job {job.name} failed: {_line(error)}", hint) from error
    follow(job, launch, result, lambda: False)
    return 0


def _prism(launch: Launch) -> str:
    if launch.runner != "prism":
        return ""
    named = [option.removeprefix(_PROGRAM) for option in launch.options if option.startswith(_PROGRAM)]
    found = named[-1] if named else shutil.which("prism")
    if found is None:
        raise CallError("there is no prism on this machine", f"go install {PRISM}, or name it: {_PROGRAM}PATH")
    return found


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
