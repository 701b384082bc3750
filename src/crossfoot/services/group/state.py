"""What stands beside a partition's committed offset: its time, and the service's own ledger of it.

Kafka commits both at once, so what was done is known exactly wherever the partition is taken up again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from crossfoot.errors import InternalError

_FORM = 1


@dataclass(frozen=True, slots=True)
class Totals:
    """Records that were taken, and the accounts of their events; `gaps` are positions that are never handed out.

    `exploded` are events beyond one of each record; a message that is passed on as it came stands for one.
    """

    records: int = 0
    gaps: int = 0
    exploded: int = 0
    out: int = 0
    filtered: int = 0
    malformed: int = 0
    invalid: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, name) + getattr(other, name) for name in Totals.__slots__))

    def __sub__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, name) - getattr(other, name) for name in Totals.__slots__))

    @property
    def events(self) -> int:
        """What has to be in an account."""
        return self.records + self.exploded

    @property
    def accounts(self) -> dict[str, int]:
        """Where events end."""
        return {name: getattr(self, name) for name in ("out", "filtered", "malformed", "invalid")}

    @property
    def refused(self) -> int:
        """What goes to the dead-letter topic, where one is named."""
        return self.malformed + self.invalid

    @property
    def unaccounted(self) -> int:
        """Events in no account; 0, or something is wrong."""
        return self.events - self.out - self.filtered - self.refused


@dataclass(frozen=True, slots=True)
class PartitionState:
    """Where a partition goes on (`next`), where it began (`first`), its last t, and J: the clock when it joined."""

    topic_id: str
    definition: str
    first: int
    next: int
    last_t_us: int | None = None
    joined_us: int | None = None
    totals: Totals = Totals()

    def moved(self, to: int, totals: Totals, last_t_us: int | None) -> PartitionState:
        """After what lies before `to` was done; positions that came in no record are gaps."""
        gaps = to - self.next - totals.records
        return replace(self, next=to, totals=self.totals + totals + Totals(gaps=gaps), last_t_us=last_t_us)

    def check(self, partition: str) -> None:
        """The ledger balances; InternalError where it does not, before anything is committed."""
        positions, totals = self.next - self.first, self.totals
        for what, found, wanted in (
            ("accounts", totals.out + totals.filtered + totals.refused, totals.events),
            ("positions", totals.records + totals.gaps, positions),
        ):
            if found != wanted or min(asdict(totals).values()) < 0:
                raise InternalError(f"the {what} of {partition} hold {found} of {wanted}", "report this")

    def text(self) -> str:
        """As it is committed beside `next`."""
        kept = {"crossfoot": _FORM, "topic": self.topic_id, "definition": self.definition, "first": self.first}
        times = {"t": self.last_t_us, "j": self.joined_us}
        return json.dumps({**kept, **times, **asdict(self.totals)}, separators=(",", ":"))


def state_of(offset: int, text: str | None) -> PartitionState | None:
    """What was committed; None where another tool has set the offset."""
    try:
        found: Any = json.loads(text or "null")
        if found["crossfoot"] != _FORM:
            return None
        totals = Totals(**{field.name: int(found[field.name]) for field in fields(Totals)})
        times = (found["t"], found["j"])
        return PartitionState(found["topic"], found["definition"], found["first"], offset, *times, totals)
    except (ValueError, TypeError, KeyError):
        return None
