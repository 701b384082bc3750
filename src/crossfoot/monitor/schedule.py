"""Looks that come by themselves, beside counting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from crossfoot.beside import Beside, Hold
from crossfoot.errors import CrossfootError
from crossfoot.monitor.report import WATCHED, Alert, Report

Look = Callable[[Hold], tuple[Report, tuple[Alert, ...]]]
Post = Callable[[Report, tuple[Alert, ...]], None]


@dataclass(frozen=True, slots=True)
class Found:
    """The newest look: numbers by name, alerts by what is watched, and why it could not look the last time."""

    numbers: Mapping[str, float] = field(default_factory=dict)
    alerts: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


class Scheduled(Beside[str]):
    """Looks every so many seconds, from `with` to its end. `post` gets alerts once, when they begin."""

    def __init__(self, every_s: float, look: Look, post: Post) -> None:
        super().__init__("crossfoot-monitor", every_s)
        self._every_s, self._look, self._post = every_s, look, post
        self._unposted: set[str] = set()
        self.found = Found()

    def _turn(self) -> float:
        self.once()
        return self._every_s

    def once(self) -> None:
        """A look now. Whatever goes wrong, counting goes on, and it is said."""
        try:
            report, alerts = self._look(self.hold)
        except Exception as error:  # noqa: BLE001
            self._failed(error)
            return
        before = set(self.found.alerts)
        self.found = Found(numbers(report), {alert.name: str(alert) for alert in alerts})
        self._unposted = {a.name for a in alerts if a.name not in before or a.name in self._unposted}
        new = tuple(alert for alert in alerts if alert.name in self._unposted)
        if not new:
            return
        try:
            self._post(report, new)
            self._unposted = set()
        except Exception as error:  # noqa: BLE001
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if self.hold.is_broken:
            return
        ours = isinstance(error, CrossfootError | OSError)
        problem = str(error) if ours else f"{type(error).__name__}: {error}"
        self._problems.append(problem)
        self.found = replace(self.found, problem=problem)


def numbers(report: Report) -> dict[str, float]:
    """For metrics; what is not measured is not there."""
    shares = {name: report.total.percent(name) for name in WATCHED}
    found = {f"monitor_{name}_percent": float(share) for name, share in shares.items() if share is not None}
    found |= {"monitor_raw": report.total.raw, "monitor_copies": report.total.copies}
    if report.total.doubled is not None:
        found["monitor_doubled"] = report.total.doubled
    if report.beyond is not None:
        found["monitor_beyond_horizon_estimate"] = report.beyond.ids
    return found
