"""One partition of the intermediate topic on its way to Pub/Sub: what waits, what is on its way, what is done in order.

A span is a run of consecutive messages. Spans are done in any order; the partition's position moves only over spans
that are done from its beginning on.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from crossfoot.errors import InternalError
from crossfoot.services.relay.encode import OVERHEAD_BYTES

_FORM = 1


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is done of a partition, from `first` on: committed beside `next`, so that both move at once.

    `records` were taken; `gaps` are positions that are never handed out.
    """

    topic_id: str
    first: int
    next: int
    records: int = 0
    gaps: int = 0
    published: int = 0
    dead: int = 0

    @property
    def unaccounted(self) -> int:
        """Records that are neither published nor dead letters; 0, or something is wrong."""
        return self.records - self.published - self.dead

    def check(self, partition: str) -> None:
        """The ledger balances; InternalError where it does not, before it is committed."""
        for what, found, wanted in (
            ("accounts", self.published + self.dead, self.records),
            ("positions", self.records + self.gaps, self.next - self.first),
        ):
            if found != wanted or min(self.gaps, self.published, self.dead) < 0:
                raise InternalError(f"the {what} of {partition} hold {found} of {wanted}", "report this")

    def text(self) -> str:
        """As it is committed beside `next`."""
        return json.dumps({"relay": _FORM, **asdict(self)}, separators=(",", ":"))


def ledger_of(offset: int, text: str) -> Ledger | None:
    """What was committed; None where another tool has set the offset."""
    try:
        found: Any = json.loads(text or "null")
        if found["relay"] != _FORM:
            return None
        kept = {field.name: found[field.name] for field in fields(Ledger)}
        return replace(Ledger(**kept), next=offset)
    except (ValueError, TypeError, KeyError):
        return None


@dataclass(slots=True, eq=False)
class Span:
    """Consecutive messages; `next` is the offset after them. `messages` are those that are in no request yet."""

    partition: int
    next: int
    records: int
    taken_us: int
    messages: deque[tuple[int, bytes]] = field(default_factory=deque)
    published: int = 0
    dead: int = 0

    @property
    def is_done(self) -> bool:
        """Whether each of its records is published or a dead letter."""
        return self.published + self.dead == self.records


def size_of(messages: Iterable[tuple[int, bytes]]) -> int:
    """What messages take in a request, at most."""
    return sum(len(message) + OVERHEAD_BYTES for _, message in messages)


Part = tuple[Span, list[tuple[int, bytes]]]
"""Messages of a span, with their offsets."""


class Lane:
    """A partition that is ours. `read_to`: what lies before it was taken."""

    def __init__(self, number: int, name: str, ledger: Ledger, committed: Ledger | None) -> None:
        self.number = number
        self.name = name
        self.ledger = ledger
        self.committed = committed
        self.read_to = ledger.next
        self.pending_bytes = 0
        self._pending: deque[Span] = deque()
        self._window: deque[Span] = deque()

    @property
    def spans(self) -> int:
        """Spans that are not done in order."""
        return len(self._window)

    def add(self, span: Span) -> None:
        """The next span in order."""
        self._window.append(span)
        self.read_to = span.next
        if span.messages:
            self._pending.append(span)
            self.pending_bytes += size_of(span.messages)

    def cut(self, messages_max: int, bytes_max: int, *, at_least_one: bool = False) -> Part | None:
        """The next messages for a request: at most so much, all of one span. None: nothing waits, or none fits."""
        if not self._pending:
            return None
        span = self._pending[0]
        taken: list[tuple[int, bytes]] = []
        while span.messages and len(taken) < messages_max:
            size = len(span.messages[0][1]) + OVERHEAD_BYTES
            if size > bytes_max and (taken or not at_least_one):
                break
            bytes_max -= size
            self.pending_bytes -= size
            taken.append(span.messages.popleft())
        if not span.messages:
            self._pending.popleft()
        return (span, taken) if taken else None

    def settle(self) -> None:
        """Move over the spans that are done; a fault of ours that makes the accounts wrong ends the service."""
        while self._window and self._window[0].is_done:
            span, ledger = self._window.popleft(), self.ledger
            self.ledger = replace(
                ledger,
                next=span.next,
                records=ledger.records + span.records,
                gaps=ledger.gaps + span.next - ledger.next - span.records,
                published=ledger.published + span.published,
                dead=ledger.dead + span.dead,
            )

    def oldest_us(self) -> int | None:
        """When the oldest message came that is not done; None: none waits here."""
        return self._window[0].taken_us if self._window else None
