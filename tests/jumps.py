"""A machine's clock that somebody sets."""

from __future__ import annotations

from crossfoot.clock import SystemClock

HOUR_S, DAY_S = 3600, 86_400


class SetClock(SystemClock):
    """The machine's time, and how far it was set beside it; the stopwatch knows nothing of that."""

    def __init__(self) -> None:
        self.off_s = 0

    def now_us(self) -> int:
        return super().now_us() + self.off_s * 1_000_000

    def set(self, off_s: int) -> None:
        self.off_s = off_s
