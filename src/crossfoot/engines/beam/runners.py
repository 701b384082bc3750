"""The runners that are known: which options each is started with, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from crossfoot.engines.beam.job import Job
from crossfoot.errors import CallError

PRISM = "github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0"
_FEW = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_ENDLESS = "BundleBasedDirectRunner"


@dataclass(frozen=True, slots=True)
class Runner:
    """`options`: what it is started with, of the job and the place of its program. `is_away`: on other machines.

    `has_reader`: it reads Pub/Sub itself.
    """

    options: Callable[[Job, str], Sequence[str]]
    is_away: bool = False
    has_reader: bool = False
    note: str = ""


def _prism(job: Job, program: str) -> list[str]:
    where = [f"--prism_location={program}", "--environment_type=LOOPBACK"]
    return ["--runner=PrismRunner", *where, *(["--streaming"] if job.is_endless else [])]


def _direct(job: Job, _: str) -> list[str]:
    return [f"--runner={_ENDLESS}", "--streaming"] if job.is_endless else [f"--runner={_FEW}"]


def _dataflow(job: Job, _: str) -> list[str]:
    live = ["--streaming", "--enable_streaming_engine"] if job.is_endless else []
    return ["--runner=DataflowRunner", f"--job_name={job.name}", *live]


def _portable(job: Job, _: str) -> list[str]:
    return ["--runner=PortableRunner", *(["--streaming"] if job.is_endless else [])]


RUNNERS = {
    "prism": Runner(_prism),
    "direct": Runner(_direct, has_reader=True),
    "dataflow": Runner(_dataflow, is_away=True, has_reader=True),
    "portable": Runner(_portable, is_away=True),
}


def need_beam() -> None:
    """CallError where Apache Beam is not installed."""
    if find_spec("apache_beam") is None:
        what = "the beam engine needs the package apache-beam"
        raise CallError(what, "pip install 'crossfoot[beam]', into an environment of its own")


def need_prism(program: str | None) -> str:
    """The program of Prism; CallError where there is none."""
    if program is None:
        raise CallError("there is no prism on this machine", f"go install {PRISM}, or name it: --prism PATH")
    return program
