"""What records become on their way to Pub/Sub: prepared messages are passed on, raw records are prepared here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from crossfoot.errors import InternalError
from crossfoot.services.group.convert import Conversion, records_of
from crossfoot.services.group.output import Message, Refused
from crossfoot.services.group.share import Block
from crossfoot.services.group.state import PartitionState, Totals
from crossfoot.services.relay.heads import Head, Unfit, Wanted, head_of


class Outgoing(NamedTuple):
    """A message to publish, and where it comes from in the topic that is read."""

    offset: int
    head: Head
    value: bytes


@dataclass(slots=True)
class Made:
    """What a block has become, each of its records in one place."""

    next: int
    last_t_us: int | None
    totals: Totals
    messages: list[Outgoing] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Step(Protocol):
    """The step; `state` is where the block is taken up, and what time it is there."""

    def __call__(self, name: str, block: Block, state: PartitionState, now_us: int, /) -> Made:
        """A block that begins at or after the state's next offset."""
        ...

    def events(self, value: bytes, /) -> int:
        """For how much a message stands in the ledger."""
        ...


class Passing:
    """Messages of the prepared form, as they came: each stands for one."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def __call__(self, _name: str, block: Block, state: PartitionState, _now_us: int, /) -> Made:
        made, records = Made(state.next, state.last_t_us, Totals()), 0
        for offset, _, value in records_of(block):
            head = head_of(value, self._wanted)
            if isinstance(head, Unfit):
                made.refused.append(head.letter(offset, value))
                made.totals += Totals(**{head.account: 1})
            else:
                made.messages.append(Outgoing(offset, head, value))
            made.next = offset + 1
            records += 1
        made.totals += Totals(records=records, out=len(made.messages))
        return made

    def events(self, _value: bytes, /) -> int:
        return 1


class Preparing:
    """Raw records, by the step of `crossfoot preprocess`: the same uuids, times and accounts."""

    def __init__(self, conversion: Conversion, wanted: Wanted) -> None:
        self._conversion = conversion
        self._wanted = wanted

    def __call__(self, name: str, block: Block, state: PartitionState, now_us: int) -> Made:
        made = self._conversion(name, block, state, now_us)
        return Made(made.next, made.last_t_us, made.totals, list(self._outgoing(made.messages)), made.refused)

    def _outgoing(self, messages: list[Message]) -> Iterator[Outgoing]:
        for _, value in messages:
            head = self._head(value)
            yield Outgoing(int(head.offset), head, value)

    def events(self, value: bytes) -> int:
        return self._head(value).events

    def _head(self, value: bytes) -> Head:
        head = head_of(value, self._wanted)
        if isinstance(head, Unfit):
            raise InternalError(f"a message that was prepared here is not of the form: {head.reason}", "report this")
        return head
