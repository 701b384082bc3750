"""The archive from its beginning on: rows in their order, and a recount by any engine."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from crossfoot.archive.entries import FINISH, HEARTBEAT, JOIN, SKIP, SWITCH
from crossfoot.archive.parts import FOLDER, Part, part_of, read_part
from crossfoot.archive.schema import FORM
from crossfoot.definition.model import Definition
from crossfoot.engines.protocol import Engine
from crossfoot.errors import StoreError
from crossfoot.event import PositionedRecord

Row = dict[str, Any]
"""The columns of the archive by name; times are integer microseconds."""
_TIMES = ("stamp", "received", "t", "clock")
_BATCH_ROWS = 4096
_RECORDS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Recount:
    """How an engine is given an archive.

    `after`: what it has already. `switched`: another generation came into force. `told`: an epoch is counted; whether
    to stop there.
    """

    after: int = 0
    switched: Callable[[], None] = lambda: None
    told: Callable[[int], bool] = lambda _: False


def parts_of(store: Path) -> list[Part]:
    """The parts of a store's archive, by the place of their first row; those of form 1 first."""
    parts = [part_of(path) for path in (store / FOLDER).glob("*/*.parquet")]
    return sorted(parts, key=lambda part: (part.form, part.path.name))


def rows(parts: list[Part], after: int = 0) -> Iterator[Row]:
    """Rows of the epochs after one, in the order of epoch and step.

    A part is opened when its turn comes, and read a batch at a time.
    """
    waiting = [(_place_of(part), number, part) for number, part in enumerate(parts)]
    heapq.heapify(waiting)
    running: list[tuple[tuple[int, int], int, Row, Iterator[Row]]] = []
    while waiting or running:
        while waiting and (not running or waiting[0][0] <= running[0][0]):
            _, number, part = heapq.heappop(waiting)
            _go_on(running, number, _rows_of(part, after))
        if running:
            _, number, row, more = heapq.heappop(running)
            yield row
            _go_on(running, number, more)


def _go_on(running: list[tuple[tuple[int, int], int, Row, Iterator[Row]]], number: int, more: Iterator[Row]) -> None:
    if (row := next(more, None)) is not None:
        heapq.heappush(running, ((row["epoch"], row["step"]), number, row, more))


def _place_of(part: Part) -> tuple[int, int]:
    epoch, _, step = part.path.stem.partition("-")
    return int(epoch), int(step)


def _rows_of(part: Part, after: int) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if after and last_epoch(part) <= after:
        return
    table = read_part(part)
    if after:
        table = table.filter(pc.greater(table["epoch"], after))
    for name in _TIMES:
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.int64()))
    for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
        yield from batch.to_pylist()


def last_epoch(part: Part) -> int:
    """The newest epoch that a part has rows of, by its statistics."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(part.path)
    place = metadata.schema.names.index("epoch")
    groups = [metadata.row_group(number).column(place).statistics for number in range(metadata.num_row_groups)]
    return max([int(group.max) for group in groups], default=0)


def recount(store: Path, engine: Engine, definition: Definition, how: Recount | None = None) -> int:
    """Give an engine what the archive of a store holds, in its order, with the recorded t and J; the last epoch.

    StoreError where something is missing.
    """
    how = how or Recount()
    parts = parts_of(store)
    if old := [part for part in parts if part.form < FORM]:
        hint = "its records can be read, but it does not say what joined, beat and finished: count into a new store"
        raise StoreError(f"the archive holds parts of an older form: {old[0].path}", hint)
    last = how.after
    for epoch, inputs in groupby(rows(parts, how.after), key=lambda row: int(row["epoch"])):
        _follows(store, last, epoch)
        _count(engine, inputs, definition, how)
        engine.commit()
        last = epoch
        if how.told(epoch):
            break
    return last


def _follows(store: Path, last: int, epoch: int) -> None:
    if epoch == last + 1:
        return
    what = f"begins at epoch {epoch}" if last == 0 else f"lacks the epochs from {last + 1} to {epoch - 1}"
    hint = "what expired, or was counted while the definition had no archive, is not in it"
    raise StoreError(f"the archive of {store} {what}", hint)


def _count(engine: Engine, inputs: Iterator[Row], definition: Definition, how: Recount) -> None:
    for (kind, partition, clock_us), group in groupby(inputs, key=_alike):
        if kind == JOIN:
            engine.rejoin([(row["partition"], row["text"], row["t"]) for row in group])
        elif kind == "record":
            assert clock_us is not None
            for records in _some(_record(row, definition) for row in group):
                engine.feed_records(partition, records, clock_us)
        elif kind == SWITCH:
            how.switched()
        else:
            for row in group:
                _OTHERS[kind](engine, row)


def _alike(row: Row) -> tuple[str, str, int | None]:
    """What is handed over together: partitions that join, records of a partition that were read at one time."""
    return (JOIN, "", None) if row["kind"] == JOIN else (row["kind"], row["partition"], row["clock"])


def _record(row: Row, definition: Definition) -> PositionedRecord:
    """Of a record over the size limit only the beginning is there: what follows decides nothing."""
    data = row["record"]
    if row["length"] is not None:
        data = data.ljust(min(row["length"], definition.limits.record_bytes_max + 1))
    return PositionedRecord(data, row["position"], row["stamp"], row["received"], row["t"])


def _some(records: Iterator[PositionedRecord]) -> Iterator[list[PositionedRecord]]:
    some: list[PositionedRecord] = []
    for record in records:
        some.append(record)
        if len(some) == _RECORDS_MAX:
            yield some
            some = []
    if some:
        yield some


_OTHERS: dict[str, Callable[[Engine, Row], None]] = {
    HEARTBEAT: lambda engine, row: engine.heartbeat(row["partition"], row["t"]),
    FINISH: lambda engine, row: engine.finish(row["partition"]),
    SKIP: lambda engine, row: engine.skip_to(row["partition"], row["position"]),
}
