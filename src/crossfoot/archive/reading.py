"""The archive from its beginning on: rows in their order, and a recount by any engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossfoot.archive.blocks import Run, as_rows, runs
from crossfoot.archive.entries import FINISH, HEARTBEAT, JOIN, SKIP, SWITCH
from crossfoot.archive.lost import lost_of
from crossfoot.archive.parts import FOLDER, JOURNAL, Part, parts_of, read_part
from crossfoot.archive.schema import FORM
from crossfoot.definition.model import Definition
from crossfoot.engines.protocol import Engine
from crossfoot.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
"""The columns of the archive by name; times are integer microseconds."""
_BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Recount:
    """How an engine is given an archive.

    `after`: what it has already. `switched`: another generation came into force. `told`: an epoch is counted; whether
    to stop there.
    """

    after: int = 0
    switched: Callable[[], None] = lambda: None
    told: Callable[[int], bool] = lambda _: False


def no_parts(store: Path, keep_one: str) -> StoreError:
    """Why a store's archive has no part; `keep_one`: the next step where the store keeps no archive at all."""
    if next((store / FOLDER).glob("day=*"), None):  # the folders of days stay
        hint = "they have expired (archive.keep, archive.bytes) or were removed: keep more, or count the sources again"
        return StoreError(f"no part of the archive is left: {store}", hint)
    if (store / JOURNAL).is_dir():
        hint = "parts are sealed as a run goes on, and at its end: wait for one, or stop the run"
        return StoreError(f"the archive is not sealed yet: {store}", hint)
    return StoreError(f"the store has no archive: {store}", keep_one)


def rows(parts: list[Part], after: int = 0) -> Iterator[Row]:
    """Rows of the epochs after one, in the order of epoch and step."""
    for table in tables(parts, after):
        for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
            yield from as_rows(batch)


def tables(parts: list[Part], after: int = 0) -> Iterator[pa.Table]:
    """The same by columns. Parts of several days that share epochs, as one file of the journal has made them, are put
    together.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for together in _together([part for part in parts if not after or last_epoch(part) > after]):
        read = [read_part(part) for part in together]
        table = pa.concat_tables(read)
        if after:
            table = table.filter(pc.greater(table["epoch"], after))
        yield table if _follow(read) else table.sort_by([("epoch", "ascending"), ("step", "ascending")])


def _together(parts: list[Part]) -> Iterator[list[Part]]:
    """Parts by what they share of the order."""
    some: list[Part] = []
    last = 0
    for part in parts:
        if some and (part.form < FORM or first_epoch(part) > last):
            yield some
            some = []
        some.append(part)
        last = max(last, last_epoch(part)) if part.form == FORM else 0
    if some:
        yield some


def _follow(read: list[pa.Table]) -> bool:
    """Whether each begins after the one before it has ended."""
    places = [tuple(table[name][at].as_py() for name in ("epoch", "step")) for table in read for at in (0, -1)]
    return len(read) == 1 or places == sorted(places)


def first_epoch(part: Part) -> int:
    """The oldest epoch that a part has rows of, by its name."""
    return int(part.path.stem.partition("-")[0])


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
    if not how.after and (lost := lost_of(store).first):
        raise _lacks(store, lost)
    last = how.after
    inputs = (run for table in tables(parts, how.after) for run in runs(table))
    for epoch, group in groupby(inputs, key=lambda run: run.epoch or 0):
        if epoch != last + 1:
            raise _lacks(store, f"the epochs from {last + 1} to {epoch - 1}")
        _count(engine, group, definition, how)
        engine.commit()
        last = epoch
        if how.told(epoch):
            break
    return last


def _lacks(store: Path, what: str) -> StoreError:
    hint = "what expired, or was counted while the definition had no archive, is not in it"
    return StoreError(f"the archive of {store} lacks {what}", hint)


def _count(engine: Engine, inputs: Iterator[Run], definition: Definition, how: Recount) -> None:
    for kind, group in groupby(inputs, key=lambda run: run.kind):
        if kind == JOIN:
            engine.rejoin([(row["partition"], row["text"], row["t"]) for run in group for row in run.rows()])
        elif kind == "record":
            for run in group:
                assert run.clock_us is not None
                data, columns = run.block(definition.limits.record_bytes_max)
                engine.recount_block(run.partition, data, columns, run.recorded(), run.clock_us)
        elif kind == SWITCH:
            how.switched()
        else:
            for row in (row for run in group for row in run.rows()):
                _OTHERS[kind](engine, row)


_OTHERS: dict[str, Callable[[Engine, Row], None]] = {
    HEARTBEAT: lambda engine, row: engine.heartbeat(row["partition"], row["t"]),
    FINISH: lambda engine, row: engine.finish(row["partition"]),
    SKIP: lambda engine, row: engine.skip_to(row["partition"], row["position"]),
}
