"""How a relay stands: what a process that runs tells, and what the group's committed offsets say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from crossfoot.clock import Clock, SystemClock
from crossfoot.seen.meter import Meter
from crossfoot.seen.state import Lag, Queue, State
from crossfoot.services.relay.lane import Ledger

_PLACE = "Pub/Sub"


@dataclass(frozen=True, slots=True)
class LaneState:
    """A partition: what is done, records behind (None: not known yet), seconds since the oldest of them came."""

    name: str
    ledger: Ledger
    backlog: int | None
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class RelayState:
    """How a relay that runs stands. `in_flight_bytes` were handed to Pub/Sub and are not answered for."""

    lanes: tuple[LaneState, ...]
    in_flight_bytes: int
    queued_bytes: int
    retries: int
    done: dict[str, int]
    """What this process has published and buried, of partitions that it gave up too."""
    holding: str | None
    """Why nothing is taken at present."""
    seconds: float


def seen(state: RelayState, meter: Meter, queue_bytes: int, before: int = 0) -> State:
    """The same as every service shows it; `before`: retries that were shown already."""
    if state.holding is None:
        meter.recovered(_PLACE)
    else:
        meter.failed(_PLACE, [state.holding] * (state.retries - before))
    return meter.state(
        state.done,
        lags=tuple(Lag(lane.name, lane.backlog or 0, lane.oldest_seconds) for lane in state.lanes),
        queues=(Queue("kafka", state.queued_bytes, queue_bytes), Queue(_PLACE, state.in_flight_bytes, queue_bytes)),
        more={"requests_sent_again": state.retries},
    )


@dataclass(frozen=True, slots=True)
class RelayWatch:
    """Who looks on: the clock, whom to tell of commits and of changes, and who may ask to stop."""

    clock: Clock = field(default_factory=SystemClock)
    state: Callable[[RelayState], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class PartitionLine:
    """A partition as it is committed (None: nothing is committed by us), and the end of its log."""

    name: str
    ledger: Ledger | None
    end: int

    @property
    def backlog(self) -> int:
        """Positions between what is committed and the end of the log."""
        return self.end if self.ledger is None else self.end - self.ledger.next


@dataclass(frozen=True, slots=True)
class Status:
    """All partitions of the intermediate topic, for one group."""

    topic: str
    to: str
    group: str
    partitions: tuple[PartitionLine, ...]

    def total(self, name: str) -> int:
        """One number of the ledgers of all partitions."""
        return sum(getattr(line.ledger, name) for line in self.partitions if line.ledger is not None)
