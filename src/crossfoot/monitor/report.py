"""What was found: by span, by source partition, by cause and age of the copies; and what is over a limit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from crossfoot.definition.model import Monitor
from crossfoot.monitor.sql import AGES, CAUSES, CONFLICT
from crossfoot.query.times import show_time


@dataclass
class Counts:
    """Rows of raw events. `events` are those that could be prepared, `late` came late inside the allowed lateness.

    `accounts` are the ledger's. `counted` and `doubled` are None where counted events are not measured.
    """

    raw: int = 0
    events: int = 0
    late: int = 0
    counted: int | None = None
    doubled: int | None = None
    unseen: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    ages: Counter[str] = field(default_factory=Counter)
    accounts: Counter[str] = field(default_factory=Counter)

    @property
    def conflicts(self) -> int:
        """Events whose id came before with another time or content: no copies."""
        return self.causes[CONFLICT]

    @property
    def copies(self) -> int:
        """Events that came before."""
        return sum(self.causes.values()) - self.conflicts

    @property
    def ids(self) -> int:
        """Ids that came for the first time."""
        return self.events - sum(self.causes.values())

    @property
    def too_late(self) -> int:
        """As the ledger has it."""
        return self.accounts["too_late"]

    def percent(self, name: str) -> Decimal | None:
        """duplicates, left, late or too_late, in hundredths; None where there is nothing to divide by."""
        if name == "left":
            return _percent(self.doubled, self.counted)
        if name == "too_late":
            return _percent(self.too_late, sum(self.accounts.values()))
        return _percent(self.copies if name == "duplicates" else self.late, self.events)

    def as_json(self) -> dict[str, Any]:
        """As scripts read it; percentages are numbers."""
        shares = {f"{name}_percent": _number(self.percent(name)) for name in WATCHED}
        return {
            "raw": self.raw,
            "events": self.events,
            "ids": self.ids,
            "copies": self.copies,
            "conflicts": self.conflicts,
            **shares,
            "counted": self.counted,
            "doubled": self.doubled,
            "unseen": self.unseen,
            "late": self.late,
            "too_late": self.too_late,
            "causes": {name: self.causes[name] for name in CAUSES if name != CONFLICT},
            "ages": {name: self.ages[name] for name in AGES},
            "ledger": dict(sorted(self.accounts.items())),
        }


WATCHED = ("duplicates", "left", "late", "too_late")


def _percent(part: int | None, whole: int | None) -> Decimal | None:
    return None if part is None or not whole else Decimal(100 * part) / whole


def _number(percent: Decimal | None) -> float | None:
    return None if percent is None else round(float(percent), 6)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Ids that came again after the horizon, as a sketch sees them; with 95 % certainty between `low` and `high`.

    `remembered` are the ids of the days that were looked through, about.
    """

    ids: float
    low: float
    high: float
    remembered: float

    def as_json(self) -> dict[str, Any]:
        """Whole ids."""
        numbers = {"ids": self.ids, "low": self.low, "high": self.high, "remembered": self.remembered}
        return {"is_estimate": True, **{name: round(number) for name, number in numbers.items()}}


@dataclass(frozen=True, slots=True)
class Alert:
    """A percentage that is over its limit in some spans; `at_us` is the worst of them."""

    name: str
    percent: Decimal
    above: Decimal
    at_us: int
    spans: int

    def __str__(self) -> str:
        what = f"{_SAID[self.name]}: {self.percent:.3g} % in the span of {show_time(self.at_us)}"
        return f"{what}, the limit is {self.above:f} %" + (f" ({self.spans} spans)" if self.spans > 1 else "")

    def as_json(self) -> dict[str, Any]:
        """For scripts and webhooks."""
        numbers = {"percent": _number(self.percent), "alert_above": _number(self.above)}
        return {"watched": self.name, **numbers, "span": show_time(self.at_us), "spans": self.spans}


_SAID = {
    "duplicates": "copies of events",
    "left": "copies among the counted events",
    "late": "late events",
    "too_late": "events that came too late",
}


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of [since, until), as spans without gaps, in order."""

    about: str
    since_us: int
    until_us: int
    span_us: int
    total: Counts
    spans: tuple[tuple[int, Counts], ...]
    partitions: tuple[tuple[str | None, str, Counts], ...]
    beyond: Estimate | None = None
    notes: tuple[str, ...] = ()

    def alerts(self, monitor: Monitor) -> tuple[Alert, ...]:
        """What is over its limit."""
        return tuple(alert for name in WATCHED if (alert := self._alert(name, getattr(monitor, f"{name}_above"))))

    def _alert(self, name: str, above: Decimal | None) -> Alert | None:
        if above is None:
            return None
        shares = ((at_us, counts.percent(name)) for at_us, counts in self.spans)
        over = [(share, at_us) for at_us, share in shares if share is not None and share > above]
        if not over:
            return None
        worst, at_us = max(over, key=lambda found: (found[0], -found[1]))
        return Alert(name, worst, above, at_us, len(over))

    def as_json(self, monitor: Monitor) -> dict[str, Any]:
        """As scripts read it."""
        return {
            "from": self.about,
            "since": show_time(self.since_us),
            "until": show_time(self.until_us),
            "span_seconds": self.span_us // 1_000_000,
            **self.total.as_json(),
            "beyond_horizon": self.beyond.as_json() if self.beyond else None,
            "alerts": [alert.as_json() for alert in self.alerts(monitor)],
            "notes": list(self.notes),
            "partitions": [
                {"source": source, "partition": partition, **counts.as_json()}
                for source, partition, counts in self.partitions
            ],
            "spans": [{"span": show_time(at_us), **counts.as_json()} for at_us, counts in self.spans],
        }
