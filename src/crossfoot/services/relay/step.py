"""What records become on their way to Pub/Sub: prepared messages are passed on, raw records are prepared here."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from crossfoot.errors import InternalError
from crossfoot.event import ends_of
from crossfoot.services.group.convert import Conversion
from crossfoot.services.group.output import Refused
from crossfoot.services.group.share import Block
from crossfoot.services.group.state import PartitionState, Totals
from crossfoot.services.relay.encode import Encoder, Run
from crossfoot.services.relay.heads import SIZE, Head, Unfit, Wanted, head_of

Encoders = Callable[[int], Encoder]
"""The encoder of each partition."""


@dataclass(slots=True)
class Made:
    """What a block has become, each of its records in one place."""

    next: int
    last_t_us: int | None
    totals: Totals
    runs: list[Run] = field(default_factory=list)
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

    def __init__(self, wanted: Wanted, encoders: Encoders) -> None:
        self._wanted = wanted
        self._encoders = encoders

    def __call__(self, _name: str, block: Block, state: PartitionState, _now_us: int, /) -> Made:
        encoder, offsets = self._encoders(block.partition), array("Q", block.offsets)
        run, left = encoder.singles(block)
        made = Made(offsets[-1] + 1, state.last_t_us, Totals(records=len(offsets)))
        frames = []
        for number in left:
            offset, value = offsets[number], _record_of(block, number)
            head = head_of(value, self._wanted)
            frame = head if isinstance(head, Unfit) else encoder.one(head, offset, value) or SIZE
            if isinstance(frame, Unfit):
                made.refused.append(frame.letter(offset, value))
                made.totals += Totals(**{frame.account: 1})
            else:
                frames.append((offset, frame))
        made.runs = [run, Run.of(frames)]
        made.totals += Totals(out=sum(map(len, made.runs)))
        return made

    def events(self, _value: bytes, /) -> int:
        return 1


class Preparing:
    """Raw records, by the step of `crossfoot preprocess`: the same uuids, times and accounts.

    The conversion makes no message that is too long for Pub/Sub.
    """

    def __init__(self, conversion: Conversion, wanted: Wanted, encoders: Encoders) -> None:
        self._conversion = conversion
        self._wanted = wanted
        self._encoders = encoders

    def __call__(self, name: str, block: Block, state: PartitionState, now_us: int) -> Made:
        made, encoder = self._conversion(name, block, state, now_us), self._encoders(block.partition)
        values = [value for _, value in made.messages]
        run, left = encoder.singles(_block_of(block.partition, values), places=False)
        frames = Run.of(self._frame(encoder, value) for value in map(values.__getitem__, left))
        return Made(made.next, made.last_t_us, made.totals, [run, frames], made.refused)

    def _frame(self, encoder: Encoder, value: bytes) -> tuple[int, bytes]:
        head = self._head(value)
        frame = encoder.one(head, int(head.offset), value)
        if frame is None:
            raise InternalError("a message that was prepared here is too long", "report this")
        return int(head.offset), frame

    def events(self, value: bytes) -> int:
        return self._head(value).events

    def _head(self, value: bytes) -> Head:
        head = head_of(value, self._wanted)
        if isinstance(head, Unfit):
            raise InternalError(f"a message that was prepared here is not of the form: {head.reason}", "report this")
        return head


def _record_of(block: Block, number: int) -> bytes:
    ends = array("I", block.ends)
    return block.data[ends[number - 1] if number else 0 : ends[number]]


def _block_of(partition: int, values: list[bytes]) -> Block:
    places = array("Q", range(len(values)))
    return Block(partition, b"".join(values), ends_of(values).tobytes(), places.tobytes(), b"")
