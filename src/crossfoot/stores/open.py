"""The store at a place: a folder, or a table that one was written to."""

from __future__ import annotations

from pathlib import Path

from crossfoot.stores.protocol import CellStore


def open_store(place: str | Path) -> CellStore:
    """`place` is a folder, or `bigtable:PROJECT/INSTANCE/TABLE`; StoreError if there is no store."""
    from crossfoot.stores.bigtable_table import SCHEME

    if str(place).startswith(SCHEME):
        from crossfoot.stores.bigtable import BigtableStore

        return BigtableStore.open(str(place))
    from crossfoot.stores.embedded import EmbeddedStore

    return EmbeddedStore(place)
