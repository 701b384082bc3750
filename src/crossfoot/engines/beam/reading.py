"""Sources that make blocks: files to their end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apache_beam as beam

from crossfoot import settings
from crossfoot.clock import SystemClock
from crossfoot.definition.model import Definition
from crossfoot.engines.beam.counter import with_end
from crossfoot.engines.beam.job import Job
from crossfoot.engines.shard import Split, Splitter
from crossfoot.sources.files import Place, discover
from crossfoot.sources.lines import Chunk, LongLine
from crossfoot.sources.partition import Partition
from crossfoot.sources.reading import read_group, reading_of
from crossfoot.sources.remote import remote_of

Block = tuple[int, bytes]
"""The shard that it is for, and what the kernel has made."""
OF_BLOCK = tuple[int, bytes]


class SplitFiles(beam.DoFn):  # type: ignore[misc]
    """Reads each file to its end, in order, and splits it into blocks for the shards."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def setup(self) -> None:
        self._clock = SystemClock()
        self._splitter = Splitter(self._job.definition, self._job.shards)
        chosen = replace(settings.load(), block_bytes=self._job.block_bytes)
        self._reading = reading_of(self._job.definition, chosen)
        home = Path(self._job.home)
        self._place = Place(home, home, remote=remote_of(self._job.definition, settings.environment()))

    def process(self, path: str) -> Iterator[Block]:
        inputs = discover((path,), self._place)
        for group in inputs.groups:
            for partition, chunks in read_group(inputs, group, {}, self._reading):
                yield from with_end(self._splits(partition, chunks), self._job)

    def _splits(self, partition: Partition, chunks: Iterator[Chunk]) -> Iterator[Split]:
        first, last_t_us = 0, None
        for chunk in chunks:
            split = self._split(partition.name, chunk, first, last_t_us)
            if split is not None:
                first, last_t_us = first + split.records, split.last_t_us
                yield split

    def _split(self, name: str, chunk: Chunk, first: int, last_t_us: int | None) -> Split | None:
        if isinstance(chunk, LongLine):
            if not chunk.head:
                return None
            chunk_data = _too_long(chunk.head, self._job.definition)
        else:
            chunk_data = chunk.data
        return self._splitter.lines(name, chunk_data, self._clock.now_us(), first, (last_t_us, None))


def _too_long(head: bytes, definition: Definition) -> bytes:
    """The beginning of a line over the limit, with as much behind it as makes it too long again."""
    return head.ljust(definition.limits.record_bytes_max + 1, b".") + b"\n"
