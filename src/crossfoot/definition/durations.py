"""Durations (`36h`) and instants (`2015-09-12T00:00:00Z`) as texts and as integer microseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from crossfoot.definition.findings import BadValueError
from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US, SECOND_US

UNITS_US = {
    "w": 7 * DAY_US,
    "d": DAY_US,
    "h": HOUR_US,
    "m": MINUTE_US,
    "s": SECOND_US,
    "ms": SECOND_US // 1000,
    "us": 1,
}
_RENDERED = {unit: size for unit, size in UNITS_US.items() if unit != "w"}
DURATION_MAX_US = 10_000 * 366 * DAY_US
UNBOUNDED = "unbounded"

_DURATION = re.compile(r"([0-9]{1,18})(w|d|h|m|s|ms|us)")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TIME_MIN_US = (datetime(1, 1, 3, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
TIME_MAX_US = (datetime(9999, 12, 29, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def duration_us(text: str) -> int:
    """A duration's microseconds."""
    match = _DURATION.fullmatch(text)
    length = int(match[1]) * UNITS_US[match[2]] if match else -1
    if not 0 <= length <= DURATION_MAX_US:
        raise BadValueError("CF1101", text, unbounded="")
    return length


def limit_us(text: str) -> int | None:
    """A duration's microseconds, None for ``unbounded``."""
    if text == UNBOUNDED:
        return None
    try:
        return duration_us(text)
    except BadValueError as error:
        raise BadValueError("CF1101", text, unbounded=", or unbounded") from error


def render_duration(length_us: int | None) -> str:
    """The text that means this length, in the largest unit up to days."""
    if length_us is None:
        return UNBOUNDED
    unit = next((unit for unit, size in _RENDERED.items() if length_us and length_us % size == 0), "s")
    return f"{length_us // UNITS_US[unit]}{unit}"


def say_duration(length_us: int) -> str:
    """A length for people: `2d 1m`."""
    parts = []
    for unit, size in _RENDERED.items():
        many, length_us = divmod(length_us, size)
        parts += [f"{many}{unit}"] if many else []
    return " ".join(parts) or "0s"


def instant_us(text: str) -> int:
    """An instant's microseconds since the epoch; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text) if _INSTANT.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise BadValueError("CF1102", text)
    found = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    if not TIME_MIN_US <= found // timedelta(microseconds=1) <= TIME_MAX_US:
        raise BadValueError("CF1102", text)
    return found // timedelta(microseconds=1)


def render_instant(at_us: int) -> str:
    """An instant as ISO text in UTC."""
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")
