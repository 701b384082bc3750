"""Sinks that fail while a service runs: counting goes on, and a note says who fails, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from crossfoot.seen.state import SinkState
from crossfoot.sources.live import Failing


class SinkNotes:
    """A note of each attempt that failed, as far as it is seen; who takes notes holds back what comes again."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._told: dict[str, int] = {}

    def of(self, sinks: Iterable[SinkState]) -> None:
        """How they stand now."""
        for sink in sinks:
            if sink.failing and sink.attempts != self._told.get(sink.name):
                self._note(Failing(f"{sink.name}: {sink.failing}; it is tried again"))
            self._told[sink.name] = sink.attempts
