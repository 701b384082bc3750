"""Logs of steps as raw records, as an archive would hold them, and what the batch engine answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from crossfoot.archive.schema import schema
from crossfoot.definition.model import Definition
from crossfoot.engines.batch import BatchEngine, Recount
from crossfoot.engines.reference import ReferenceEngine
from tests.engines import Commit, Feed, FeedRecords, Finish, Heartbeat, Register, Step, do


class Recorder:
    """Plays steps on the reference engine, for the clocks at which partitions join, and keeps them as rows."""

    def __init__(self, definition: Definition) -> None:
        self.engine = ReferenceEngine(definition)
        self.rows: list[dict[str, Any]] = []

    def play(self, steps: Iterable[Step]) -> pa.Table:
        """The rows of the steps."""
        for step in steps:
            if isinstance(step, Register):
                self._join(step.partitions)
            elif isinstance(step, Feed | FeedRecords):
                self._join([step.partition])
                self._records(step)
            elif isinstance(step, Heartbeat):
                self._row("heartbeat", step.partition, t=step.t_us)
            elif isinstance(step, Finish):
                self._row("finish", step.partition)
            do(self, step)
        self.engine.commit()
        return pa.Table.from_pylist(self.rows, schema=schema())

    def _join(self, partitions: Iterable[str]) -> None:
        self.engine.commit()
        status = self.engine.status()
        for name in partitions:
            if name not in status.partitions or status.partitions[name].state != "live":
                self._row("join", name, t=status.clock_us)

    def _records(self, step: Feed | FeedRecords) -> None:
        if isinstance(step, FeedRecords):
            for each in step.messages:
                beside = {"stamp": each.stamp_us, "received": each.received_us}
                self._row("record", step.partition, position=each.offset, record=each.data, clock=step.now_us, **beside)
            return
        known = self.engine.status().partitions.get(step.partition)
        position = 0 if known is None else known.records
        lines = [line.removesuffix(b"\r") for line in step.data.split(b"\n")]
        for line in filter(lambda line: line.strip(b" \t\r"), lines):
            self._row("record", step.partition, position=position, record=line, clock=step.now_us)
            position += 1

    def _row(self, kind: str, partition: str, **columns: Any) -> None:
        self.rows.append({"epoch": 1, "step": len(self.rows), "kind": kind, "partition": partition, **columns})


def recount(definition: Definition, steps: Iterable[Step]) -> Recount:
    """The batch engine's recount of a log."""
    engine = BatchEngine(definition)
    engine.add_raw(Recorder(definition).play(step for step in steps if not isinstance(step, Commit)))
    return engine.run()
