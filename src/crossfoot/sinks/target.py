"""What every kind of sink can do, and every kind of feed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar


class GivenUpError(Exception):
    """The run ends and waits no longer; the next one goes on from the mark."""


Cells_contra = TypeVar("Cells_contra", contravariant=True)


class Target(Protocol[Cells_contra]):
    """Where cells are written, in the form that it takes.

    What fails is raised as a CrossfootError or OSError, and tried again.
    """

    name: str
    every_s: float

    def identity(self) -> str:
        """Which one it is: a topic that was made again, or another folder, has nothing yet."""
        ...

    @property
    def missing(self) -> int:
        """Cells that it can never take."""
        ...

    def write(self, cells: Cells_contra, epoch: int, given_up: Callable[[], bool]) -> int:
        """Write cells, tagged with their epoch; all of them are durable when this returns. How many they are."""
        ...

    def close(self) -> None:
        """Let go of what is open; what was not written is forgotten."""


class Feed(Protocol):
    """Brings a place up to the store's newest epoch. What fails is raised, and tried again."""

    name: str
    every_s: float

    @property
    def missing(self) -> int:
        """What should be there and never can be: it was forgotten before it could be fed."""
        ...

    @property
    def epoch(self) -> int:
        """Everything up to it is there."""
        ...

    def catch_up(self, given_up: Callable[[], bool]) -> int:
        """Bring it up to the newest; how many rows were written."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
