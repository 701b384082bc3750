"""Records -> messages of the intermediate topic: a block of one partition at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from crossfoot.definition.model import Definition
from crossfoot.event import Account, Event, Record, Refusal, Value
from crossfoot.prepare import prepare
from crossfoot.prepare.wire import Lineage, key_text, single
from crossfoot.services.preprocess.state import PartitionState, Totals

_ABSENT = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Block:
    """Records of one partition as a reader hands them over: their bytes, ends, offsets and stamps as columns."""

    partition: int
    data: bytes
    ends: bytes
    offsets: bytes
    stamps: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send, from records of these offsets, with so many events."""

    key: bytes | None
    value: bytes
    events: int
    offset: int
    element: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """An event, or a whole record, that is none; `raw` is the record."""

    account: str
    reason: str
    part: str
    offset: int
    element: int | None
    raw: bytes


@dataclass(slots=True)
class Converted:
    """What a block has become. `totals` are those of the block."""

    next: int
    last_t_us: int | None
    totals: Totals = field(default_factory=Totals)
    messages: list[Message] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Conversion(Protocol):
    """The step. Partition names are those that an engine which reads the topic itself would use."""

    def __call__(self, name: str, block: Block, state: PartitionState, now_us: int) -> Converted:
        """A block that begins at or after the state's next offset."""
        ...


class PythonConversion:
    """One record after the other, with the pure step of the reference engine: slow, and easy to read."""

    def __init__(self, definition: Definition, definition_hash: str, topic: str) -> None:
        self._definition = definition
        self._hash = definition_hash
        self._topic = topic

    def __call__(self, name: str, block: Block, state: PartitionState, now_us: int) -> Converted:
        made = Converted(state.next, state.last_t_us)
        counts = dict.fromkeys(("records", "exploded", "out", *(str(account) for account in Account)), 0)
        for record in _records(name, block):
            made.next = record.ordinal + 1
            found = prepare(record, self._definition, now_us)
            counts["records"] += 1
            whole = isinstance(found, Refusal)
            for place, one in enumerate((found,) if isinstance(found, Refusal) else found):
                element = None if whole or self._definition.explode is None else place
                counts["exploded"] += place > 0
                if isinstance(one, Refusal):
                    counts[one.account] += 1
                    if one.account != Account.FILTERED:
                        made.refused.append(_refused(one, record, element))
                else:
                    counts["out"] += 1
                    made.messages.append(self._message(one, record, element, state, made))
        wanted = {name: counts[name] for name in Totals.__slots__ if name in counts}
        made.totals = Totals(**wanted)
        return made

    def _message(
        self, event: Event, record: Record, element: int | None, state: PartitionState, made: Converted
    ) -> Message:
        """a = t = max(stamp, last t, J)."""
        times = (event.stamp_us, made.last_t_us, state.joined_us)
        made.last_t_us = max(time_us for time_us in times if time_us is not None)
        lineage = Lineage(self._topic, int(record.partition.rpartition("/")[2]), record.ordinal, element)
        context = (self._definition.namespace, self._hash, lineage)
        value = single(event, made.last_t_us, self._definition.event.fields, context)
        return Message(self._key(event), value, 1, record.ordinal, element)

    def _key(self, event: Event) -> bytes | None:
        preprocess = self._definition.preprocess
        chosen = "uuid" if preprocess is None else preprocess.key
        wanted: Value = None if chosen == "uuid" else event.values[chosen]
        return key_text(event.uuid if chosen == "uuid" else None, wanted)


def raw_of(block: Block, offset: int) -> bytes:
    """The record at an offset."""
    ends, place = array("I", block.ends), array("Q", block.offsets).index(offset)
    return block.data[ends[place - 1] if place else 0 : ends[place]]


def _refused(refusal: Refusal, record: Record, element: int | None) -> Refused:
    return Refused(refusal.account, refusal.reason, refusal.part, record.ordinal, element, record.data)


def _records(name: str, block: Block) -> Iterator[Record]:
    ends, offsets, stamps = array("I", block.ends), array("Q", block.offsets), array("q", block.stamps)
    start = 0
    for end, offset, stamp_us in zip(ends, offsets, stamps, strict=True):
        yield Record(name, offset, block.data[start:end], None if stamp_us == _ABSENT else stamp_us)
        start = end
