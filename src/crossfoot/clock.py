"""The one door to time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Reading clock and stopwatch."""

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...

    def elapsed_s(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        return time.time_ns() // 1000

    def elapsed_s(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        return time.monotonic()
