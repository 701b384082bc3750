"""One look: the side that a definition names, its figures, and the shadow beyond the horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from crossfoot.beside import Hold
from crossfoot.clock import Clock
from crossfoot.definition.model import Definition, Monitor
from crossfoot.monitor.measure import Asked, measure
from crossfoot.monitor.report import Report
from crossfoot.monitor.shadow import FOLDER, Shadow, held, shadowed
from crossfoot.monitor.sides import Side, StoreSide, WarehouseSide
from crossfoot.warehouse.open import chosen, open_warehouse, warehouses_of

STORE = "store"
"""Asks for the archive of the store, where there is a warehouse too."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a definition's data is. `home` is the definition's folder; `source` names a warehouse, or `store`."""

    definition: Definition
    store: Path
    home: Path
    environment: Mapping[str, str]
    clock: Clock
    source: str | None = None


def side_of(place: Place, hold: Hold) -> Side:
    """The warehouse, where the definition names one that is fed with raw events; else the store."""
    definition = place.definition
    fed = [declared for declared in warehouses_of(definition) if "raw" in declared.feeds]
    if place.source == STORE or (place.source is None and not fed):
        return StoreSide(place.store, definition, hold)
    declared = fed[0] if place.source is None and len(fed) == 1 else chosen(definition, place.source)
    opened = open_warehouse(declared, definition, place.home, place.environment, place.clock)
    return WarehouseSide(opened, declared, hold)


def look(place: Place, asked: Asked, hold: Hold | None = None) -> Report:
    """The figures, with the estimate of what the exact memory sees no more. By `hold` it can be broken off."""
    side, horizon_us = side_of(place, hold or Hold()), place.definition.accept.horizon_us
    try:
        report = measure(side, place.definition, asked)
        if horizon_us is None:
            return report
        shadow = Shadow(place.store / FOLDER, asked.monitor)
        with held(place.store / FOLDER):
            beyond = shadowed(shadow, side, report.since_us, report.until_us, horizon_us)
        return replace(report, beyond=beyond)
    finally:
        side.close()


def monitor_of(definition: Definition) -> Monitor:
    """What the definition watches; the defaults where it says nothing."""
    return definition.monitor or Monitor()


def last(monitor: Monitor, now_us: int) -> Asked:
    """The time that a look by itself is about."""
    return Asked(monitor, now_us - monitor.over_us, now_us)
