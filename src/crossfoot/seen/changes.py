"""What has changed between the states that a service publishes: one event for each change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from crossfoot.seen.state import State, place_of

# A partition lags from so many seconds on, and no more below half of it: it does not flicker.
_LAG_S = 10.0


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a service's state, with what is known of it."""

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    warns: bool = False


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


class Changes:
    """Compares each state with those before it."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lagging: set[str] = set()
        self._full: set[str] = set()
        self._failing: dict[str, int] = {}
        self._alerts: dict[str, str] = {}
        self._checkpoints = 0
        self._phase = ""

    def of(self, state: State) -> Iterator[Event]:
        """The events of a state, in the order of their importance to a reader."""
        if not self._phase:
            facts = {"name": state.name, "process": state.process, "version": state.version, "metrics": state.metrics}
            yield Event("started", _known(facts))
        yield from self._joined(state)
        yield from self._retries(state)
        yield from self._queues(state)
        yield from self._lags(state)
        yield from self._alerted(state)
        if state.checkpoints is not None and state.checkpoints > self._checkpoints:
            self._checkpoints = state.checkpoints
            yield Event("checkpoint", {"epoch": state.epoch})
        if state.phase != self._phase and state.phase == "stopping":
            last = {"epoch": state.epoch, "records": state.records, "seconds": round(state.seconds, 1)}
            yield Event("stop", _known(last))
        self._phase = state.phase

    def _joined(self, state: State) -> Iterator[Event]:
        new = [lag.partition for lag in state.lags if lag.partition not in self._known]
        self._known.update(new)
        if new:
            yield Event("joined", {"partitions": new})

    def _retries(self, state: State) -> Iterator[Event]:
        now = {retry.place: (retry.attempts, retry.reason) for retry in state.retrying}
        now |= {place_of(sink): (sink.attempts, sink.failing) for sink in state.sinks if sink.failing}
        for place, (_, reason) in now.items():
            if place not in self._failing:
                yield Event("retry_begins", {"place": place, "reason": reason}, warns=True)
        for place, attempts in self._failing.items():
            if place not in now:
                yield Event("retry_ends", {"place": place, "attempts": attempts})
        self._failing = {place: attempts for place, (attempts, _) in now.items()}

    def _alerted(self, state: State) -> Iterator[Event]:
        for name, says in state.alerts.items():
            if name not in self._alerts:
                yield Event("alert_begins", {"watched": name, "says": says}, warns=True)
        for name in self._alerts:
            if name not in state.alerts:
                yield Event("alert_ends", {"watched": name})
        self._alerts = dict(state.alerts)

    def _queues(self, state: State) -> Iterator[Event]:
        for queue in state.queues:
            if queue.bytes >= queue.bytes_max and queue.source not in self._full:
                self._full.add(queue.source)
                yield Event("paused", {"source": queue.source, "queued_bytes": queue.bytes})
            elif queue.bytes <= queue.bytes_max // 2 and queue.source in self._full:
                self._full.remove(queue.source)
                yield Event("resumed", {"source": queue.source, "queued_bytes": queue.bytes})

    def _lags(self, state: State) -> Iterator[Event]:
        for lag in state.lags:
            seconds = (lag.seconds or 0.0) if lag.records else 0.0
            facts = {"partition": lag.partition, "records": lag.records, "seconds": round(seconds, 1)}
            if seconds >= _LAG_S and lag.partition not in self._lagging:
                self._lagging.add(lag.partition)
                yield Event("lag_begins", facts, warns=True)
            elif seconds < _LAG_S / 2 and lag.partition in self._lagging:
                self._lagging.remove(lag.partition)
                yield Event("lag_ends", facts)
