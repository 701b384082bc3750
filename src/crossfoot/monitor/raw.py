"""The raw events of an archive, part by part: only what a question needs is read.

A part lies at the day of t, which is not the day on which its records came. So a part that is seen for the first time
is prepared, and when its records came is kept beside the store: parts never change.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot import _core
from crossfoot.archive.blocks import Run, runs
from crossfoot.archive.parts import Part, read_part
from crossfoot.beside import Hold
from crossfoot.definition.compile import compile_plan
from crossfoot.definition.model import DAY_US, Definition
from crossfoot.errors import StoreError
from crossfoot.files import replace_whole
from crossfoot.monitor.shadow import FOLDER, held
from crossfoot.native import core_errors, read_stream
from crossfoot.warehouse.tables import raw_events

if TYPE_CHECKING:
    import pyarrow as pa

_FILE = "came.json"


@dataclass(frozen=True, slots=True)
class Extent:
    """The first and the last moment at which raw events came, how many there are, how many events have no uuid."""

    first_us: int | None
    last_us: int | None
    raw: int
    nameless: int | None


class RawParts:
    """The parts of an archive as raw events."""

    def __init__(self, store: Path, parts: list[Part], definition: Definition, hold: Hold) -> None:
        plan = compile_plan(definition)
        self._definition, self._hold = definition, hold
        with core_errors():
            self._core = _core.RawRows(plan)
        self._parts = {f"{part.path.parent.name}/{part.path.name}": part for part in parts}
        self._known = _Known(store / FOLDER, sha256(plan.encode()).hexdigest())
        self._made: dict[str, pa.Table] = {}
        self._extents = {name: extent for name, extent in self._known.read().items() if name in self._parts}

    def extent(self) -> Extent:
        """Of all parts; those that were not known are read."""
        new = self._parts.keys() - self._extents.keys()
        for name in sorted(new):
            self._made[name] = self._prepared(self._parts[name])
            self._extents[name] = _extent_of(self._made[name])
        if new:
            self._known.write(self._extents)
        found = self._extents.values()
        firsts = [each.first_us for each in found if each.first_us is not None]
        lasts = [each.last_us for each in found if each.last_us is not None]
        counts = sum(each.raw for each in found), sum(each.nameless or 0 for each in found)
        return Extent(min(firsts, default=None), max(lasts, default=None), *counts)

    def table(self, from_us: int | None, until_us: int | None) -> pa.Table:
        """Raw events of all parts that have some of these days."""
        import pyarrow as pa

        first_us = None if from_us is None else from_us - from_us % DAY_US
        last_us = None if until_us is None else until_us + -until_us % DAY_US
        self.extent()
        tables = [raw_events().schema.empty_table()]
        for name, came in self._extents.items():
            if came.first_us is None or came.last_us is None:
                continue
            if (last_us is None or came.first_us < last_us) and (first_us is None or came.last_us >= first_us):
                made = self._made.get(name)
                tables.append(self._prepared(self._parts[name]) if made is None else made)
        self._made = {}
        return pa.concat_tables(tables)

    def _prepared(self, part: Part) -> pa.Table:
        import pyarrow as pa

        made = [self._rows(run, part) for run in runs(read_part(part)) if run.kind == "record"]
        return raw_events().conform(pa.concat_tables(made)) if made else raw_events().schema.empty_table()

    def _rows(self, run: Run, part: Part) -> pa.Table:
        """Records of a partition that were read at one time; parts of form 1 do not say when."""
        import pyarrow as pa

        self._hold.check()
        clock_us = part.newest_us if run.clock_us is None else run.clock_us
        data, columns = run.block(self._definition.limits.record_bytes_max)
        with core_errors():
            stream, _ = self._core.records(run.partition, data, columns, False, clock_us)
        table = read_stream(stream)
        beside = {
            "source": (run.source, pa.string()),
            "partition": (run.partition, pa.string()),
            "read_at": (clock_us, pa.timestamp("us", "UTC")),
        }
        for name, (value, kind) in beside.items():
            table = table.append_column(name, pa.repeat(pa.scalar(value, kind), len(table)))
        return table


class _Known:
    """When the records of parts came, as a file; of another definition it says nothing."""

    def __init__(self, folder: Path, plan: str) -> None:
        self._folder, self._plan = folder, plan

    def read(self) -> dict[str, Extent]:
        """What is known, by the parts' names."""
        try:
            said = json.loads((self._folder / _FILE).read_bytes())
            return {name: Extent(**each) for name, each in said["parts"].items()} if said["plan"] == self._plan else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def write(self, extents: dict[str, Extent]) -> None:
        """Where the store cannot be written, the next look reads everything again."""
        parts = {name: asdict(extent) for name, extent in sorted(extents.items())}
        data = json.dumps({"plan": self._plan, "parts": parts}).encode()
        try:
            with held(self._folder):
                replace_whole(self._folder / _FILE, data)
        except (OSError, StoreError):
            return


def _extent_of(made: pa.Table) -> Extent:
    import pyarrow as pa
    import pyarrow.compute as pc

    came = pc.min_max(pc.coalesce(*(made[name] for name in raw_events().day_of)).cast(pa.int64())).as_py()
    nameless = pc.sum(pc.and_(pc.equal(made["account"], "event"), pc.is_null(made["uuid"]))).as_py()
    return Extent(came["min"], came["max"], len(made), nameless or 0)
