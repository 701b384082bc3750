"""crossfoot export: a store's cells into another place."""

from __future__ import annotations

from pathlib import Path

from crossfoot import settings
from crossfoot.cli.options import DEFAULT_STORE, StoreFolder
from crossfoot.cli.output import Format, Table, emit, next_step, note
from crossfoot.cli.places import written_to
from crossfoot.clock import SystemClock


def export(
    *,
    to: str,
    store: StoreFolder = DEFAULT_STORE,
    format: Format = "table",  # noqa: A002
) -> int:
    """Write what a place lacks of a store's cells: their values now, tagged with the epoch. A repeat changes nothing.

    The store may be counted into meanwhile: what is written is one epoch, whole. An export that was cut off is simply
    run again. Exit code 1 if Bigtable can never take some of the cells; a note in the store's folder names them.

    Parameters
    ----------
    to
        bigtable:PROJECT/INSTANCE/TABLE, bigquery:PROJECT/DATASET, parquet:DIR or csv:DIR.
    format
        How the outcome is printed.
    """
    from crossfoot.services.export import export

    with written_to(to):
        moved = export((store, Path.cwd()), to, settings.load(), settings.environment(), SystemClock())
    emit(Table(("to", "cells", "epoch", "refused"), [(to, moved.cells, moved.epoch, moved.refused)]), format)
    if moved.refused:
        note(f"{moved.refused} cells can never be written there: see {store}/sinks/*.refused.json")
    elif to.startswith("bigtable:"):
        next_step(f"crossfoot query METRIC --store {to}")
    return 1 if moved.refused else 0
