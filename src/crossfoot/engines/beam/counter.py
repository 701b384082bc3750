"""What a worker does for the shards of a bundle: load, count, commit into state, write out what is committed.

Values leave only as of a sequence that an earlier bundle has committed: at the first touch of a shard in a bundle, or
when a timer fires and the bundle has not touched the shard. So whatever becomes of a bundle, the values of a sequence
are the same wherever they are written, and the highest sequence wins. Nothing of Beam is needed here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from crossfoot.calendar import EARLIEST_US
from crossfoot.clock import Clock
from crossfoot.definition.model import Warehouse
from crossfoot.engines.beam.images import IMAGES, Image, Images
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.keeping import Kept, State, keep, load
from crossfoot.engines.beam.outlets import Outlet, Unwritten, leaving_of
from crossfoot.engines.shard import Split, way_us
from crossfoot.errors import ServiceError
from crossfoot.stores.leaving import Leaving

DELAY_S, DELAY_MAX_S = 1.0, 30.0
LAST_S = 600.0
"""So long the end of a job waits for a sink that is down."""

_END = b"END1"
"""The blocks of the kernel begin otherwise."""

_LOG = logging.getLogger("crossfoot.beam")


@dataclass(slots=True)
class Touched:
    """A shard in a bundle, and whether the bundle has changed it."""

    image: Image
    is_dirty: bool = False


def with_end(splits: Iterable[Split], job: Job) -> Iterator[tuple[int, bytes]]:
    """The blocks of some input, then how far its clock has come: for every shard, where all input has an end."""
    last_us: int | None = None
    for split in splits:
        if split.received_us is not None:
            last_us = split.received_us if last_us is None else max(last_us, split.received_us)
        yield from split.blocks.items()
    if last_us is not None and not job.is_endless:
        block = _END + last_us.to_bytes(8, "little", signed=True)
        yield from ((number, block) for number in range(job.shards))


class Counter:
    """The shards of the bundle at hand. A process has as many of these as there are instances of the step."""

    def __init__(self, job: Job, clock: Clock, outlets: Sequence[Outlet], images: Images = IMAGES) -> None:
        self._job, self._clock, self.outlets, self._images = job, clock, outlets, images
        self._keeps_ids = any(isinstance(s, Warehouse) and "counted" in s.feeds for s in job.definition.sinks)
        self._touched: dict[int, Touched] = {}

    def begin(self) -> None:
        """A bundle begins. What one that failed has left is forgotten."""
        self._touched = {}

    def end(self) -> None:
        """The bundle is handed to the runner, which commits it, or has it done again."""
        for number, touched in self._touched.items():
            self._images.give(self._job.name, number, touched.image)
        self._touched = {}

    def apply(self, number: int, block: bytes, state: State) -> None:
        """Count a block, and commit. An empty one is a heartbeat; the one of `with_end` is kept for the end of all.

        Input that has an end may be of years ago, in any order: until then the clock stands still.
        """
        touched = self.touch(number, state)
        if not touched.is_dirty and self._clock.elapsed_s() >= touched.image.due_s:
            self.write_out(number, touched, state)
        if block.startswith(_END):
            self._ends(touched, int.from_bytes(block[len(_END) :], "little", signed=True), state)
            return
        shard, is_endless = touched.image.shard, self._job.is_endless
        if block:
            shard.apply(block, self._clock.now_us() if is_endless else EARLIEST_US)
        elif is_endless:
            shard.heartbeat(self._clock.now_us())
        self._commit(touched, state)

    def _ends(self, touched: Touched, last_us: int, state: State) -> None:
        kept = touched.image.kept
        furthest = last_us if kept.last_us is None else max(kept.last_us, last_us)
        touched.image.kept = msgspec.structs.replace(kept, last_us=furthest)
        touched.image.kept.write(state)

    def finish(self, number: int, state: State) -> None:
        """All input is counted. The clock goes on to where the inputs ended: they say what is complete, and kept."""
        touched = self.touch(number, state)
        if (last_us := touched.image.kept.last_us) is not None:
            touched.image.shard.heartbeat(last_us + way_us(self._job.definition))
        touched.image.shard.finish()
        self._commit(touched, state)

    def _commit(self, touched: Touched, state: State) -> None:
        image = touched.image
        delta = image.shard.commit()
        image.kept = keep(image.kept, delta, state)
        for each in leaving_of(image.shard, delta, ids=self._keeps_ids):
            state.leaving.add(msgspec.msgpack.encode(each))
        touched.is_dirty = True

    def touch(self, number: int, state: State) -> Touched:
        """The shard as its state says."""
        if (found := self._touched.get(number)) is not None:
            return found
        kept, job = Kept.read(state), self._job
        image = self._images.take(job.name, number, kept)
        if image is None:
            image = Image(load(job.definition, number, job.shards, kept, state), kept)
        self._touched[number] = Touched(image)
        return self._touched[number]

    def is_written(self, touched: Touched) -> bool:
        """Whether every sink has all."""
        image = touched.image
        return all(image.kept.written.get(outlet.name) == image.kept.sequence for outlet in self.outlets)

    def write_out(self, number: int, touched: Touched, state: State) -> bool:
        """Write what sinks have not; whether they have it all then. One that is down is left for later."""
        image, is_whole = touched.image, True
        assert not touched.is_dirty
        leaving = [msgspec.msgpack.decode(each, type=Leaving) for each in state.leaving.read()]
        for outlet in self.outlets:
            after = image.kept.written.get(outlet.name, 0)
            if after == image.shard.sequence:
                continue
            try:
                refused = outlet.write(number, image.shard, Unwritten(after, leaving, image.kept.refused))
            except ServiceError as error:
                _LOG.warning("shard %d: %s; it is tried again", number, error)
                outlet.close()  # a connection that is open and dead would never be given up
                is_whole = False
                continue
            written = {**image.kept.written, outlet.name: image.shard.sequence}
            image.kept = msgspec.structs.replace(image.kept, written=written, refused=refused)
            image.kept.write(state)
        if leaving and is_whole:
            state.leaving.clear()
        image.delay_s = 0.0 if is_whole else min(DELAY_MAX_S, max(DELAY_S, 2 * image.delay_s))
        image.due_s = self._clock.elapsed_s() + max(self._job.every_s, image.delay_s)
        return is_whole

    def write_last(self, number: int, touched: Touched, state: State, pause: Callable[[float], object]) -> None:
        """The same at the end of all input: nothing comes later, so it is tried again here, as long as `LAST_S`.

        ServiceError where a sink is down for longer. `pause` waits for so many seconds.
        """
        until_s = self._clock.elapsed_s() + LAST_S
        while not self.write_out(number, touched, state):
            if self._clock.elapsed_s() >= until_s:
                what = f"what shard {number} has counted could not be written out for {LAST_S / 60:.0f} minutes"
                raise ServiceError(what, "look into the workers' log")
            pause(touched.image.delay_s)
