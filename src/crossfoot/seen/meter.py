"""What a service's loop tells while it works, gathered into its state."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from crossfoot import __version__
from crossfoot.clock import Clock
from crossfoot.seen.state import Retry, SinkState, Spent, State, place_of

# The rate is that of the last seconds, so that it moves soon and does not flicker.
_RATE_S = 5.0


class Meter:
    """Counts what has happened since the service was started. `batches`, `epochs`: whether it has any to be timed."""

    def __init__(self, service: str, name: str, clock: Clock, *, batches: bool = True, epochs: bool = True) -> None:
        self._service, self._name, self._clock = service, name, clock
        self._began = clock.elapsed_s()
        self._batches = Spent() if batches else None
        self._epochs = Spent() if epochs else None
        self._seen: deque[tuple[float, int]] = deque()
        self._failing: dict[str, Retry] = {}
        self._retries = self._journal_bytes = 0
        self._checkpoints: int | None = None

    def batch(self, seconds: float) -> None:
        """Records were taken and handed on."""
        self._batches = (self._batches or Spent()).and_also(seconds)

    def epoch(self, seconds: float) -> None:
        """An epoch was committed."""
        self._epochs = (self._epochs or Spent()).and_also(seconds)

    def journal(self, length_bytes: int) -> None:
        """How long the journal is: it begins anew after a checkpoint."""
        self._checkpoints = (self._checkpoints or 0) + (length_bytes < self._journal_bytes)
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

    def _fed(self, sinks: Iterable[SinkState]) -> None:
        """Sinks say themselves how often they have failed since they worked."""
        for sink in sinks:
            place = place_of(sink)
            if sink.failing is None:
                self.recovered(place)
                continue
            before = self._failing.get(place)
            known = before.attempts if before and before.attempts <= sink.attempts else 0
            self._retries += sink.attempts - known
            self._failing[place] = Retry(place, sink.attempts, sink.failing)

    def state(self, accounts: Mapping[str, int], **facts: Any) -> State:
        """The state now; `facts` are what the loop knows of it."""
        now = self._clock.elapsed_s()
        self._fed(facts.get("sinks", ()))
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
