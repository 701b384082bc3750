"""One partition of a topic on its way to Pub/Sub: what waits, what is on its way, what is done in order.

A span is a run of consecutive records. Spans are done in any order; the partition's position moves only over spans
that are done from its beginning on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from crossfoot.services.group.state import PartitionState, Totals
from crossfoot.services.relay.encode import Run


@dataclass(slots=True, eq=False)
class Span:
    """Consecutive records; `next` is the offset after them, `last_t_us` the partition's last t there.

    `totals` are their accounts, once nothing is `open`: messages that were not answered for, dead letters on their way
    to the broker. `runs` are the messages that are in no request yet.
    """

    partition: int
    next: int
    taken_us: int
    last_t_us: int | None = None
    totals: Totals = field(default_factory=Totals)
    runs: deque[Run] = field(default_factory=deque)
    open: int = 0

    @property
    def is_done(self) -> bool:
        """Whether each of its records has come to its end."""
        return self.open == 0

    def add(self, run: Run) -> None:
        """Messages to publish."""
        if run:
            self.runs.append(run)
            self.open += len(run)


Part = tuple[Span, Run]
"""Messages of a span."""


class Lane:
    """A partition that is ours. `ledger`: what is done in order; `ahead`: where what was taken ends, and its last t."""

    def __init__(self, number: int, name: str, begun: PartitionState, committed: PartitionState | None) -> None:
        self.number = number
        self.name = name
        self.ledger = self.ahead = begun
        self.committed = committed
        self.pending_bytes = 0
        self._pending: deque[Span] = deque()
        self._window: deque[Span] = deque()

    @property
    def read_to(self) -> int:
        """What lies before it was taken."""
        return self.ahead.next

    @property
    def spans(self) -> int:
        """Spans that are not done in order."""
        return len(self._window)

    def add(self, span: Span) -> None:
        """The next span in order."""
        self._window.append(span)
        self.ahead = replace(self.ahead, next=span.next, last_t_us=span.last_t_us)
        if span.runs:
            self._pending.append(span)
            self.pending_bytes += sum(run.size for run in span.runs)

    def cut(self, messages_max: int, bytes_max: int, *, at_least_one: bool = False) -> Part | None:
        """The next messages for a request: at most so much, all of one run. None: nothing waits, or none fits."""
        if not self._pending:
            return None
        span = self._pending[0]
        run = span.runs.popleft()
        taken, rest = run.split(min(messages_max, max(run.fitting(bytes_max), at_least_one)))
        if rest:
            span.runs.appendleft(rest)
        elif not span.runs:
            self._pending.popleft()
        self.pending_bytes -= taken.size
        return (span, taken) if taken else None

    def settle(self) -> Totals:
        """Move over the spans that are done, in order; what they held."""
        before = self.ledger.totals
        while self._window and self._window[0].is_done:
            span = self._window.popleft()
            self.ledger = self.ledger.moved(span.next, span.totals, span.last_t_us)
        return self.ledger.totals - before

    def oldest_us(self) -> int | None:
        """When the oldest message came that is not done; None: none waits here."""
        return self._window[0].taken_us if self._window else None
