"""Which fields of a sample are times, and in which unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crossfoot.definition.model import TimeSpec, TimeUnit
from crossfoot.definition.sample.columns import Column
from crossfoot.definition.sample.formats import LOG_TIME

_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?P<offset>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_LOG = re.compile(r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}(?::[0-9]{2}){3} [+-][0-9]{4}")
# Numbers of seconds from 1990 to 2100, in each unit.
_FIRST_S, _LAST_S = 631_152_000, 4_102_444_800
_UNITS: tuple[tuple[TimeUnit, int], ...] = (("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Words in a name that speak for an event's own time, and for the time of its arrival.
_EVENT_WORDS = ("time", "ts", "timestamp", "date", "created", "occurred", "event", "at", "when", "author")
_ARRIVAL_WORDS = (
    "received",
    "ingest",
    "ingested",
    "arrival",
    "arrived",
    "processed",
    "stored",
    "loaded",
    "commit",
    "server",
)


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """A field that looks like a time: how it is read, why, and whether its texts lack an offset."""

    column: Column
    spec: TimeSpec
    reason: str
    local: bool = False


def words_of(column: Column) -> list[str]:
    """The words of the last key: `createdAt` and `created_at` are created, at."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", column.path[-1])
    return re.findall(r"[a-z]+", spaced.lower())


def unit_of(low: float, high: float) -> TimeUnit | None:
    """The unit in which both numbers lie between 1990 and 2100."""
    return next((unit for unit, per_s in _UNITS if _FIRST_S * per_s <= low and high <= _LAST_S * per_s), None)


def as_time(column: Column) -> TimeColumn | None:
    """The column as a time, if all of its values are plausible ones."""
    if column.kind in ("integer", "decimal", "float"):
        return _numeric(column)
    texts = list(column.values)
    if column.kind != "text" or not texts:
        return None
    if all(_LOG.fullmatch(text) for text in texts):
        return TimeColumn(column, TimeSpec(column.path, "pattern", LOG_TIME), f"as in {texts[0]}")
    found = [_ISO.fullmatch(text) for text in texts]
    if not all(found):
        return None
    local = any(match is not None and match["offset"] is None for match in found)
    return TimeColumn(column, TimeSpec(column.path, "iso"), f"from {min(texts)} to {max(texts)}", local)


def _numeric(column: Column) -> TimeColumn | None:
    unit = unit_of(column.low, column.high)
    if unit is None:
        return None
    per_s = dict(_UNITS)[unit]
    first, last = (_EPOCH + timedelta(seconds=number // per_s) for number in (column.low, column.high))
    return TimeColumn(column, TimeSpec(column.path, unit), f"in {unit}, from {first:%Y-%m-%d} to {last:%Y-%m-%d}")


def best_times(columns: list[Column], records: int) -> list[TimeColumn]:
    """The likely event times, the best first."""
    found = [time for column in columns if (time := as_time(column)) is not None]
    sure = [time for time in found if time.column.kind == "text" or _is_named(time.column)]
    return sorted(sure or found, key=lambda time: _score(time.column, records), reverse=True)


def _is_named(column: Column) -> bool:
    """Whether a number is called a time."""
    return any(word in (*_EVENT_WORDS, *_ARRIVAL_WORDS) for word in words_of(column))


def _score(column: Column, records: int) -> tuple[float, int, int]:
    """Always there; named like an event's time and not like an arrival; not deep in the record."""
    words = words_of(column)
    named = any(word in _EVENT_WORDS for word in words) - 2 * any(word in _ARRIVAL_WORDS for word in words)
    return round(column.found / records, 2), named, -len(column.path)
