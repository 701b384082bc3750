"""The one step that counts: blocks come to their shard, its commits go into keyed state, and what is committed leaves.

Values leave only as of a sequence that an earlier bundle has committed: at the first touch of a shard in a bundle, or
when a timer fires and the bundle has not touched the shard. So whatever becomes of a bundle, the values of a sequence
are the same wherever they are written, and the highest sequence wins.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp

from crossfoot.clock import Clock, SystemClock
from crossfoot.engines.beam.images import IMAGES, Image
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.keeping import Kept, State, keep, load
from crossfoot.engines.beam.outlets import Outlet, outlets_of
from crossfoot.errors import ServiceError

DELAY_S, DELAY_MAX_S = 1.0, 30.0
ATTEMPTS_AT_END = 120
"""So often a sink that is down is tried when all is counted: an hour at most; then the runner tries again."""

_LOG = logging.getLogger("crossfoot.beam")
_END = GlobalWindow().max_timestamp()


@dataclass(slots=True)
class Touched:
    """A shard in a bundle, and whether the bundle has changed it."""

    image: Image
    is_dirty: bool = False


class Counter:
    """The shards of the bundle at hand. A process has as many of these as there are instances of the step."""

    def __init__(self, job: Job, clock: Clock, outlets: list[Outlet]) -> None:
        self._job, self._clock, self.outlets = job, clock, outlets
        self._touched: dict[int, Touched] = {}

    def begin(self) -> None:
        """A bundle begins. What one that failed has left is forgotten."""
        self._touched = {}

    def end(self) -> None:
        """The bundle is handed to the runner, which commits it, or has it done again."""
        for number, touched in self._touched.items():
            IMAGES.give(self._job.name, number, touched.image)
        self._touched = {}

    def apply(self, number: int, block: bytes, state: State) -> None:
        """Count a block, and commit. An empty one is a heartbeat."""
        touched = self.touch(number, state)
        if not touched.is_dirty and self._clock.elapsed_s() >= touched.image.due_s:
            self.write_out(number, touched, state)
        now_us = self._clock.now_us()
        if block:
            touched.image.shard.apply(block, now_us)
        else:
            touched.image.shard.heartbeat(now_us)
        self._commit(touched, state)

    def finish(self, number: int, state: State) -> None:
        """All input is counted."""
        touched = self.touch(number, state)
        touched.image.shard.finish()
        self._commit(touched, state)

    def _commit(self, touched: Touched, state: State) -> None:
        image = touched.image
        image.kept = keep(image.kept, image.shard.commit(), state)
        touched.is_dirty = True

    def touch(self, number: int, state: State) -> Touched:
        """The shard as its state says."""
        if (found := self._touched.get(number)) is not None:
            return found
        kept, job = Kept.read(state), self._job
        image = IMAGES.take(job.name, number, kept)
        if image is None:
            image = Image(load(job.definition, number, job.shards, kept, state), kept)
        self._touched[number] = Touched(image)
        return self._touched[number]

    def write_out(self, number: int, touched: Touched, state: State) -> bool:
        """Write what sinks have not; whether they have it all then. One that is down is left for later."""
        image, is_whole = touched.image, True
        assert not touched.is_dirty
        for outlet in self.outlets:
            after = image.kept.written.get(outlet.name, 0)
            if after == image.shard.sequence:
                continue
            try:
                refused = outlet.write(number, image.shard, after, image.kept.refused)
            except ServiceError as error:
                _LOG.warning("shard %d: %s; it is tried again", number, error)
                is_whole = False
                continue
            written = {**image.kept.written, outlet.name: image.shard.sequence}
            image.kept = msgspec.structs.replace(image.kept, written=written, refused=refused)
            image.kept.write(state)
        image.delay_s = 0.0 if is_whole else min(DELAY_MAX_S, max(DELAY_S, 2 * image.delay_s))
        image.due_s = self._clock.elapsed_s() + max(self._job.every_s, image.delay_s)
        return is_whole


class CountShard(beam.DoFn):  # type: ignore[misc]
    """Counts what comes for a shard. Only what the methods of `Counter` do is of importance."""

    KEPT = ReadModifyWriteStateSpec("kept", BytesCoder())
    IDS = BagStateSpec("ids", BytesCoder())
    CELLS = BagStateSpec("cells", BytesCoder())
    LEAVE = TimerSpec("leave", TimeDomain.REAL_TIME)
    END = TimerSpec("end", TimeDomain.WATERMARK)
    LAST = TimerSpec("last", TimeDomain.WATERMARK)

    def __init__(self, job: Job) -> None:
        self._job = job

    def setup(self) -> None:
        self._clock = SystemClock()
        self._counter = Counter(self._job, self._clock, outlets_of(self._job))

    def teardown(self) -> None:
        for outlet in self._counter.outlets:
            outlet.close()

    def start_bundle(self) -> None:
        self._counter.begin()

    def finish_bundle(self) -> None:
        self._counter.end()

    def process(
        self,
        element: tuple[int, bytes],
        kept: Any = beam.DoFn.StateParam(KEPT),
        ids: Any = beam.DoFn.StateParam(IDS),
        cells: Any = beam.DoFn.StateParam(CELLS),
        leave: Any = beam.DoFn.TimerParam(LEAVE),
        end: Any = beam.DoFn.TimerParam(END),
    ) -> None:
        number, block = element
        self._counter.apply(number, block, State(kept, ids, cells))
        self._arm(leave, self._job.every_s)
        if not self._job.is_endless:
            end.set(_END)

    def _arm(self, leave: Any, wait_s: float) -> None:
        if self._job.is_endless:
            leave.set(Timestamp(micros=self._clock.now_us() + int(wait_s * 1e6)))

    @on_timer(LEAVE)
    def on_leave(
        self,
        number: int = beam.DoFn.KeyParam,
        kept: Any = beam.DoFn.StateParam(KEPT),
        ids: Any = beam.DoFn.StateParam(IDS),
        cells: Any = beam.DoFn.StateParam(CELLS),
        leave: Any = beam.DoFn.TimerParam(LEAVE),
    ) -> None:
        state = State(kept, ids, cells)
        touched = self._counter.touch(number, state)
        if touched.is_dirty:
            self._arm(leave, self._job.every_s)
        elif not self._counter.write_out(number, touched, state):
            self._arm(leave, touched.image.delay_s)

    @on_timer(END)
    def on_end(
        self,
        number: int = beam.DoFn.KeyParam,
        kept: Any = beam.DoFn.StateParam(KEPT),
        ids: Any = beam.DoFn.StateParam(IDS),
        cells: Any = beam.DoFn.StateParam(CELLS),
        last: Any = beam.DoFn.TimerParam(LAST),
    ) -> None:
        self._counter.finish(number, State(kept, ids, cells))
        last.set(_END)

    @on_timer(LAST)
    def on_last(
        self,
        number: int = beam.DoFn.KeyParam,
        kept: Any = beam.DoFn.StateParam(KEPT),
        ids: Any = beam.DoFn.StateParam(IDS),
        cells: Any = beam.DoFn.StateParam(CELLS),
        last: Any = beam.DoFn.TimerParam(LAST),
    ) -> None:
        state = State(kept, ids, cells)
        touched = self._counter.touch(number, state)
        if touched.is_dirty:
            last.set(_END)
        elif not self._counter.write_out(number, touched, state):
            raise ServiceError(f"what shard {number} has counted could not be written out", "look into the workers' log")
