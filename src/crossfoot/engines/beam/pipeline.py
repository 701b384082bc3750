"""The whole pipeline: sources make blocks for shards, shards count them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam

from crossfoot.definition.model import BigQuerySource, PubSubSource
from crossfoot.engines.beam import pulling, tables
from crossfoot.engines.beam.counting import CountShard
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.reading import OF_BLOCK, SplitFiles


def build(pipeline: Any, job: Job) -> None:
    """Add the job's steps to a pipeline."""
    every = [(number, b"") for number in range(job.shards)]
    begun = pipeline | "Every shard" >> beam.Create(every).with_output_types(OF_BLOCK)
    blocks = (begun, *_sources(pipeline, job)) | beam.Flatten()
    _ = blocks | "Count" >> beam.ParDo(CountShard(job))


def _sources(pipeline: Any, job: Job) -> Iterator[Any]:
    if files := job.paths:
        found = pipeline | "Files" >> beam.Create(files) | "Spread" >> beam.Reshuffle()
        yield found | "Split files" >> beam.ParDo(SplitFiles(job)).with_output_types(OF_BLOCK)
    for source in () if job.inputs else job.definition.sources:
        if isinstance(source, PubSubSource):
            yield pulling.read(pipeline, source, job)
        elif isinstance(source, BigQuerySource):
            yield tables.read(pipeline, source, job)
