"""A Pub/Sub subscription as blocks: pulled by ourselves where a runner has no reader of its own.

A delivery is acknowledged when its bundle is committed, and never before. What is delivered again is a duplicate where
it is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Duration
from apache_beam.utils.windowed_value import WindowedValue

from crossfoot import settings
from crossfoot.clock import SystemClock
from crossfoot.definition.model import PubSubSource
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.reading import OF_BLOCK, Block
from crossfoot.engines.shard import Splitter
from crossfoot.sources.pubsub_pull import Deliveries, PullOnce

PULL_S = 1.0
"""So long an empty subscription is waited for."""


class _Endless(RestrictionTracker):  # type: ignore[misc]
    """There is always more, and nothing to remember: what was not acknowledged comes again."""

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._is_split = False

    def current_restriction(self) -> int:
        return self._stream

    def current_progress(self) -> RestrictionProgress:
        return RestrictionProgress(fraction=0.0)

    def try_claim(self, position: int) -> bool:
        del position
        return not self._is_split

    def try_split(self, fraction_of_remainder: float) -> tuple[int, int] | None:
        """Only to go on later: a stream is not worth two."""
        if self._is_split or fraction_of_remainder != 0:
            return None
        self._is_split = True
        return self._stream, self._stream

    def check_done(self) -> None:
        """There is no end."""

    def is_bounded(self) -> bool:
        return False


class _Streams(RestrictionProvider):  # type: ignore[misc]
    def initial_restriction(self, element: int) -> int:
        return element

    def create_tracker(self, restriction: int) -> _Endless:
        return _Endless(restriction)

    def restriction_size(self, element: int, restriction: int) -> int:
        del element, restriction
        return 1


class PullBlocks(beam.DoFn):  # type: ignore[misc]
    """Pulls deliveries, and splits them into blocks for the shards."""

    def __init__(self, source: PubSubSource, job: Job) -> None:
        self._source, self._job = source, job

    def setup(self) -> None:
        path = f"projects/{self._source.project}/subscriptions/{self._source.subscription}"
        self._pull = PullOnce(path, settings.environment())
        self._split = Messages(self._source, self._job)

    def teardown(self) -> None:
        self._pull.close()

    @beam.DoFn.unbounded_per_element()  # type: ignore[untyped-decorator]
    def process(
        self,
        _: int,
        finalizer: Any = beam.DoFn.BundleFinalizerParam,
        tracker: Any = beam.DoFn.RestrictionParam(_Streams()),
    ) -> Iterator[Block]:
        taken: list[Deliveries] = []
        finalizer.register(lambda: self._acknowledge(taken))
        if not tracker.try_claim(0):
            return
        size = 0
        while size < self._job.block_bytes and (found := self._pull.pull(PULL_S if not taken else 0.05)):
            taken.append(found)
            size += sum(map(len, found.messages))
        yield from self._split.blocks([message for each in taken for message in each.messages])
        tracker.defer_remainder(Duration(0))

    def _acknowledge(self, taken: Sequence[Deliveries]) -> None:
        for each in taken:
            self._pull.acknowledge(each.ids)


class Messages:
    """Splits messages; each delivery is a record, at a position that is its own."""

    def __init__(self, source: PubSubSource, job: Job) -> None:
        self._clock, self._name = SystemClock(), source.name
        self._splitter = Splitter(job.definition, job.shards)

    def blocks(self, messages: Sequence[bytes]) -> Iterator[Block]:
        if messages:
            now_us = self._clock.now_us()
            split = self._splitter.prepared(self._name, messages, now_us, range(now_us, now_us + len(messages)))
            yield from split.blocks.items()


class SplitMessages(beam.DoFn):  # type: ignore[misc]
    """Splits what a runner has read, many messages at once."""

    def __init__(self, source: PubSubSource, job: Job) -> None:
        self._source, self._job = source, job

    def setup(self) -> None:
        self._split = Messages(self._source, self._job)

    def start_bundle(self) -> None:
        self._messages: list[bytes] = []
        self._size = 0

    def process(self, element: bytes) -> Iterator[Block]:
        self._messages.append(element)
        self._size += len(element)
        if self._size >= self._job.block_bytes:
            yield from self._split.blocks(self._messages)
            self.start_bundle()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        for block in self._split.blocks(self._messages):
            yield WindowedValue(block, window.start, [window])
        self.start_bundle()


def read(pipeline: Any, source: PubSubSource, job: Job) -> Any:
    """The blocks of a subscription."""
    if job.is_native:
        path = f"projects/{source.project}/subscriptions/{source.subscription}"
        messages = pipeline | f"Read {source.name}" >> beam.io.ReadFromPubSub(subscription=path)
        return messages | f"Split {source.name}" >> beam.ParDo(SplitMessages(source, job)).with_output_types(OF_BLOCK)
    streams = pipeline | f"Streams of {source.name}" >> beam.Create(range(job.streams)) | beam.Reshuffle()
    return streams | f"Pull {source.name}" >> beam.ParDo(PullBlocks(source, job)).with_output_types(OF_BLOCK)
