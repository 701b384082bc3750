"""Records -> messages of the prepared form: a block of one partition at a time."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Protocol

from crossfoot import _core
from crossfoot.definition.compile import compile_plan
from crossfoot.definition.model import Definition, Preprocess
from crossfoot.definition.prepared import marks
from crossfoot.event import ABSENT_US, Account, Event, Record, Refusal
from crossfoot.native import core_errors, read_stream
from crossfoot.prepare import prepare
from crossfoot.prepare.wire import Lineage, key_text, single
from crossfoot.services.group.output import Message, Refused
from crossfoot.services.group.share import Block
from crossfoot.services.group.state import PartitionState, Totals

BLOCK_BYTES = 512 << 10
"""A block of events has about so many bytes of values, where its place takes that."""
_ATTEMPT = 1


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
        for offset, stamp_us, data in records_of(block):
            record = Record(name, offset, data, stamp_us)
            made.next = offset + 1
            found = prepare(record, self._definition, now_us)
            if isinstance(found, Refusal):
                made.totals += Totals(records=1)
                self._refuse(found, record, None, made)
                continue
            made.totals += Totals(records=1, exploded=len(found) - 1)
            for place, one in enumerate(found):
                element = None if self._definition.explode is None else place
                if isinstance(one, Refusal):
                    self._refuse(one, record, element, made)
                else:
                    lineage = Lineage(self._topic, block.partition, offset, element)
                    made.messages.append(self._message(one, lineage, state, made))
        return made

    def _refuse(self, refusal: Refusal, record: Record, element: int | None, made: Converted) -> None:
        made.totals += Totals(**{str(refusal.account): 1})
        if refusal.account != Account.FILTERED:
            about = (refusal.account, refusal.reason, refusal.part, record.ordinal)
            made.refused.append(Refused(*about, element, record.data))

    def _message(self, event: Event, lineage: Lineage, state: PartitionState, made: Converted) -> Message:
        """a = t = max(stamp, last t, J)."""
        times = (event.stamp_us, made.last_t_us, state.joined_us)
        made.last_t_us = max(time_us for time_us in times if time_us is not None)
        made.totals += Totals(out=1)
        context = (self._definition.namespace, self._hash, lineage)
        value = single(event, made.last_t_us, self._definition.event.fields, context)
        preprocess = self._definition.preprocess
        chosen = "uuid" if preprocess is None else preprocess.key
        key = key_text(event.uuid, None) if chosen == "uuid" else key_text(None, event.values[chosen])
        return key, value


class NativeConversion:
    """The step in the native core: one call a block."""

    def __init__(self, definition: Definition, topic: str, block_bytes: int) -> None:
        preprocess = definition.preprocess or Preprocess()
        form = "block" if preprocess.blocks else "single"
        options = {**marks(definition), "form": form, "key": preprocess.key, "block_bytes": block_bytes}
        with core_errors():
            self._core = _core.Preparation(compile_plan(definition), json.dumps(options))
        self._topic = topic

    def __call__(self, name: str, block: Block, state: PartitionState, now_us: int) -> Converted:
        columns = (block.ends, block.offsets, block.stamps, b"")
        origin, times = (self._topic, block.partition, _ATTEMPT), (state.last_t_us, state.joined_us)
        with core_errors():
            messages, refused, text = self._core.prepare(name, origin, block.data, columns, times, now_us)
        said = json.loads(text)
        following = state.next if said["next_offset"] is None else said["next_offset"]
        return Converted(following, said["last_t_us"], _totals(said), _messages(*messages), _refused(refused, block))


def _totals(said: Mapping[str, Any]) -> Totals:
    accounts = dict.fromkeys(("filtered", "malformed", "invalid"), 0)
    for account, _, _, events in said["accounts"]:
        accounts[account] += events
    events = said["events"] + sum(accounts.values())
    return Totals(records=said["records"], exploded=events - said["records"], out=said["events"], **accounts)


def _messages(data: bytes, ends: bytes, keys: bytes, key_ends: bytes) -> list[Message]:
    values, names = _slices(data, ends), _slices(keys, key_ends)
    return [(name or None, value) for value, name in zip(values, names, strict=True)]


def _slices(data: bytes, ends: bytes) -> Iterator[bytes]:
    bounds = array("I", ends)
    return map(data.__getitem__, map(slice, chain((0,), bounds), bounds))


def _refused(found: Iterable[tuple[int, int | None, str, str, str, int, int]], block: Block) -> list[Refused]:
    return [
        Refused(account, reason, part, offset, element, block.data[first:end])
        for offset, element, account, reason, part, first, end in found
    ]


def records_of(block: Block) -> Iterator[tuple[int, int | None, bytes]]:
    """Offset, stamp and bytes of each record."""
    start = 0
    columns = array("I", block.ends), array("Q", block.offsets), array("q", block.stamps)
    for end, offset, stamp_us in zip(*columns, strict=True):
        yield offset, None if stamp_us == ABSENT_US else stamp_us, block.data[start:end]
        start = end


class WithinLimit:
    """A conversion whose messages are no larger than a topic takes.

    Where one is, the block is done again record by record, and only what is too large by itself is refused.
    """

    def __init__(self, conversion: Conversion, message_bytes: int) -> None:
        self._conversion = conversion
        self._message_bytes = message_bytes

    def __call__(self, name: str, block: Block, state: PartitionState, now_us: int) -> Converted:
        made = self._conversion(name, block, state, now_us)
        if max((len(value) + len(key or b"") for key, value in made.messages), default=0) <= self._message_bytes:
            return made
        made = Converted(state.next, state.last_t_us)
        for alone in _one_by_one(block):
            following = replace(state, next=made.next, last_t_us=made.last_t_us)
            self._append(made, self._conversion(name, alone, following, now_us), alone)
        return made

    def _append(self, made: Converted, of_one: Converted, record: Block) -> None:
        made.next, made.last_t_us = of_one.next, of_one.last_t_us
        made.totals += of_one.totals
        made.refused += of_one.refused
        for key, value in of_one.messages:
            if len(value) + len(key or b"") <= self._message_bytes:
                made.messages.append((key, value))
                continue
            events, element = _content(value)
            made.totals += Totals(out=-events, malformed=events)
            refused = ("malformed", "size", "message", of_one.next - 1, element)
            made.refused.append(Refused(*refused, record.data))


def _one_by_one(block: Block) -> Iterator[Block]:
    for offset, stamp_us, data in records_of(block):
        stamp = array("q", [ABSENT_US if stamp_us is None else stamp_us]).tobytes()
        ends, offsets = array("I", [len(data)]).tobytes(), array("Q", [offset]).tobytes()
        yield Block(block.partition, data, ends, offsets, stamp)


def _content(value: bytes) -> tuple[int, int | None]:
    """How many events a message holds, and the place of one that is alone."""
    if value.startswith(b"{"):
        return 1, json.loads(value).get("element")
    return read_stream(value).num_rows, None
