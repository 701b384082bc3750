"""Stores with an archive that get another generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossfoot.archive.reading import recount
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.generations import in_force
from crossfoot.services.backfill.run import Job, Report, backfill
from crossfoot.services.backfill.switch import BackfillWatch
from crossfoot.settings import Settings
from crossfoot.testing.clocks import ManualClock
from tests.archives import Stored, place
from tests.counting import NOW_US, STAMPED

ARCHIVED = STAMPED + "archive: {}\n"
# A metric more, and another set of a metric that is there.
CHANGED = ARCHIVED.replace(
    "metrics:\n", "metrics:\n  by_country: {by: [[country], []], measures: {clicks: count}, grains: [1h]}\n"
).replace("by: [[page, country], [page], []]", "by: [[page], []]")


def build(folder: Path, text: str = CHANGED, *, switches: bool = True, **options: Any) -> Report:
    """Backfill the store of a folder."""
    watch = options.pop("watch", BackfillWatch(clock=ManualClock(NOW_US)))
    settings = options.pop("settings", Settings())
    definition = text if isinstance(text, Definition) else load_text(text)
    return backfill(Job(definition, folder / "store", switches=switches, **options), settings, watch)


def as_counted(store: Path) -> tuple[object, ...]:
    """All that a store says, but its epochs."""
    held = Stored(in_force(store))
    status = held.status()
    clocks = status.clock_us, status.watermark_us, status.partitions
    return held.cells(), sorted(held.ledger(), key=repr), sorted(map(place, held.side_log()), key=repr), clocks


def assert_rebuilt_agrees(store: Path) -> None:
    """The generation in force is what the reference engine finds in the archive, across all generations."""
    held = Stored(in_force(store))
    again = ReferenceEngine(held.definition)
    assert recount(store, again, held.definition) == held.status().epoch
    status = again.status()
    side = sorted(map(place, again.side_log()), key=repr)
    clocks = status.clock_us, status.watermark_us, status.partitions
    assert (again.cells(), sorted(again.ledger(), key=repr), side, clocks) == as_counted(store)
