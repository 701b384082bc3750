"""The cells that have changed since a sink had them all, with their values now, as tables and as messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossfoot.definition.model import OTHER
from crossfoot.query.model import StoredMetric, stored_of
from crossfoot.query.present import column_values
from crossfoot.stores.embedded import EmbeddedStore

if TYPE_CHECKING:
    import pyarrow as pa

# So many rows are Python values at once.
_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Changed:
    """Changed cells of one stored table: `window`, the dimensions of `by`, the measures.

    Where dimension values are bounded a column `(other)` tells the row of further values.

    `integers` names measures over integers, which JSON has as integers however large they are.
    """

    metric: str
    by: tuple[str, ...]
    grain: str
    table: pa.Table
    integers: frozenset[str] = frozenset()


def changed(store: EmbeddedStore) -> Iterator[Changed]:
    """What has changed since the store's mark, table by table, in parts; one part is in memory at a time."""
    stored = stored_of(store.meta["plan"])
    for metric in stored.metrics:
        measures = [measure for measure in metric.measures if measure.field is not None]
        integers = frozenset(m.name for m in measures if stored.types[m.field or ""].name == "integer")
        for by, grain, table in _tables(store, metric):
            yield Changed(metric.name, by, grain, table.drop_columns(["__events"]), integers)


def _tables(store: EmbeddedStore, metric: StoredMetric) -> Iterator[tuple[tuple[str, ...], str, pa.Table]]:
    for place, by in enumerate(metric.sets):
        for number, grain in enumerate(metric.grains):
            for part in store.changed(metric.index, place, number):
                yield by, grain.text, part


def messages(cells: Changed, epoch: int) -> Iterator[tuple[bytes, bytes]]:
    """A key and a value for each cell, as canonical JSON; values are those of a row of `crossfoot query`."""
    for batch in cells.table.to_batches(max_chunksize=_ROWS):
        part = cells.table.from_batches([batch])
        columns = column_values(part, cells.integers)
        others = columns.pop(OTHER, [False] * part.num_rows)
        named = [(name, column) for name, column in columns.items() if name not in ("window", *cells.by)]
        for row, window in enumerate(columns["window"]):
            measures = {name: column[row] for name, column in named}
            yield (
                key_of(cells, window, [columns[name][row] for name in cells.by], other=others[row]),
                _canonical({"epoch": epoch, "measures": measures}),
            )


def key_of(cells: Changed, window: str | None, values: list[Any], *, other: bool = False) -> bytes:
    """Which cell it is: metric, dimensions, grain, window and the dimensions' values. The row `(other)` has none."""
    place = {"metric": cells.metric, "by": cells.by, "grain": cells.grain, "window": window}
    return _canonical(place | ({OTHER: True} if other else {"values": values}))


def _canonical(value: Any) -> bytes:
    """JSON of which there is one for each value: names in order, no blanks, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
