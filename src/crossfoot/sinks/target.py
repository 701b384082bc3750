"""What every kind of sink can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from crossfoot.sinks.cells import Changed


class GivenUpError(Exception):
    """The run ends and waits no longer; the next one goes on from the mark."""


class Target(Protocol):
    """Where cells are written. What fails is raised as a CrossfootError or OSError, and tried again."""

    name: str
    every_s: float

    def identity(self) -> str:
        """Which one it is: a topic that was made again, or another folder, has nothing yet."""
        ...

    def write(self, tables: Iterable[Changed], epoch: int, given_up: Callable[[], bool]) -> int:
        """Write cells, tagged with their epoch; all of them are durable when this returns. How many they are."""
        ...

    def close(self) -> None:
        """Let go of what is open; what was not written is forgotten."""
