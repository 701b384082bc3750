"""A shard's bytes in a runner's keyed state, and the shard made anew of them. Nothing of Beam is needed here.

Four cells of state: a value that each commit replaces (`Kept`: the head and what is needed to look after the rest), a
bag of ids and a bag of cells that commits append to, and a bag of what is to leave once and was not written out yet.
The ids of freed buckets are removed from their bag once they are more than what is live: each id is then written again
at most once, taken over its life.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import msgspec

from crossfoot.definition.model import Definition
from crossfoot.engines.shard import Delta, Shard

FREED_LEAST = 1 << 20
"""So many bytes of freed ids are no reason to write the others again."""
_MARK_BYTES = 16
_BUCKET_BYTES = 8


class Value(Protocol):
    """A cell of state that holds one value; None at first."""

    def read(self) -> bytes | None: ...

    def write(self, value: bytes) -> None: ...


class Bag(Protocol):
    """A cell of state that values are added to, in no order."""

    def read(self) -> Iterable[bytes]: ...

    def add(self, value: bytes) -> None: ...

    def clear(self) -> None: ...


@dataclass(frozen=True, slots=True)
class State:
    """The state of one shard where a runner keeps it."""

    kept: Value
    ids: Bag
    cells: Bag
    leaving: Bag


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What is replaced by each commit.

    `mark` stands for all that was ever kept, so an image that has the same mark is the same shard. `live` says how many
    bytes of ids there are by bucket, `freed_bytes` how many the bag holds beside them. `written` is the sequence that
    each sink has, by its name, and `refused` the rows that one will never take, with the table that they are of.
    `last_us` is how far the clocks of inputs had come that were read to their end.
    """

    sequence: int = 0
    mark: bytes = b""
    head: bytes = b""
    live: dict[int, int] = {}
    freed_bytes: int = 0
    written: dict[str, int] = {}
    refused: dict[bytes, str] = {}
    last_us: int | None = None

    @classmethod
    def read(cls, state: State) -> Kept:
        """What the last commit has left; nothing at first."""
        found = state.kept.read()
        return msgspec.msgpack.decode(found, type=cls) if found else cls()

    def write(self, state: State) -> None:
        state.kept.write(msgspec.msgpack.encode(self))


def load(definition: Definition, number: int, shards: int, kept: Kept, state: State) -> Shard:
    """The shard as its state says; one that has counted nothing where there is none yet."""
    if not kept.head:
        return Shard.new(definition, number, shards)
    ids: dict[int, list[bytes]] = {}
    for bucket, part in _live(kept, state):
        ids.setdefault(bucket, []).append(part)
    return Shard.load(definition, number, shards, kept.head, ids, state.cells.read())


def keep(kept: Kept, delta: Delta, state: State) -> Kept:
    """Put a commit into the state."""
    live, freed_bytes = dict(kept.live), kept.freed_bytes
    for bucket, part in delta.ids.items():
        state.ids.add(_entry(bucket, part))
        live[bucket] = live.get(bucket, 0) + len(part)
    freed_bytes += sum(live.pop(bucket, 0) for bucket in delta.freed)
    if delta.compacted:
        state.cells.clear()
    if delta.cells:
        state.cells.add(delta.cells)
    now = msgspec.structs.replace(
        kept,
        sequence=delta.sequence,
        mark=_mark(kept.mark, delta),
        head=delta.head,
        live=live,
        freed_bytes=freed_bytes,
    )
    if freed_bytes > max(FREED_LEAST, sum(live.values())):
        now = _without_freed(now, state)
    now.write(state)
    return now


def _without_freed(kept: Kept, state: State) -> Kept:
    """Write the live ids again, and nothing else."""
    whole: dict[int, bytearray] = {}
    for bucket, part in _live(kept, state):
        whole.setdefault(bucket, bytearray()).extend(part)
    state.ids.clear()
    for bucket, parts in whole.items():
        state.ids.add(_entry(bucket, parts))
    return msgspec.structs.replace(kept, freed_bytes=0)


def _live(kept: Kept, state: State) -> Iterator[tuple[int, bytes]]:
    for entry in state.ids.read():
        bucket = int.from_bytes(entry[:_BUCKET_BYTES], "little", signed=True)
        if bucket in kept.live:
            yield bucket, entry[_BUCKET_BYTES:]


def _entry(bucket: int, part: bytes | bytearray) -> bytes:
    return bucket.to_bytes(_BUCKET_BYTES, "little", signed=True) + part


def _mark(before: bytes, delta: Delta) -> bytes:
    """Stands for all before and for what was added."""
    mark = blake2b(before, digest_size=_MARK_BYTES)
    for part in (delta.head, delta.cells, *(delta.ids[bucket] for bucket in sorted(delta.ids))):
        mark.update(len(part).to_bytes(8, "little"))
        mark.update(part)
    return mark.digest()
