"""A clock that stands still until it is told to move."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ManualClock:
    """Shows what it was set to."""

    at_us: int = 0

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        return self.at_us

    def elapsed_s(self) -> float:
        """The same moment in seconds."""
        return self.at_us / 1_000_000

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.at_us += round(seconds * 1_000_000)
