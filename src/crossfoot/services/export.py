"""A store's cells, moved once into another place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from crossfoot.clock import Clock
from crossfoot.settings import Settings
from crossfoot.sinks.places import Process, feed_to
from crossfoot.stores.embedded import EmbeddedStore


class Moved(NamedTuple):
    """So many cells were written, and the place has everything up to an epoch."""

    cells: int
    epoch: int
    refused: int


def export(
    folders: tuple[Path, Path], to: str, settings: Settings, environment: Mapping[str, str], clock: Clock
) -> Moved:
    """Write what a place lacks of a store's cells; it is all there when this returns.

    Values are absolute and tagged with their epoch. A repeat changes nothing, and goes on from the last one that came
    to its end. `folders`: the store, and what folders are relative to.
    """
    store, home = folders
    EmbeddedStore(store)  # whether there is one is said first
    feed = feed_to(store, to, home, Process(settings, environment, clock))
    try:
        cells = feed.catch_up(lambda: False)
        return Moved(cells, feed.epoch, feed.missing)
    finally:
        feed.close()
