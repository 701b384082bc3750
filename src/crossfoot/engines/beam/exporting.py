"""The pipeline as a Python file that a person can read and change, with the packages that it needs beside it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from crossfoot import __version__
from crossfoot.definition.model import BigQuerySource, PubSubSource
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.submit import Launch
from crossfoot.errors import CallError
from crossfoot.files import replace_whole

PACKAGES = (
    "apache-beam[gcp]",
    "cyclopts",
    "datasketches",
    "fsspec",
    "google-cloud-bigquery",
    "google-cloud-bigquery-storage",
    "google-cloud-bigtable",
    "google-cloud-pubsub",
    "msgspec",
    "obstore",
    "prometheus-client",
    "pyarrow",
    "pyyaml",
    "requests",
    "rich",
    "sqlglot",
    "tzdata",
    "zstandard",
)
"""What this project and its extras beam, bigquery and objects need; a test compares them with pyproject.toml."""

_ABOUT_NEEDED = """# What {file} needs beside the wheel of crossfoot, in the versions that it was written with:
# pip install --find-links FOLDER_OF_THE_WHEEL crossfoot=={version} -r {needed}
"""

_TEXT = '''"""{name}: the definition as an Apache Beam pipeline. Written by crossfoot {version}; it is yours to change.

Options of Beam may follow on the command line: python {file} --region=europe-west1
"""

import sys

import apache_beam as beam

from crossfoot.cli.app import guarded
from crossfoot.definition.load import load_text
from crossfoot.engines.beam.counting import CountShard
from crossfoot.engines.beam.exported import run
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.reading import OF_BLOCK{imports}
from crossfoot.engines.beam.submit import Launch

DEFINITION = r"""
{definition}"""

JOB = Job(
    name={name!r},  # whose the cells in the table are
    definition=load_text(DEFINITION),
    shards={shards},  # for the life of the job
    home={home!r},  # names of files are relative to it
    files={files!r},
    inputs={inputs!r},  # read instead of the definition's sources
    is_native={is_native},
)
LAUNCH = Launch({runner!r}, options=({options}*sys.argv[1:],))


def build(pipeline: beam.Pipeline) -> None:
    """Sources make blocks for shards, shards count them and write what they have committed."""
    block = OF_BLOCK
    begun = pipeline | "Every shard" >> beam.Create([(n, b"") for n in range(JOB.shards)]).with_output_types(block)
{sources}
    blocks = (begun, *sources) | beam.Flatten()
    blocks | "Count" >> beam.ParDo(CountShard(JOB))


if __name__ == "__main__":
    sys.exit(guarded(lambda: run(JOB, LAUNCH, build)))
'''
_FILES = """    paths = pipeline | "Files" >> beam.Create(JOB.paths) | "Spread" >> beam.Reshuffle()
    sources.append(paths | "Split files" >> beam.ParDo(SplitFiles(JOB)).with_output_types(block))
"""
_READ = """    for source in JOB.definition.sources:
        if isinstance(source, {kind}):
            sources.append({module}.read(pipeline, source, JOB))
"""
_MODULES = {BigQuerySource: "tables", PubSubSource: "pulling"}


def write(job: Job, launch: Launch, text: str, out: Path) -> tuple[Path, Path]:
    """The pipeline's file, and requirements beside it."""
    if '"""' in text:
        raise CallError("the definition holds three quotes in a row, and stands in a Python text", "write it otherwise")
    needed = out.with_name(f"{out.stem}-requirements.txt")
    replace_whole(out, _pipeline(job, launch, text, out.name).encode())
    replace_whole(needed, requirements(out.name, needed.name).encode())
    return out, needed


def _pipeline(job: Job, launch: Launch, text: str, file: str) -> str:
    kinds = {type(source) for source in job.definition.sources if not job.inputs}
    read = {kind.__name__: module for kind, module in _MODULES.items() if kind in kinds}
    imports = [", SplitFiles"] if job.paths else []
    if read:
        imports.append(f"\nfrom crossfoot.definition.model import {', '.join(read)}")
        imports.append(f"\nfrom crossfoot.engines.beam import {', '.join(read.values())}")
    steps = [_FILES] if job.paths else []
    steps += [_READ.format(kind=kind, module=module) for kind, module in read.items()]
    return _TEXT.format(
        name=job.name,
        version=__version__,
        file=file,
        imports="".join(imports),
        definition=text,
        shards=job.shards,
        home=job.home,
        files=job.files,
        inputs=job.inputs,
        is_native=job.is_native,
        runner=launch.runner,
        options="".join(f"{option!r}, " for option in launch.options),
        sources="    sources = []\n" + "".join(steps).rstrip("\n"),
    )


def requirements(file: str, needed: str) -> str:
    """Everything that PACKAGES lead to, in the versions of here.

    Not this project itself: Beam downloads each line for its workers, and its wheel comes by `--extra_package`.
    """
    lines: dict[str, str] = {}
    for package in PACKAGES:
        _pin(Requirement(package), lines)
    about = _ABOUT_NEEDED.format(file=file, needed=needed, version=__version__)
    return about + "\n".join([*sorted(set(lines.values())), ""])


def _pin(wanted: Requirement, lines: dict[str, str]) -> None:
    """Add a package and all that it needs; what is not here is needed by none that is."""
    name, extras = canonicalize_name(wanted.name), sorted(wanted.extras)
    key = f"{name}[{','.join(extras)}]"
    if key in lines or not _is_here(name):
        return
    shown = key if key in PACKAGES else name
    lines[key] = f"{shown}=={version(name)}"
    for text in requires(name) or ():
        each = Requirement(text)
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            _pin(each, lines)


def _is_here(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False
