"""Places that a store's cells can be moved to, by the same feeds that a run keeps up to date."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from crossfoot.clock import Clock
from crossfoot.errors import CallError
from crossfoot.files import make_folder
from crossfoot.query.model import stored_of
from crossfoot.settings import Settings
from crossfoot.sinks.cell_feed import CellFeed
from crossfoot.sinks.cells import changed
from crossfoot.sinks.parquet import CsvTarget, ParquetTarget
from crossfoot.stores.embedded import EmbeddedStore

PLACES = "bigtable:PROJECT/INSTANCE/TABLE, bigquery:PROJECT/DATASET, parquet:DIR or csv:DIR"


class Process(NamedTuple):
    """What a feed may use."""

    settings: Settings
    environment: Mapping[str, str]
    clock: Clock


def feed_to(store: Path, to: str, home: Path, process: Process) -> CellFeed[Any]:
    """The feed that brings a place up to a store; CallError where it is none. Nothing is reached for yet."""
    kind, _, where = to.partition(":")
    name = f"export {to}"
    if kind == "bigtable":
        from crossfoot.sinks.bigtable import bigtable_feed
        from crossfoot.stores.bigtable_table import GoogleTable, TableName

        table = GoogleTable(TableName.of(to), process.settings.connect_seconds)
        return bigtable_feed(store, table, process.clock, 0.0)
    if kind == "bigquery":
        return _bigquery(store, name, where, process)
    if kind in ("parquet", "csv") and where:
        target = ParquetTarget if kind == "parquet" else CsvTarget
        return CellFeed(store, target(name, home / where, 0.0), changed)
    raise CallError(f"this is no place to export to: {to}", f"write {PLACES}")


def _bigquery(store: Path, name: str, where: str, process: Process) -> CellFeed[Any]:
    from crossfoot.sinks.warehouse import CellTables, CellTarget, Owner
    from crossfoot.warehouse.bigquery import BigQueryWarehouse, Place
    from crossfoot.warehouse.open import feed_folder
    from crossfoot.warehouse.outbox import known_as

    project, _, dataset = where.partition("/")
    if not project or not dataset or "/" in dataset:
        raise CallError(f"this names no BigQuery dataset: {where}", "write bigquery:PROJECT/DATASET")
    stored = stored_of(EmbeddedStore(store).meta["plan"])
    made = CellTables.of(stored.types, stored.metrics)
    warehouse = BigQueryWarehouse(
        Place(project, dataset), tuple(made.tables.values()), process.environment, process.clock
    )
    folder = feed_folder(store, "cells", f"bigquery:{project}.{dataset}")
    make_folder(folder)
    owner = Owner(known_as(folder, process.clock), folder, "")
    return CellFeed(store, CellTarget(name, made, warehouse, owner, 0.0), changed)
