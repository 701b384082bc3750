"""A BigQuery table as blocks: each partition is read in its order, as far as it reached when the job began to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam

from crossfoot import settings
from crossfoot.clock import SystemClock
from crossfoot.definition.model import BigQuerySource
from crossfoot.engines.beam.counter import with_end
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.reading import OF_BLOCK, Block
from crossfoot.engines.shard import Split, Splitter
from crossfoot.sources.bigquery_table import Table

Part = tuple[str, int, int]
"""A partition, its first position and its last."""


class FindParts(beam.DoFn):  # type: ignore[misc]
    """Names the partitions of a table. The bundle fails where positions give no order."""

    def __init__(self, source: BigQuerySource) -> None:
        self._source = source

    def setup(self) -> None:
        self._table = Table(self._source, settings.environment())

    def teardown(self) -> None:
        self._table.close()

    def process(self, _: int) -> Iterator[Part]:
        for each in self._table.partitions():
            yield each["part"], each["first"], each["last"]


class SplitTable(beam.DoFn):  # type: ignore[misc]
    """Reads a partition to its end, in order, and splits it into blocks for the shards."""

    def __init__(self, source: BigQuerySource, job: Job) -> None:
        self._source, self._job = source, job

    def setup(self) -> None:
        self._clock = SystemClock()
        self._splitter = Splitter(self._job.definition, self._job.shards)
        self._table = Table(self._source, settings.environment())

    def teardown(self) -> None:
        self._table.close()

    def process(self, part: Part) -> Iterator[Block]:
        yield from with_end(self._splits(part), self._job)

    def _splits(self, part: Part) -> Iterator[Split]:
        name, last_t_us = self._table.partition(part[0]), None
        for data, columns in self._table.records(*part):
            split = self._splitter.records(name, data, columns, self._clock.now_us(), (last_t_us, None))
            last_t_us = split.last_t_us
            yield split


def read(pipeline: Any, source: BigQuerySource, job: Job) -> Any:
    """The blocks of a table."""
    begun = pipeline | f"Table {source.name}" >> beam.Create([0])
    parts = begun | f"Partitions of {source.name}" >> beam.ParDo(FindParts(source)).with_output_types(Part)
    spread = parts | f"Spread {source.name}" >> beam.Reshuffle()
    return spread | f"Split {source.name}" >> beam.ParDo(SplitTable(source, job)).with_output_types(OF_BLOCK)
