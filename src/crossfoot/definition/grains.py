"""Grains as texts: `15m`, `1d Europe/Paris`, `all`."""

from __future__ import annotations

import re
from typing import get_args

from crossfoot.definition.findings import BadValueError
from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US, Grain, GrainUnit
from crossfoot.definition.zones import checked_zone

_GRAIN = re.compile(r"([0-9]{1,6})(mo|m|h|d|w)(?: +(\S+))?")
_DAY = {"m": 1440, "h": 24}
_UNITS: dict[str, GrainUnit] = {unit: unit for unit in get_args(GrainUnit)}
# The longest window of a unit: a day of a zone may have 25 hours.
_LONGEST_US = {"m": MINUTE_US, "h": HOUR_US, "d": 25 * HOUR_US, "w": 7 * DAY_US + HOUR_US, "mo": 31 * DAY_US + HOUR_US}


def parse_grain(text: str) -> Grain:
    """The grain of a text."""
    if text == "all":
        return Grain("all", "all")
    match = _GRAIN.fullmatch(text)
    if not match:
        raise BadValueError("CF1104", text)
    number, unit, zone = int(match[1]), _UNITS[match[2]], match[3]
    _check_number(text, number, unit)
    if zone is not None and unit in _DAY:
        instead = "minutes and hours are the same in every zone; leave the zone out"
        raise BadValueError("CF1115", text, what="a grain of minutes or hours", instead=instead)
    if zone is not None:
        checked_zone(zone)
    return Grain(f"{number}{unit}" + (f" {zone}" if zone else ""), unit, number, zone)


def _check_number(text: str, number: int, unit: str) -> None:
    day = _DAY.get(unit, 1)
    if number and day % number == 0:
        return
    if unit not in _DAY:
        raise BadValueError(
            "CF1105",
            text,
            why="is no grain: days, weeks and months come one by one",
            allowed_grains="write 1d, 1w or 1mo",
        )
    fitting = ", ".join([f"{number}{unit}" for number in range(1, day + 1) if day % number == 0])
    why = "does not divide a day, so its windows would begin at another time each day"
    raise BadValueError("CF1105", text, why=why, allowed_grains=f"these do: {fitting}")


def longest_us(grain: Grain) -> int:
    """The length of the grain's longest window; not for `all`."""
    return grain.n * _LONGEST_US[grain.unit]
