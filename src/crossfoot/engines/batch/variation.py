"""What a recount does otherwise than the definition says: the pipelines that it is compared with, as values.

Each attribute is one small rewrite of the SQL; the step that it changes reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Dedup = Literal["exact", "none", "per_window"]
Rounding = Literal["half_even", "half_up", "truncate"]


@dataclass(frozen=True, slots=True)
class Hours:
    """Records of whole hours, by their t or by their event time, are missing. `starts`: microseconds since 1970."""

    starts: tuple[int, ...]
    of: Literal["t", "event_time"] = "event_time"


@dataclass(frozen=True, slots=True)
class Variation:
    """A hypothesis about the other side; without arguments it is the definition itself.

    `drop_late`: an hour is computed once, so long after its end; what arrives later never counts.
    `dedup`: `per_window` forgets ids at the end of each hour of arrival (of event time where there is none).
    `zone`: windows have their edges in this zone. `where` replaces the filter of `metric`, or of the definition.
    `until`: the data ends here, by t (by event time where there is none). `without`: hours that are missing.
    """

    drop_late: timedelta | None = None
    dedup: Dedup = "exact"
    zone: str | None = None
    where: str | None = None
    metric: str | None = None
    rounding: Rounding = "half_even"
    until: datetime | None = None
    without: tuple[Hours, ...] = ()


PLAIN = Variation()
