"""How a service stands: one value that its status socket, its metrics and its log lines are made of.

Every service publishes the same: `crossfoot run`, `preprocess` and `relay` differ only in what they have numbers for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from crossfoot.errors import DataError

Phase = Literal["running", "stopping"]


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a partition is behind: records that wait, and the age of the newest that was taken (None: none yet).

    Where records cannot be counted before they are read (followed files), `records` are those of which at least a byte
    waits: 0 or 1.
    """

    partition: str
    records: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Spent:
    """How long something took, in seconds: the last time, the longest, and all times together."""

    times: int = 0
    last_s: float = 0.0
    longest_s: float = 0.0
    total_s: float = 0.0

    def and_also(self, seconds: float) -> Spent:
        """Once more."""
        return Spent(self.times + 1, seconds, max(self.longest_s, seconds), self.total_s + seconds)


@dataclass(frozen=True, slots=True)
class Queue:
    """Bytes that wait between a source and the loop; at `bytes_max` the source is paused."""

    source: str
    bytes: int
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Retry:
    """A place that fails and is tried again: a source or a sink."""

    place: str
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class SinkState:
    """A sink: everything up to `epoch` is in it; `behind` epochs are not. `cells` were written since the start.

    `missing` can never be there: events whose ids the store forgot before they were fed, cells that it never takes.
    """

    name: str
    epoch: int
    behind: int
    cells: int
    failing: str | None = None
    attempts: int = 0
    missing: int = 0


def place_of(sink: SinkState) -> str:
    """Where something fails when a sink does: a source may have the same name."""
    return f"sink {sink.name}"


@dataclass(frozen=True, slots=True)
class State:
    """A service at one moment. Accounts are of this run; times are microseconds since the epoch, or seconds.

    What is None a service has not: one without a store has no checkpoints, one in front of a store no epochs. `more`
    holds what only one kind of service has, by name, and `more_counters` what of that only grows.
    """

    service: str
    name: str
    process: int
    version: str
    now_us: int
    seconds: float
    phase: Phase = "running"
    epoch: int | None = None
    accounts: dict[str, int] = field(default_factory=dict)
    rate: float = 0.0
    clock_us: int | None = None
    watermark_us: int | None = None
    lags: tuple[Lag, ...] = ()
    queues: tuple[Queue, ...] = ()
    batches: Spent | None = None
    epochs: Spent | None = None
    interval_s: float | None = None
    checkpoints: int | None = None
    retries: int = 0
    retrying: tuple[Retry, ...] = ()
    sinks: tuple[SinkState, ...] = ()
    metrics: str | None = None
    alerts: dict[str, str] = field(default_factory=dict)
    """Percentages that are over their limit, and comparisons that do not hold, by what is watched."""
    more: dict[str, float] = field(default_factory=dict)
    more_counters: dict[str, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """Records of this run."""
        return sum(self.accounts.values())

    @property
    def has_store(self) -> bool:
        """Whether it counts into a store: then there is a clock and a watermark, or will be."""
        return self.checkpoints is not None

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait, over all sources."""
        return sum(queue.bytes for queue in self.queues)

    def share(self, *accounts: str) -> float:
        """Records of these accounts, in percent of all."""
        return 100 * sum(self.accounts.get(name, 0) for name in accounts) / self.records if self.records else 0.0


def encode(state: State) -> bytes:
    """The state as one line of JSON."""
    return msgspec.json.encode(state) + b"\n"


def decode(line: bytes) -> State:
    """The state of a line of JSON; what a newer service says beside it is passed over."""
    try:
        return msgspec.json.decode(line, type=State)
    except msgspec.DecodeError as error:
        raise DataError(
            f"what answered is no state of a service: {error}", "is it another program's socket?"
        ) from error
