"""The warehouse of a definition, and where its feeds keep what they have on their way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from crossfoot.clock import Clock
from crossfoot.definition.model import Definition
from crossfoot.definition.model import Warehouse as Declared
from crossfoot.errors import CallError
from crossfoot.warehouse.store import Warehouse
from crossfoot.warehouse.tables import tables_of

FOLDER = "feeds"
"""In a store's folder."""


def open_warehouse(
    declared: Declared, definition: Definition, home: Path, environment: Mapping[str, str], clock: Clock
) -> Warehouse:
    """Nothing is reached for yet. A folder is relative to `home`, the definition's folder."""
    tables = tuple(tables_of(definition, declared.prefix))
    if declared.folder:
        from crossfoot.warehouse.parquet import ParquetWarehouse

        return ParquetWarehouse(home / declared.folder, tables, clock)
    from crossfoot.warehouse.bigquery import BigQueryWarehouse, Place

    return BigQueryWarehouse(Place(declared.project, declared.dataset, declared.location), tables, environment, clock)


def warehouses_of(definition: Definition) -> tuple[Declared, ...]:
    """The warehouses that a definition names."""
    return tuple(dict.fromkeys(sink for sink in definition.sinks if isinstance(sink, Declared)))


def chosen(definition: Definition, name: str | None = None) -> Declared:
    """The warehouse of this name, or the only one; CallError where that is not clear."""
    found = {each.name: each for each in warehouses_of(definition)}
    if not found:
        hint = "add one to its sinks: sinks: [{warehouse: {folder: warehouse}}]"
        raise CallError("the definition names no warehouse", hint)
    if name is None and len(found) > 1:
        raise CallError("the definition names several warehouses", f"name one: {', '.join(found)}")
    if name is not None and name not in found:
        raise CallError(f"the definition names no such warehouse: {name}", f"there are: {', '.join(found)}")
    return found[name] if name else next(iter(found.values()))


def feed_folder(store: Path, feed: str, warehouse: str) -> Path:
    """Where a feed keeps what is on its way to a warehouse."""
    digest = hashlib.blake2b(warehouse.encode(), digest_size=8).hexdigest()
    return store / FOLDER / f"{feed}-{digest}"
