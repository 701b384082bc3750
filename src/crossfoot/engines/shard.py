"""Shards: each counts one slice of all ids, wherever it is placed, and its state is what its commits hand out.

A `Splitter` prepares what sources hand over, and makes a block for each shard that gets something of it. A `Shard`
counts blocks, in any order; what a commit has changed comes out as bytes (`Delta`), which whoever places the shard
keeps, and a shard is made anew of them (`ShardState`). What leaves are absolute partial values of cells: those of all
shards add up.

A shard has a clock of its own, so received times are carried: where records are stamped by the order of their
partition, it is the splitter that does so, and the shards bound the way from there.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from crossfoot import _core
from crossfoot.definition.compile import compile_plan
from crossfoot.definition.limits import default_bucket_us, default_transport_us
from crossfoot.definition.model import Acceptance, Definition
from crossfoot.event import ends_of
from crossfoot.native import core_errors, read_stream

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Delta", "Shard", "ShardState", "Split", "Splitter", "shard_plan", "way_us"]

Columns = tuple[bytes, bytes, bytes, bytes]
"""Ends (u32), positions (u64), stamps and received times (i64), as `EmbeddedEngine.feed_block` has them."""


@lru_cache(maxsize=16)
def shard_plan(definition: Definition) -> str:
    """The plan that splitters and shards of a definition have in common, as JSON."""
    return compile_plan(replace(definition, accept=_accept(definition)))


def _accept(definition: Definition) -> Acceptance:
    """Stamps that are not carried yet are so from the splitter on: that way is bounded, and ids are kept as long."""
    accept, received = definition.accept, definition.event.received
    if received in (None, "carried"):
        return accept
    transport = max(accept.transport_us, default_transport_us("carried"))
    if accept.horizon_us is None or accept.lateness_us is None:
        return replace(accept, transport_us=transport)
    least = accept.lateness_us + transport
    if accept.horizon_us >= least:
        return replace(accept, transport_us=transport)
    return replace(accept, transport_us=transport, horizon_us=least, bucket_us=default_bucket_us(least))


def way_us(definition: Definition) -> int:
    """So much longer shards wait than the definition says, since the way from the splitter takes its time."""
    return _accept(definition).transport_us - definition.accept.transport_us


@dataclass(frozen=True, slots=True)
class Split:
    """What became of some records.

    `events` is how many entries the shards' ledgers will have of them: a record that is several events stands as often.
    `last_t_us` is the partition's last t behind them, where stamps are made by its order: it must be durable before the
    blocks are, or together with them. `received_us` is the largest received time.
    """

    blocks: dict[int, bytes]
    last_t_us: int | None
    records: int
    events: int
    received_us: int | None


class Splitter:
    """Prepares records, and splits them by the shard that counts each. It remembers nothing.

    Records without an id (malformed, invalid, filtered) go where their position says, and into that shard's accounts.
    """

    def __init__(self, definition: Definition, shards: int) -> None:
        self.shards = shards
        with core_errors():
            self._core = _core.Splitter(shard_plan(definition), shards)

    def records(
        self,
        partition: str,
        data: bytes,
        columns: Columns,
        now_us: int,
        state: tuple[int | None, int | None] = (None, None),
    ) -> Split:
        """Records at their positions. `state`: the last t of their partition, and the clock when it joined."""
        with core_errors():
            return Split(*self._core.records(partition, data, columns, state, now_us))

    def prepared(
        self, partition: str, messages: Sequence[bytes], now_us: int, positions: Sequence[int] | None = None
    ) -> Split:
        """Messages of the prepared form, singles and blocks, that have just come in. Positions rise."""
        offsets = array("Q", range(len(messages)) if positions is None else positions)
        stamps = array("q", [now_us]) * len(messages)
        columns = (ends_of(messages).tobytes(), offsets.tobytes(), stamps.tobytes(), b"")
        return self.records(partition, b"".join(messages), columns, now_us)

    def lines(
        self,
        partition: str,
        data: bytes,
        now_us: int,
        first: int = 0,
        state: tuple[int | None, int | None] = (None, None),
    ) -> Split:
        """Whole lines; `first` is the ordinal of the first record among them."""
        with core_errors():
            return Split(*self._core.lines(partition, data, first, state, now_us))


@dataclass(frozen=True, slots=True)
class Delta:
    """What a commit has changed of a shard's state.

    `ids` are appended by the end of their bucket (microseconds), `cells` are appended (where `compacted`: they replace
    all before), `head` is replaced, and the ids of `freed` buckets need not be kept any longer.
    """

    sequence: int
    ids: dict[int, bytes]
    cells: bytes
    compacted: bool
    head: bytes
    freed: tuple[int, ...]


@dataclass(slots=True)
class ShardState:
    """A shard's state as its deltas leave it, in memory."""

    head: bytes = b""
    ids: dict[int, list[bytes]] = field(default_factory=dict)
    cells: list[bytes] = field(default_factory=list)

    def add(self, delta: Delta) -> None:
        self.head = delta.head
        for bucket, entries in delta.ids.items():
            self.ids.setdefault(bucket, []).append(entries)
        for bucket in delta.freed:
            self.ids.pop(bucket, None)
        if delta.compacted:
            self.cells.clear()
        if delta.cells:
            self.cells.append(delta.cells)

    def load(self, definition: Definition, number: int, shards: int) -> Shard:
        """The shard; one that has counted nothing where there was no delta yet."""
        if not self.head:
            return Shard.new(definition, number, shards)
        return Shard.load(definition, number, shards, self.head, self.ids, self.cells)


class Shard:
    """One slice of all ids. Nothing is durable but what its commits hand out, once somebody has kept it.

    After an error, or to do the same blocks again, it is loaded anew from what was kept.
    """

    def __init__(self, core: _core.Shard) -> None:
        self._core = core

    @classmethod
    def new(cls, definition: Definition, number: int, shards: int) -> Shard:
        """A shard that has counted nothing."""
        with core_errors():
            return cls(_core.Shard(shard_plan(definition), number, shards))

    @classmethod
    def load(
        cls,
        definition: Definition,
        number: int,
        shards: int,
        head: bytes,
        ids: Mapping[int, Iterable[bytes]],
        cells: Iterable[bytes],
    ) -> Shard:
        """The shard as its last commit left it. What was appended may come in any order; freed ids may be there."""
        entries = [(bucket, part) for bucket, parts in ids.items() for part in parts]
        with core_errors():
            return cls(_core.Shard.load(shard_plan(definition), (number, shards), head, entries, b"".join(cells)))

    def apply(self, block: bytes, stamp_us: int) -> None:
        """Count a block. `stamp_us` is the clock of this place; one that is behind does no harm."""
        with core_errors():
            self._core.apply(block, stamp_us)

    def heartbeat(self, stamp_us: int) -> None:
        """The clock of this place has come so far: the watermark goes on, ids can be freed. No verdict needs it."""
        with core_errors():
            self._core.heartbeat(stamp_us)

    def finish(self) -> None:
        """Nothing more is expected: what was counted is final, until something comes after all."""
        with core_errors():
            self._core.finish()

    def commit(self) -> Delta:
        """Close what was counted since the last commit."""
        with core_errors():
            sequence, ids, cells, compacted, head, freed = self._core.commit()
        return Delta(sequence, ids, cells, compacted, head, tuple(freed))

    def changes(self, after: int | None = None) -> Iterator[tuple[int, int, int, pa.Table]]:
        """Metric, set, grain, and the cells that commits after one (None: the last but one) have changed.

        Columns are `window`, the dimensions, `__events`, `__group` and `__partial`: absolute partial values, of the
        version `sequence`. Windows that retention has removed are not among them.
        """
        after = self.sequence - 1 if after is None else after
        for number, table in enumerate(self._core.tables()):
            with core_errors():
                found = self._core.partials(number, after)
            if found is not None:
                yield (*table, read_stream(found))

    @property
    def sequence(self) -> int:
        """The number of commits: the version of what leaves."""
        return self._core.sequence()

    def is_at(self, head: bytes) -> bool:
        """Whether it stands where a kept head says, with nothing counted since: then it need not be loaded anew."""
        with core_errors():
            return self._core.is_at(head)

    @property
    def accounts(self) -> list[tuple[str, str, str, str, int]]:
        """The ledger as of the last commit, without its minutes: partition, account, reason, part, records."""
        return [tuple(row) for row in json.loads(self._core.accounts())]

    def ledger(self) -> pa.Table:
        """The rows that the last commit has touched, absolute; columns are those of a store's ledger."""
        with core_errors():
            return read_stream(self._core.ledger())

    def side_log(self) -> pa.Table:
        """What the last commit could not count. It is kept nowhere else."""
        with core_errors():
            return read_stream(self._core.side_log())

    @property
    def meta(self) -> dict[str, Any]:
        """As of the last commit, like that of a store: `epoch` is the sequence. `passed`: counted events by metric."""
        with core_errors():
            meta: dict[str, Any] = json.loads(self._core.meta())
        return meta

    @property
    def watermark_us(self) -> int | None:
        watermark: int | None = self.meta["watermark_us"]
        return watermark
