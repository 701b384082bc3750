"""What the file of an exported pipeline calls: the same checks and the same end as `crossfoot beam run` has."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

from crossfoot.engines.beam.checking import check_services, claim
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.runners import PRISM
from crossfoot.engines.beam.submit import Launch, follow
from crossfoot.errors import CallError, CrossfootError, ServiceError
from crossfoot.settings import environment

PROGRAM = "--prism_location="
"""Where Prism is: of the machine that the file runs on, so it does not stand in the file."""


def run(job: Job, options: Sequence[str], build: Callable[[Any], None]) -> int:
    """Build, check, say whose the table is, run to the end. `options` are Beam's, the last of a kind wins."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    given = [*_prism(options), *options]
    try:
        pipeline = beam.Pipeline(options=PipelineOptions(given))
    except ValueError as error:
        raise CallError(f"beam does not take the options: {_line(error)}", "name others on the command line") from error
    build(pipeline)
    check_services(job, environment(), goes_on="--update" in given)
    claim(job)
    try:
        result = pipeline.run()
    except CrossfootError:
        raise
    except Exception as error:
        raise ServiceError(
            f"the job {job.name} failed: {_line(error)}", "look into what its runner has said above"
        ) from error
    follow(job, Launch("direct"), result, lambda: False)
    return 0


def _prism(options: Sequence[str]) -> list[str]:
    if "--runner=PrismRunner" not in options or any(each.startswith(PROGRAM) for each in options):
        return []
    if (found := shutil.which("prism")) is None:
        raise CallError("there is no prism on this machine", f"go install {PRISM}, or name it: {PROGRAM}PATH")
    return [f"{PROGRAM}{found}"]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
