"""Ctrl-C and TERM, which are how a service ends."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Self


class Stop:
    """The first Ctrl-C or TERM asks the loop to end; the second ends the process."""

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def asked(self) -> bool:
        """Whether the loop is to end."""
        return self._asked
