"""How often an epoch is written: more seldom while commits take long, so that counting keeps most of the time."""

from __future__ import annotations

# The part of the time that commits may take.
_SHARE = 0.25


class Pace:
    """An interval between `least_s` and `most_s`. It grows at once and shrinks step by step."""

    def __init__(self, least_s: float, most_s: float) -> None:
        self.least_s, self._most_s = least_s, max(least_s, most_s)
        self.interval_s = least_s

    def committed(self, seconds: float) -> None:
        """A commit has taken so long."""
        wanted = max(seconds / _SHARE, self.interval_s / 2)
        self.interval_s = min(max(wanted, self.least_s), self._most_s)
