"""How fast a service goes once it is under way, and what it and the servers beside it use of the machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.services import Services

Rates = dict[str, float]


@dataclass(frozen=True)
class Moment:
    """What was done and used up to here; CPU seconds of this process and of each server."""

    done: int
    at_s: float
    cpu_s: float
    servers_s: dict[str, float]


@dataclass
class Gauge:
    """Told at each commit how many of `whole` are done; from the first commit that brought any to the last."""

    services: Services
    events: int
    whole: int
    moments: list[Moment] = field(default_factory=list)

    def saw(self, done: int) -> None:
        """So many are done now."""
        if done and not self.is_over():
            servers = {name: self.services.cpu_s(name) for name in self.services.servers}
            self.moments.append(Moment(done, time.perf_counter(), time.process_time(), servers))

    def is_over(self) -> bool:
        """Whether everything is done."""
        return bool(self.moments) and self.moments[-1].done >= self.whole

    def rates(self) -> Rates:
        """Events per second, and CPU nanoseconds per event of this process and of the servers."""
        first, last = self.moments[0], self.moments[-1]
        events = (last.done - first.done) * self.events / self.whole
        if events < self.events / 4:
            raise SystemExit(f"all was done in {len(self.moments)} commits: measure with more events")
        used = {f"{name}_ns": last.servers_s[name] - before for name, before in first.servers_s.items()}
        used["cpu_ns"] = last.cpu_s - first.cpu_s
        rate = events / (last.at_s - first.at_s)
        return {"events_per_s": rate} | {name: seconds * 1e9 / events for name, seconds in used.items()}


def rounds(number: int, once: Callable[[int], Rates], note: Callable[[str], None]) -> dict[str, Any]:
    """The medians of so many rounds, and the slowest and fastest."""
    found = []
    for turn in range(number):
        found.append(once(turn))
        note(", ".join(f"{name} {value:,.0f}" for name, value in found[-1].items()))
    return medians(found)


def medians(found: Sequence[Rates]) -> dict[str, Any]:
    """Of each number; of the rate the span too."""
    rates = [one["events_per_s"] for one in found]
    return {name: round(statistics.median(one[name] for one in found)) for name in found[0]} | {
        "span": [round(min(rates)), round(max(rates))]
    }
