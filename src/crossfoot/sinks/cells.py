"""The cells that have changed since a sink had them all, with their values now, as tables and as messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from crossfoot.definition.model import OTHER, FieldType
from crossfoot.query.model import StoredMetric, stored_of
from crossfoot.query.present import column_values
from crossfoot.sinks.gone import ChangedStore, Gone, gone, tables_of
from crossfoot.stores.embedded import EmbeddedStore

if TYPE_CHECKING:
    import pyarrow as pa

# So many rows are Python values at once.
_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Changed:
    """Changed cells of one stored table: `window`, the dimensions of `by`, the measures.

    Where dimension values are bounded a column `(other)` tells the row of further values.

    `integers` names measures over integers, which JSON has as integers however large they are. `removed`: as of now
    these cells are not there, and their measures are null; their metric is that of a plan that is in force no more.
    """

    metric: str
    by: tuple[str, ...]
    grain: str
    table: pa.Table
    integers: frozenset[str] = frozenset()
    removed: Removed | None = None


class Removed(NamedTuple):
    """How removed cells were counted."""

    types: dict[str, FieldType]
    metric: StoredMetric


def changed(store: EmbeddedStore, superseded: Sequence[EmbeddedStore] = ()) -> Iterator[Changed]:
    """What has changed since the store's mark, table by table, in parts; one part is in memory at a time.

    First what superseded generations had, and this one has not.
    """
    for old in superseded:
        types = stored_of(old.meta["plan"]).types
        for each in gone(old, store):
            yield _removed(each, types)
    yield from newest(store)


def newest(store: ChangedStore) -> Iterator[Changed]:
    """What has changed since the store's mark, with its values now."""
    stored = stored_of(store.meta["plan"])
    for table in tables_of(store):
        integers = _integers(table.metric, stored.types)
        for part in store.changed(*table.place):
            yield Changed(*table.name, part.drop_columns(["__events"]), integers)


def _integers(metric: StoredMetric, types: dict[str, FieldType]) -> frozenset[str]:
    return frozenset(each.name for each in metric.measures if each.field and types[each.field].name == "integer")


def _removed(each: Gone, types: dict[str, FieldType]) -> Changed:
    import pyarrow as pa

    table, cells = each.table, each.cells.drop_columns(["__events"])
    for measure in table.metric.measures:
        place = cells.schema.get_field_index(measure.name)
        field = cells.schema.field(place)
        cells = cells.set_column(place, field, pa.nulls(len(cells), field.type))
    return Changed(*table.name, cells, _integers(table.metric, types), Removed(types, table.metric))


def messages(cells: Changed, epoch: int) -> Iterator[tuple[bytes, bytes | None]]:
    """A key and a value for each cell, as canonical JSON; values are those of a row of `crossfoot query`.

    None: the cell is gone.
    """
    for batch in cells.table.to_batches(max_chunksize=_ROWS):
        part = cells.table.from_batches([batch])
        columns = column_values(part, cells.integers)
        others = columns.pop(OTHER, [False] * part.num_rows)
        named = [(name, column) for name, column in columns.items() if name not in ("window", *cells.by)]
        for row, window in enumerate(columns["window"]):
            measures = {name: column[row] for name, column in named}
            yield (
                key_of(cells, window, [columns[name][row] for name in cells.by], other=others[row]),
                None if cells.removed else _canonical({"epoch": epoch, "measures": measures}),
            )


def key_of(cells: Changed, window: str | None, values: list[Any], *, other: bool = False) -> bytes:
    """Which cell it is: metric, dimensions, grain, window and the dimensions' values. The row `(other)` has none."""
    place = {"metric": cells.metric, "by": cells.by, "grain": cells.grain, "window": window}
    return _canonical(place | ({OTHER: True} if other else {"values": values}))


def _canonical(value: Any) -> bytes:
    """JSON of which there is one for each value: names in order, no blanks, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
