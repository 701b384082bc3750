"""Beam's options of a job, looked at before anything is written."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr
from difflib import get_close_matches
from typing import Any

from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.runners import RUNNERS, check_prism
from crossfoot.engines.beam.submit import Launch, submitted
from crossfoot.errors import CallError, ServiceError

_ANSWER_S = 10.0
_EMBEDDED = "embed"


def check_options(job: Job, launch: Launch) -> None:
    """CallError where Beam or the runner does not take them, or Prism is none; ServiceError where no job server is."""
    if launch.update and not (RUNNERS[launch.runner].is_updatable and job.is_endless):
        which = "whose sources have an end" if RUNNERS[launch.runner].is_updatable else f"on {launch.runner}"
        hint = "start it anew with an empty table, without --update"
        raise CallError(f"a job {which} leaves no state to go on with", hint)
    options = _read(list(submitted(job, launch)), launch.runner)
    if faults := [*_faults(options, launch.runner)]:
        what = "; ".join(f"{fault[:1].lower()}{fault[1:]}".rstrip(".") for fault in faults)
        raise CallError(
            f"{launch.runner} does not take the options: {what}", "change them: --option NAME=VALUE, --name"
        )
    if launch.runner == "prism":
        from apache_beam.options.pipeline_options import PrismRunnerOptions

        check_prism(options.view_as(PrismRunnerOptions).prism_location)
    if launch.runner == "portable":
        _check_server(options)


def _check_server(options: Any) -> None:
    import grpc
    from apache_beam.options.pipeline_options import PortableOptions

    endpoint = options.view_as(PortableOptions).job_endpoint
    if endpoint == _EMBEDDED:
        return
    with grpc.insecure_channel(endpoint) as channel:
        try:
            grpc.channel_ready_future(channel).result(_ANSWER_S)
        except grpc.FutureTimeoutError as error:
            hint = "start it, or name another one: --option job_endpoint=HOST:PORT"
            raise ServiceError(f"no job server answers at {endpoint}", hint) from error


def _read(flags: list[str], runner: str) -> Any:
    """As Beam reads them. It ends the process where a value is wrong, and passes over names that it does not know."""
    from apache_beam.options.pipeline_options import PipelineOptions

    said = io.StringIO()
    # A handler that is made while stderr is another one would keep all that is logged later.
    logging.basicConfig()
    try:
        with redirect_stderr(said):
            options = PipelineOptions(flags)
            given = options.get_all_options(retain_unknown_options=True)
    except SystemExit as error:
        what = said.getvalue().strip().rpartition("error: ")[2]
        raise CallError(f"beam does not take an option: {what}", "change it: --option NAME=VALUE") from error
    known = PipelineOptions([]).get_all_options()
    for name in given if RUNNERS[runner].has_all_options else ():
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"the nearest one is {near[0]}" if near else "leave it out"
            raise CallError(f"beam has no option of this name: {name}", hint)
    return options


def _faults(options: Any, runner: str) -> Iterator[str]:
    """What Beam has against them. Its runner is not named to it: it would ask, and make, a bucket."""
    from apache_beam.options.pipeline_options import GoogleCloudOptions, PortableOptions, StandardOptions, WorkerOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
    from apache_beam.runners import create_runner

    validator = PipelineOptionsValidator(options, None)
    yield from validator.validate()
    if runner == "portable" and not options.view_as(PortableOptions).job_endpoint:
        yield validator.ERR_MISSING_OPTION % "job_endpoint"
    if runner != "dataflow":
        return
    cloud = options.view_as(GoogleCloudOptions)
    yield from validator.validate_cloud_options(cloud)
    yield from validator.validate_num_workers(options.view_as(WorkerOptions))
    yield from validator.validate_gcs_path(cloud, "temp_location")
    if cloud.staging_location:
        yield from validator.validate_gcs_path(cloud, "staging_location")
    if not cloud.region:
        yield validator.ERR_MISSING_OPTION % "region"
    try:
        create_runner(options.view_as(StandardOptions).runner)
    except ImportError as error:
        yield str(error)
