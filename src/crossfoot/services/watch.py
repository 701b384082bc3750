"""Who looks on while a service runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from crossfoot.clock import Clock, SystemClock

S = TypeVar("S")


class Done(NamedTuple):
    """How many of how many are done, and which is next, or of what they are."""

    done: int
    all: int
    name: str


@dataclass(frozen=True)  # with slots an alias, Watch[...], could not be called
class Watch(Generic[S]):
    """The clock, whom to tell how it stands and of changes, and who may ask to stop."""

    clock: Clock = field(default_factory=SystemClock)
    state: Callable[[S], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False
