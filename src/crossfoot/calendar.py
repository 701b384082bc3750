"""Windows of event time and local times (semantics section 4). Edges come from the package `tzdata`, never the system.

Days are counted from 1970-01-01 as integers, so windows may reach a little beyond the years that `datetime` knows.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from itertools import count, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Grain

DAY_S = 86_400
_HOUR_S = 3_600
# No zone is further from UTC than this, and no two of its changes are less than an hour apart.
_FAR_S = 26 * _HOUR_S
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_FIRST_MONDAY = -3  # 1969-12-29
# Beyond these no rule changes any more, and `datetime` has room for every offset.
_EARLIEST_S = int((datetime(1, 1, 3, tzinfo=UTC) - _EPOCH).total_seconds())
_LATEST_S = int((datetime(9999, 12, 29, tzinfo=UTC) - _EPOCH).total_seconds())


class Window(NamedTuple):
    """[start, end) in microseconds; None: without bound (grain all)."""

    start_us: int | None
    end_us: int | None


def window_of(grain: Grain, at_us: int) -> Window:
    """The window of `grain` that holds the instant `at_us`."""
    if grain.unit == "all":
        return Window(None, None)
    if grain.unit in ("m", "h"):
        length = grain.n * (MINUTE_US if grain.unit == "m" else HOUR_US)
        start = at_us // length * length
        return Window(start, start + length)
    first, following = _dates(grain.unit, day_of(grain.zone, at_us))
    return Window(edge_us(grain.zone, first), edge_us(grain.zone, following))


def _dates(unit: str, day: int) -> tuple[int, int]:
    """The first day of the day, week or month that holds `day`, and the first day of the next one."""
    if unit == "d":
        return day, day + 1
    if unit == "w":
        monday = day - (day - _FIRST_MONDAY) % 7
        return monday, monday + 7
    month = date.fromordinal(day + _EPOCH_DAY).replace(day=1)
    first = month.toordinal() - _EPOCH_DAY
    return first, first + monthrange(month.year, month.month)[1]


def day_of(zone: str | None, at_us: int) -> int:
    """The largest day whose edge is not after the instant. Usually the local date; where clocks go back over
    midnight, the later date, which has begun already."""
    at_s = at_us // SECOND_US
    day = (at_s + _offset_s(zone, at_s)) // DAY_S
    return next(later - 1 for later in count(day + 1) if edge_us(zone, later) > at_us)


@lru_cache(maxsize=65_536)
def edge_us(zone: str | None, day: int) -> int:
    """The first instant whose local date is `day` or later."""
    midnight = day * DAY_S
    for start, end in pairwise(_changes(zone, midnight - _FAR_S, midnight + _FAR_S)):
        instant = max(start, midnight - _offset_s(zone, start))
        if instant < end:
            return instant * SECOND_US
    raise AssertionError(f"no edge of day {day} in {zone}")


def _changes(zone: str | None, start: int, end: int) -> list[int]:
    """`start`, every instant between at which the offset changes, and `end`."""
    hours = [*range(start, end, _HOUR_S), end]
    changed = [(a, b) for a, b in pairwise(hours) if _offset_s(zone, a) != _offset_s(zone, b)]
    return [start, *(_change(zone, a, b) for a, b in changed), end]


def _change(zone: str | None, before: int, after: int) -> int:
    """The first instant with the offset of `after`; there is one change between the two."""
    while after - before > 1:
        middle = (before + after) // 2
        if _offset_s(zone, middle) == _offset_s(zone, before):
            before = middle
        else:
            after = middle
    return after


def _offset_s(zone: str | None, at_s: int) -> int:
    """Seconds to add to UTC at an instant."""
    if zone is None:
        return 0
    moment = _EPOCH + timedelta(seconds=min(max(at_s, _EARLIEST_S), _LATEST_S))
    return _seconds(moment.astimezone(zone_info(zone)))


def instant_us(moment: datetime) -> int:
    """A moment as microseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def local_us(zone: str, wall: datetime) -> int:
    """The instant at which the clocks of a zone show `wall`: in a gap the later one, in a fold the earlier one."""
    return instant_us(wall.replace(tzinfo=UTC)) - _seconds(wall.replace(tzinfo=zone_info(zone), fold=0)) * SECOND_US


def _seconds(moment: datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


@cache
def zone_info(name: str) -> ZoneInfo:
    """The zone's rules, from the package's file."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


EARLIEST_US = _EARLIEST_S * SECOND_US
"""The earliest event time: the start of 0001-01-03."""
LATEST_US = _LATEST_S * SECOND_US + DAY_US - 1
"""The latest event time: the end of 9999-12-29."""
