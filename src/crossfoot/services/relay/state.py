"""How a relay that runs stands."""

from __future__ import annotations

from dataclasses import dataclass

from crossfoot.seen.meter import Meter
from crossfoot.seen.state import Lag, Queue, State
from crossfoot.services.group.state import PartitionState, Totals
from crossfoot.services.watch import Watch

_PLACE = "Pub/Sub"


@dataclass(frozen=True, slots=True)
class LaneState:
    """A partition: what is done, records behind (None: not known yet), seconds since the oldest of them came."""

    name: str
    ledger: PartitionState
    backlog: int | None
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class RelayState:
    """How a relay that runs stands. `in_flight_bytes` were handed to Pub/Sub and are not answered for.

    Since the last state the topic could not be read for these `failures`, or was read, behind the last of them.
    """

    lanes: tuple[LaneState, ...]
    in_flight_bytes: int
    queued_bytes: int
    retries: int
    totals: Totals
    """What this process has done, of partitions that it gave up too."""
    holding: str | None
    """Why nothing is taken at present."""
    seconds: float
    failures: tuple[str, ...] = ()
    is_read: bool = False


RelayWatch = Watch[RelayState]


def seen(state: RelayState, meter: Meter, source: str, queue_bytes: int, before: int = 0) -> State:
    """The same as every service shows it; `source` is the topic's name, `before`: retries that were shown already."""
    meter.failed(source, state.failures)
    if state.is_read:
        meter.recovered(source)
    if state.holding is None:
        meter.recovered(_PLACE)
    else:
        meter.failed(_PLACE, [state.holding] * (state.retries - before))
    return meter.state(
        state.totals.accounts,
        lags=tuple(Lag(lane.name, lane.backlog or 0, lane.oldest_seconds) for lane in state.lanes),
        queues=(Queue(source, state.queued_bytes, queue_bytes), Queue(_PLACE, state.in_flight_bytes, queue_bytes)),
        more_counters={"requests_sent_again": state.retries},
    )
