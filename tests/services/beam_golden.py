"""Many definitions as one pipeline: a golden folder is counted from its own subscription into its own table.

`python -m tests.services.beam_golden PRISM HOST:PORT FOLDER=SUBSCRIPTION=TABLE …`, in the environment of Beam; the
workers are those of the pool at that address.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from crossfoot.definition.model import BigtableTable, Format, PubSubSource
from crossfoot.engines.beam.checking import claim
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.pipeline import build
from crossfoot.engines.beam.submit import Launch, arguments, follow
from crossfoot.stores.bigtable_table import TableName
from tests.golden import folders
from tests.golden.carried import reading_of

PROJECT = "crossfoot-test"
SHARDS = 3


class Counted(beam.PTransform):  # type: ignore[misc]
    """All steps of a job, under its name."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.name)
        self._job = job

    def expand(self, pipeline: Any) -> Any:
        build(pipeline, self._job)
        return beam.pvalue.PDone(pipeline)


def job_of(said: str) -> Job:
    folder, subscription, table = said.split("=")
    name = TableName.of(table)
    definition = replace(
        reading_of(folders.read(folders.HOME / folder).definition),
        sources=(PubSubSource(PROJECT, subscription, Format("prepared")),),
        sinks=(BigtableTable(name.project, name.instance, name.table),),
    )
    return Job(folder, definition, SHARDS, home="")


def main(prism: str, workers: str, *said: str) -> None:
    jobs = [job_of(each) for each in said]
    where = ("--environment_type=EXTERNAL", f"--environment_config={workers}")
    launch = Launch("prism", prism, where)
    pipeline = beam.Pipeline(options=PipelineOptions(list(arguments(jobs[0], launch))))
    for job in jobs:
        claim(job)
        _ = pipeline | Counted(job)
    print(follow(jobs[0], launch, pipeline.run(), lambda: False))


if __name__ == "__main__":
    main(*sys.argv[1:])
