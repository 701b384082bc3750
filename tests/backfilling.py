"""Stores with an archive that get another generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition
from crossfoot.services.backfill.run import Job, Report, Watch, backfill
from crossfoot.settings import Settings
from crossfoot.testing.clocks import ManualClock
from tests.counting import NOW_US, STAMPED

ARCHIVED = STAMPED + "archive: {}\n"
# A metric more, and another set of a metric that is there.
CHANGED = ARCHIVED.replace(
    "metrics:\n", "metrics:\n  by_country: {by: [[country], []], measures: {clicks: count}, grains: [1h]}\n"
).replace("by: [[page, country], [page], []]", "by: [[page], []]")


def build(folder: Path, text: str = CHANGED, *, switches: bool = True, **options: Any) -> Report:
    """Backfill the store of a folder."""
    watch = options.pop("watch", Watch(clock=ManualClock(NOW_US)))
    settings = options.pop("settings", Settings())
    definition = text if isinstance(text, Definition) else load_text(text)
    return backfill(Job(definition, folder / "store", switches=switches, **options), settings, watch)
