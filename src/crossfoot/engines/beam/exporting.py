"""The pipeline as a Python file that a person can read and change, with the packages that it needs beside it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from crossfoot import __version__
from crossfoot.definition.model import BigQuerySource, PubSubSource
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.submit import Launch, arguments
from crossfoot.errors import CallError
from crossfoot.files import replace_whole

PACKAGES = (
    "apache-beam",
    "google-cloud-bigquery",
    "google-cloud-bigquery-storage",
    "google-cloud-bigtable",
    "google-cloud-pubsub",
    "pyarrow",
    "protobuf",
    "grpcio",
    "msgspec",
)
"""Those that a worker counts with; the versions are those of here."""

_TEXT = '''"""{name}: the definition as an Apache Beam pipeline. Written by crossfoot {version}; it is yours to change.

Options of Beam may follow on the command line: python {file} --region=europe-west1
"""

import sys

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from crossfoot.definition.load import load_text
from crossfoot.engines.beam.checking import check_services, claim
from crossfoot.engines.beam.counting import CountShard
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.reading import OF_BLOCK{imports}
from crossfoot.settings import environment

DEFINITION = r"""
{definition}"""

JOB = Job(
    name={name!r},  # whose the cells in the table are
    definition=load_text(DEFINITION),
    shards={shards},  # for the life of the job
    home={home!r},  # names of files are relative to it
    files={files!r},
    is_native={is_native},
)
OPTIONS = {options!r}


def build(pipeline: beam.Pipeline) -> None:
    """Sources make blocks for shards, shards count them and write what they have committed."""
    block = OF_BLOCK
    begun = pipeline | "Every shard" >> beam.Create([(n, b"") for n in range(JOB.shards)]).with_output_types(block)
{sources}
    blocks = (begun, *sources) | beam.Flatten()
    blocks | "Count" >> beam.ParDo(CountShard(JOB))


if __name__ == "__main__":
    check_services(JOB, environment(), goes_on="--update" in sys.argv)
    claim(JOB)
    with beam.Pipeline(options=PipelineOptions([*OPTIONS, *sys.argv[1:]])) as pipeline:
        build(pipeline)
'''
_FILES = """    paths = pipeline | "Files" >> beam.Create(JOB.files) | "Spread" >> beam.Reshuffle()
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
    replace_whole(needed, _requirements().encode())
    return out, needed


def _pipeline(job: Job, launch: Launch, text: str, file: str) -> str:
    kinds = {type(source) for source in job.definition.sources}
    read = {kind.__name__: module for kind, module in _MODULES.items() if kind in kinds}
    imports = [", SplitFiles"] if job.files else []
    if read:
        imports.append(f"\nfrom crossfoot.definition.model import {', '.join(read)}")
        imports.append(f"\nfrom crossfoot.engines.beam import {', '.join(read.values())}")
    steps = [_FILES] if job.files else []
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
        is_native=job.is_native,
        options=list(arguments(job, launch)),
        sources="    sources = []\n" + "".join(steps).rstrip("\n"),
    )


def _requirements() -> str:
    """Pinned; the wheel of this project comes beside them."""
    pins = [f"{package}=={version(package)}" for package in PACKAGES]
    return "\n".join([f"crossfoot=={__version__}", *pins, ""])
