"""What the live loop asks of a source without an end, whatever it reads.

One thread calls a source: open, begin, then feed, look and mark in turns, and close. A source that has to wait
for somebody else does that on a thread of its own, or says so in a note and tries again later: no source holds up
another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from crossfoot.clock import Clock
from crossfoot.definition.model import Definition
from crossfoot.seen.state import Lag
from crossfoot.settings import Settings

Named = tuple[str, str]
"""A partition's name in the store, and its identity."""

Known = Mapping[str, Mapping[str, Any]]
"""What the store keeps of each partition, by name."""


Acknowledge = Callable[[], None]
"""Says to a source that something is committed."""


def nothing() -> None:
    """Where nobody has to be told."""


class Failing(str):
    """A note of something that fails for now, and is tried again."""

    __slots__ = ()


class Shown(str):
    """A note of what the state shows too: the log has a line of its own for that."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """What one call has brought. `queued_bytes` were received and wait to be counted."""

    bytes: int = 0
    queued_bytes: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look around has found: partitions that were at their end at `at_us`, and those that are to join."""

    idle: tuple[str, ...] = ()
    at_us: int = 0
    added: tuple[Named, ...] = ()
    notes: tuple[str, ...] = ()


class Feed(Protocol):
    """The engine, as a source sees it."""

    def feed(self, partition: str, data: bytes, now_us: int) -> None:
        """Count whole lines."""

    def feed_block(self, partition: str, data: bytes, columns: tuple[bytes, bytes, bytes, bytes], now_us: int) -> None:
        """Count a block of records: ends (u32), positions (u64), stamps and received times (i64, the least: none)."""

    def skip(self, partition: str, length: int, head: bytes) -> None:
        """Account for a line over the size limit."""

    def skip_to(self, partition: str, offset: int) -> None:
        """What lies before this position was handed out, or never will be."""

    def finish(self, partition: str, state: str | None = None) -> None:
        """A partition is at its end."""


class LiveSource(Protocol):
    """A source while it is read."""

    @property
    def name(self) -> str:
        """The source's name in the definition."""
        ...

    def open(self, known: Known) -> list[Named]:
        """Be sure that the store may go on with this source; the partitions that join before the first record."""
        ...

    def begin(self, names: Iterable[str]) -> dict[str, int]:
        """Those of its partitions that have joined are read from now on; positions, where the source gives them."""
        ...

    def feed(self, into: Feed, bytes_max: int, wait_s: float, now_us: int) -> Moved:
        """Hand over about so much. Only where there is nothing, wait for something, at most so long."""
        ...

    def look(self, now_us: int) -> Seen:
        """Look around, without waiting: ends, new partitions. What cannot be recovered from is raised."""
        ...

    def mark(self) -> Acknowledge:
        """What was handed over up to here: what is returned is called once that is committed."""
        ...

    def is_done(self) -> bool:
        """Whether everything was handed over that was there when the source was opened."""
        ...

    def lags(self, now_us: int) -> list[Lag]:
        """How far each partition is behind, as far as is known."""
        ...

    def close(self) -> None:
        """Stop reading; let go of everything. Called once, also where opening has failed."""


class Ending:
    """What sources have in common that are counted to the end that they had, and not looked at again."""

    _is_done = False

    def look(self, now_us: int) -> Seen:
        """Nothing new is looked for."""
        del now_us
        return Seen()

    def mark(self) -> Acknowledge:
        """The store keeps the positions."""
        return nothing

    def is_done(self) -> bool:
        """Whether all that was there has been handed over."""
        return self._is_done

    def lags(self, now_us: int) -> list[Lag]:
        """How much is left is not known in records."""
        del now_us
        return []


@dataclass(frozen=True, slots=True)
class Room:
    """What a source is opened with, beside what it is: where the store is, and how the process runs."""

    definition: Definition
    store: Path
    settings: Settings
    clock: Clock

    @property
    def group(self) -> str:
        """The Kafka group whose offsets show how far the store is, unless a setting names one."""
        return f"crossfoot-{self.definition.namespace}"


class Opener(Protocol):
    """A source as the definition names it, not opened yet."""

    def open(self, room: Room) -> LiveSource:
        """Reach what is to be read."""
        ...
