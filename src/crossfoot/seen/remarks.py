"""What a service that runs for days remarks on its way: what comes again and again is told less and less often."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_FIRST_S = 60.0
_LONGEST_S = 3600.0
_KEPT = 256
_LASTED = re.compile(r"\d+ ?ms\b")
"""How long an attempt took does not make it another one."""


@dataclass(slots=True)
class _Known:
    """A remark: when it came, and was told, the last time; how long it is held back, and how often it was since."""

    came_s: float
    told_s: float
    wait_s: float = _FIRST_S
    held: int = 0


class Remarks:
    """Hands remarks on. The same one again after a minute, two, four, up to an hour, with how often it came meanwhile.

    One that has not come for as long is a new one.
    """

    def __init__(self, tell: Callable[[str], None], elapsed_s: Callable[[], float]) -> None:
        self._tell = tell
        self._elapsed_s = elapsed_s
        self._known: dict[str, _Known] = {}

    def __call__(self, text: str) -> None:
        """Tell it, or hold it back."""
        now, name = self._elapsed_s(), _LASTED.sub("", text)
        known = self._known.get(name)
        if known is None or now - known.came_s >= known.wait_s:
            self._known[name] = _Known(now, now)
            self._forget()
            self._tell(text)
            return
        known.came_s = now
        known.held += 1
        if now - known.told_s >= known.wait_s:
            self._tell(type(text)(f"{text} ({known.held:,} times since it was told)"))  # of the same kind
            known.told_s, known.wait_s, known.held = now, min(2 * known.wait_s, _LONGEST_S), 0

    def _forget(self) -> None:
        """What is told first is forgotten first where there are many."""
        for name in list(self._known)[:-_KEPT]:
            del self._known[name]
