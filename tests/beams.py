"""Shards of a job in one process, over a Bigtable table in memory, and a warehouse that is fed from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crossfoot.definition.load import load_text
from crossfoot.engines.beam.counter import Counter
from crossfoot.engines.beam.images import Images
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.keeping import State
from crossfoot.engines.beam.outlets import BigtableOutlet
from crossfoot.engines.shard import Splitter, shard_plan
from crossfoot.sinks.bigtable import BigtableWriter
from crossfoot.sinks.table_feeds import TableCells, TableCounted, Way
from crossfoot.testing.clocks import ManualClock
from tests.bigtables import MemoryTable
from tests.counting import NOW_US, lines
from tests.keyed import Bag, Value
from tests.warehouses import FED, opened

SHARDS = 3


class Shards:
    """Each batch of records is counted, and then written out, as two bundles do it."""

    def __init__(self, text: str = FED, table: MemoryTable | None = None) -> None:
        self.text, self.definition = text, load_text(text)
        self.table, self.clock = table or MemoryTable(), ManualClock(NOW_US + (table is not None))
        self.job = Job("job", self.definition, SHARDS, "", every_s=0.0)
        writer = BigtableWriter(self.table, "job", SHARDS, self.clock)
        writer.ensure()
        writer.plan(json.loads(shard_plan(self.definition)), 0)
        self.states = [State(Value(), Bag(), Bag(), Bag()) for _ in range(SHARDS)]
        self.counter = Counter(self.job, self.clock, [BigtableOutlet(self.table, self.job, self.clock)], Images())
        self.records = 0

    def count(self, records: Iterable[Mapping[str, Any] | bytes]) -> None:
        """Count, commit; nothing is written out yet."""
        split = Splitter(self.definition, SHARDS).lines("clicks.jsonl", lines(records), NOW_US, self.records)
        self.records += split.records
        self.counter.begin()
        for number, block in split.blocks.items():
            self.counter.apply(number, block, self.states[number])
        self.counter.end()

    def beat(self) -> None:
        """The clock of every shard goes on, and is written out."""
        self.counter.begin()
        for number, state in enumerate(self.states):
            self.counter.apply(number, b"", state)
        self.counter.end()
        self.write_out()

    def write_out(self) -> None:
        """All shards."""
        self.counter.begin()
        for number, state in enumerate(self.states):
            if state.kept.read():
                self.counter.write_out(number, self.counter.touch(number, state), state)
        self.counter.end()

    def leave(self, records: Iterable[Mapping[str, Any] | bytes]) -> None:
        """Both."""
        self.count(records)
        self.write_out()

    def way(self, folder: Path) -> Way:
        """To the definition's warehouse."""
        return Way(self.table, "warehouse", opened(folder, self.text))

    def cells(self, folder: Path) -> TableCells:
        return TableCells(self.way(folder))

    def counted(self, folder: Path, **options: int) -> TableCounted:
        return TableCounted(self.way(folder), **options)
