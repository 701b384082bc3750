"""What a service's loop tells while it works, gathered into its state."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from crossfoot import __version__
from crossfoot.clock import Clock
from crossfoot.seen.state import Retry, Spent, State

# The rate is that of the last seconds, so that it moves soon and does not flicker.
_RATE_S = 5.0


class Meter:
    """Counts what has happened since the service was started."""

    def __init__(self, service: str, name: str, clock: Clock) -> None:
        self._service, self._name, self._clock = service, name, clock
        self._began = clock.elapsed_s()
        self._batches = self._epochs = Spent()
        self._seen: deque[tuple[float, int]] = deque()
        self._failing: dict[str, Retry] = {}
        self._retries = self._checkpoints = self._journal_bytes = 0

    def batch(self, seconds: float) -> None:
        """Records were taken and handed on."""
        self._batches = self._batches.and_also(seconds)

    def epoch(self, seconds: float) -> None:
        """An epoch was committed (in front of a store: a batch was acknowledged)."""
        self._epochs = self._epochs.and_also(seconds)

    def journal(self, length_bytes: int) -> None:
        """How long the journal is: it begins anew after a checkpoint."""
        self._checkpoints += length_bytes < self._journal_bytes
        self._journal_bytes = length_bytes

    def failed(self, place: str, reasons: Iterable[str]) -> None:
        """A place has failed; it is tried again."""
        for reason in reasons:
            self._retries += 1
            before = self._failing.get(place)
            self._failing[place] = Retry(place, 1 + (before.attempts if before else 0), reason)

    def recovered(self, place: str) -> None:
        """A place works, or works again."""
        self._failing.pop(place, None)

    def state(self, accounts: Mapping[str, int], **facts: Any) -> State:
        """The state now; `facts` are what the loop knows of it."""
        now = self._clock.elapsed_s()
        return State(
            service=self._service,
            name=self._name,
            process=os.getpid(),
            version=__version__,
            now_us=self._clock.now_us(),
            seconds=now - self._began,
            accounts=dict(accounts),
            rate=self._rate(now, sum(accounts.values())),
            batches=self._batches,
            epochs=self._epochs,
            checkpoints=self._checkpoints,
            retries=self._retries,
            retrying=tuple(self._failing.values()),
            **facts,
        )

    def _rate(self, now: float, records: int) -> float:
        """Records a second since the last moment that is old enough."""
        if not self._seen:
            self._seen.append((self._began, 0))
        while len(self._seen) > 1 and self._seen[1][0] <= now - _RATE_S:
            self._seen.popleft()
        since, before = self._seen[0]
        self._seen.append((now, records))
        return (records - before) / (now - since) if now > since else 0.0
