"""Time zones come from the package `tzdata`, never from the machine, so that every engine reads the same rules."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.resources import files

from crossfoot.definition.findings import BadValueError, nearest


def tzdata_version() -> str:
    """The IANA version of the rules, as in 2025b."""
    return str(import_module("tzdata").IANA_VERSION)


@cache
def zone_names() -> frozenset[str]:
    """Every zone of the IANA list."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def checked_zone(name: str) -> str:
    """`name`, if there is such a zone."""
    if name in zone_names():
        return name
    last = {zone.rpartition("/")[2]: zone for zone in sorted(zone_names())}
    near = nearest(name, zone_names()) or last.get(nearest(name, last) or "")
    raise BadValueError("CF1103", name, near=near)


def zone_rules(name: str) -> bytes:
    """The zone's TZif file."""
    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
