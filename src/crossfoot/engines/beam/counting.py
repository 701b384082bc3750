"""The one step that counts, as Beam calls it. What it does is said in `counter`."""

from __future__ import annotations

import time
from typing import Any

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp

from crossfoot.clock import SystemClock
from crossfoot.engines.beam.counter import Counter
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.keeping import State
from crossfoot.engines.beam.outlets import outlets_of

HEARTBEAT_S = 10.0
"""The clock of a shard that nothing comes for goes on so often."""
_END = GlobalWindow().max_timestamp()


class CountShard(beam.DoFn):  # type: ignore[misc]
    """Counts what comes for a shard, in the global window. No timer decides a number: they only say when to write."""

    KEPT = ReadModifyWriteStateSpec("kept", BytesCoder())
    IDS = BagStateSpec("ids", BytesCoder())
    CELLS = BagStateSpec("cells", BytesCoder())
    LEAVING = BagStateSpec("leaving", BytesCoder())
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
        leaving: Any = beam.DoFn.StateParam(LEAVING),
        leave: Any = beam.DoFn.TimerParam(LEAVE),
        end: Any = beam.DoFn.TimerParam(END),
    ) -> None:
        number, block = element
        self._counter.apply(number, block, State(kept, ids, cells, leaving))
        self._arm(leave, self._job.every_s)
        if not self._job.is_endless:
            end.set(_END)

    def _arm(self, leave: Any, wait_s: float) -> None:
        if self._job.is_endless:
            leave.set(Timestamp(micros=self._clock.now_us() + int(wait_s * 1e6)))

    @on_timer(LEAVE)  # type: ignore[untyped-decorator]
    def on_leave(
        self,
        number: int = beam.DoFn.KeyParam,
        kept: Any = beam.DoFn.StateParam(KEPT),
        ids: Any = beam.DoFn.StateParam(IDS),
        cells: Any = beam.DoFn.StateParam(CELLS),
        leaving: Any = beam.DoFn.StateParam(LEAVING),
        leave: Any = beam.DoFn.TimerParam(LEAVE),
    ) -> None:
        state = State(kept, ids, cells, leaving)
        touched = self._counter.touch(number, state)
        if touched.is_dirty:
            self._arm(leave, self._job.every_s)
        elif self._counter.is_written(touched):
            self._counter.apply(number, b"", state)
            self._arm(leave, self._job.every_s)
        else:
            is_whole = self._counter.write_out(number, touched, state)
            self._arm(leave, HEARTBEAT_S if is_whole else touched.image.delay_s)

    @on_timer(END)  # type: ignore[untyped-decorator]
    def on_end(
        self,
        number: int = beam.DoFn.KeyParam,
        kept: Any = beam.DoFn.StateParam(KEPT),
        ids: Any = beam.DoFn.StateParam(IDS),
        cells: Any = beam.DoFn.StateParam(CELLS),
        leaving: Any = beam.DoFn.StateParam(LEAVING),
        last: Any = beam.DoFn.TimerParam(LAST),
    ) -> None:
        self._counter.finish(number, State(kept, ids, cells, leaving))
        last.set(_END)

    @on_timer(LAST)  # type: ignore[untyped-decorator]
    def on_last(
        self,
        number: int = beam.DoFn.KeyParam,
        kept: Any = beam.DoFn.StateParam(KEPT),
        ids: Any = beam.DoFn.StateParam(IDS),
        cells: Any = beam.DoFn.StateParam(CELLS),
        leaving: Any = beam.DoFn.StateParam(LEAVING),
        last: Any = beam.DoFn.TimerParam(LAST),
    ) -> None:
        state = State(kept, ids, cells, leaving)
        touched = self._counter.touch(number, state)
        if touched.is_dirty:
            last.set(_END)
        else:
            self._counter.write_last(number, touched, state, time.sleep)
