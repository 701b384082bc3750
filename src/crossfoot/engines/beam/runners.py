"""The runners that are known: which options each is started with, and what is to be said of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from zipfile import is_zipfile

from crossfoot.engines.beam.job import Job
from crossfoot.errors import CallError

PRISM = "github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0"
_GET_PRISM = f"go install {PRISM}, or name it: --prism PATH; to an exported pipeline: --prism_location=PATH"
_ANSWER_S = 10.0
_FEW = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_ENDLESS = "BundleBasedDirectRunner"


@dataclass(frozen=True, slots=True)
class Runner:
    """`options`: what it is started with, of the job and the place of its program. `is_away`: on other machines.

    `has_reader`: it reads Pub/Sub itself. `is_updatable`: it hands the state of a job to the next one of its name.
    `has_all_options`: Beam knows the names of all its options. `notes`: what is to be known of it; `live`: and where a
    source has no end.
    """

    options: Callable[[Job, str], Sequence[str]]
    is_away: bool = False
    has_reader: bool = False
    is_updatable: bool = False
    has_all_options: bool = True
    notes: tuple[str, ...] = ()
    live: tuple[str, ...] = ()

    def notes_on(self, job: Job) -> tuple[str, ...]:
        """Those that a job needs to know."""
        return self.notes + (self.live if job.is_endless else ())


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


_IN_MEMORY = "state is in its memory: a job that ends cannot go on, another one needs an empty table"
_ENDS = "a job ends when a worker dies or a bundle fails"
_STANDS_STILL = "it was seen to stand still after a subscription had been quiet for some seconds"
_NEEDS = "it has to have user state (bags), timers of event time and of real time"
_FINAL = "it has to finalise bundles: messages are acknowledged then"

RUNNERS = {
    "prism": Runner(_prism, notes=(_IN_MEMORY, _ENDS), live=(_STANDS_STILL,)),
    "direct": Runner(_direct, has_reader=True, notes=(_IN_MEMORY,)),
    "dataflow": Runner(_dataflow, is_away=True, has_reader=True, is_updatable=True),
    "portable": Runner(_portable, is_away=True, has_all_options=False, notes=(_NEEDS,), live=(_FINAL,)),
}


def need_beam() -> None:
    """CallError where Apache Beam is not installed."""
    if find_spec("apache_beam") is None:
        what = "the beam engine needs the package apache-beam"
        raise CallError(what, "pip install 'crossfoot[beam]', into an environment of its own")


def find_prism(named: str = "") -> str:
    """Where the program of Prism is: by its name, or on the path. As it is named, or empty, where there is none."""
    return shutil.which(named or "prism") or named


def check_prism(location: str) -> None:
    """CallError where the program of Prism is not there, or is another one: it says how it is used, and begins nothing.

    What Beam fetches or unpacks first is not looked at.
    """
    if "://" in location or is_zipfile(location):
        return
    if not location:
        raise CallError("there is no prism on this machine", _GET_PRISM)
    if not Path(location).is_file():
        raise CallError(f"there is no such program: {location}", _GET_PRISM)
    try:
        said = subprocess.run(
            (location, "--help"), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, timeout=_ANSWER_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        said = b""
    if b"-job_port" not in said:
        raise CallError(f"this program is no prism: {location}", _GET_PRISM)
