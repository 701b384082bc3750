"""Raw value -> instant (semantics section 4): numbers in a unit, ISO 8601 texts, texts by a pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from crossfoot.calendar import EARLIEST_US, LATEST_US, instant_us, local_us
from crossfoot.definition.model import HOUR_US, MINUTE_US, TimeSpec
from crossfoot.definition.number import JSON_NUMBER, NumberLiteral, canonical
from crossfoot.prepare.invalid import Invalid

# Power of ten from the unit to microseconds.
_UNITS = {"s": 6, "ms": 3, "us": 0, "ns": -3}
_DIGITS_MAX = 19
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OFFSET = r"(?P<offset>Z|[+-]\d\d(?::?\d\d)?)"
_ISO = re.compile(
    r"(?P<Y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"
    rf"(?:[T ](?P<H>\d\d):(?P<M>\d\d)(?::(?P<S>\d\d)(?:\.(?P<f>\d+))?)?{_OFFSET}?)?",
    re.ASCII,
)
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    **{name: rf"(?P<{name}>\d\d)" for name in "mdHMS"},
    "b": f"(?P<b>{'|'.join(_MONTHS)})",
    "f": r"(?P<f>\d{1,9})",
    "z": r"(?P<offset>Z|[+-]\d\d:?\d\d)",
    "%": "%",
}


def read_time(value: object, spec: TimeSpec, untyped: bool) -> int:
    """The instant in microseconds, finer input floored; Invalid where there is none."""
    if value is None:
        raise Invalid("missing")
    power = _UNITS.get(spec.unit)
    at_us = _from_text(value, spec) if power is None else _scaled(_literal(value, untyped), power)
    if not EARLIEST_US <= at_us <= LATEST_US:
        raise Invalid("range")
    return at_us


def _literal(value: object, untyped: bool) -> str:
    if isinstance(value, NumberLiteral):
        return value.text
    if untyped and isinstance(value, str) and JSON_NUMBER.fullmatch(value):
        return value
    raise Invalid("type")


def _scaled(literal: str, power: int) -> int:
    """The floor of the number times 10**power, from its own digits."""
    number = canonical(literal)
    shift = number.exponent + power
    if number.digits == "0":
        return 0
    if len(number.digits) + shift > _DIGITS_MAX:
        raise Invalid("range")
    if shift >= 0:
        magnitude: int = int(number.digits) * 10**shift
        return -magnitude if number.negative else magnitude
    whole = int(number.digits[:shift] or "0")  # what is cut off is never zero: the last digit is not
    return -whole - 1 if number.negative else whole


def _from_text(value: object, spec: TimeSpec) -> int:
    pattern = _ISO if spec.pattern is None else _compiled(spec.pattern)
    found = pattern.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Invalid("type")
    parts = {name: text for name, text in found.groupdict().items() if text is not None}
    wall, offset_us = _wall(parts), _offset_us(parts.get("offset"))
    if offset_us is not None:
        return instant_us(wall) - offset_us
    if spec.zone is None:
        raise Invalid("zone")
    return local_us(spec.zone, wall)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern like ``%d/%b/%Y:%H:%M:%S %z``."""
    pieces = re.findall(r"%(.)|([^%]+)", pattern, re.DOTALL)
    return re.compile("".join(_DIRECTIVES[name] if name else re.escape(text) for name, text in pieces), re.ASCII)


def _wall(parts: Mapping[str, str]) -> datetime:
    """The digits of a date and a clock, kept as if they were UTC."""
    month = _MONTHS.index(parts["b"]) + 1 if "b" in parts else int(parts.get("m", "1"))
    year, day = int(parts.get("Y", "1970")), int(parts.get("d", "1"))
    hour, minute, second = (int(parts.get(name, "0")) for name in "HMS")
    micros = int(parts.get("f", "").ljust(6, "0")[:6])
    try:
        return datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
    except ValueError as error:
        raise Invalid("range") from error


def _offset_us(text: str | None) -> int | None:
    if text is None:
        return None
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise Invalid("range")
    return (hours * HOUR_US + minutes * MINUTE_US) * (-1 if text[0] == "-" else 1)
