"""Hands a job to its runner, and follows it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.runners import RUNNERS
from crossfoot.engines.beam.telling import fault_of_data, tell_in_lines
from crossfoot.errors import CrossfootError, ServiceError

_LOOK_S = 0.2
_HINT = "look into what its runner has said above"
_DONE = ("DONE", "UPDATED")
_INTERRUPTED = re.compile(r"KeyboardInterrupt\b")


@dataclass(frozen=True, slots=True)
class Launch:
    """Which runner, where its program is (Prism), and options that are handed to Beam as they are.

    `update`: the job goes on with the state of the one of its name.
    """

    runner: str
    program: str = ""
    options: tuple[str, ...] = ()
    update: bool = False


def follow(job: Job, launch: Launch, result: Any, stop: Callable[[], bool]) -> str:
    """Until the job ends; the state that it ends in, empty where it was asked to stop.

    A job on this machine is cancelled then. `result` is what Beam says of the job. ServiceError where it fails.
    """
    while not _is_over(str(result.state)):
        if stop():
            if not RUNNERS[launch.runner].is_away:
                result.cancel()
            return ""
        time.sleep(_LOOK_S)
    return _ended(job, result)


def _is_over(state: str) -> bool:
    from apache_beam.runners.runner import PipelineState

    return bool(PipelineState.is_terminal(state))


def _ended(job: Job, result: Any) -> str:
    try:
        state = str(result.wait_until_finish())
    except Exception as error:
        raise _failed(f"the job {job.name} failed", error, _HINT) from error
    if state not in _DONE:
        raise ServiceError(f"the job {job.name} ended as {state.lower()}", _HINT)
    return state


def submit(job: Job, launch: Launch, steps: Callable[[Any], object] | None = None) -> Any:
    """Begin; what Beam says of the job. Its runners may take over Ctrl-C here.

    `steps` puts the steps into the pipeline; those of the job if there are none.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from crossfoot.engines.beam.pipeline import build

    if not RUNNERS[launch.runner].is_away:
        tell_in_lines()
    try:
        pipeline = beam.Pipeline(options=PipelineOptions(list(submitted(job, launch))))
        if steps is None:
            build(pipeline, job)
        else:
            steps(pipeline)
        return pipeline.run()
    except Exception as error:
        raise _failed(f"the job {job.name} failed on {launch.runner}", error, _HINT) from error


def arguments(job: Job, launch: Launch) -> Sequence[str]:
    """Beam's options of a job, however often it is begun."""
    return [*RUNNERS[launch.runner].options(job, launch.program), *launch.options]


def submitted(job: Job, launch: Launch) -> Sequence[str]:
    """Those that it is begun with now."""
    return [*arguments(job, launch), *(["--update"] if launch.update else [])]


def _failed(what: str, error: Exception, hint: str) -> CrossfootError:
    """Data that a worker cannot read is no fault of its runner, and neither is Ctrl-C, which Direct wraps."""
    if _INTERRUPTED.match(str(error)):
        raise KeyboardInterrupt from error
    return fault_of_data(str(error)) or ServiceError(f"{what}: {_line(error)}", hint)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
