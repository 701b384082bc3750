"""Answers of two counts: windows that a batch has settled come from it, all others from the store; none from both.

Counts, sums, least and greatest values add up, so any answer can be made of a batch's tables. Others are taken as they
stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossfoot.calendar import window_of
from crossfoot.columns import narrow, wide
from crossfoot.definition.evaluate import evaluate
from crossfoot.definition.expression import FieldRef, Reference
from crossfoot.definition.model import Grain
from crossfoot.definition.parse import parse_fields
from crossfoot.errors import CallError
from crossfoot.query.model import Query, StoredMetric
from crossfoot.query.planner import Planned
from crossfoot.stores.settled import Settled, Span

if TYPE_CHECKING:
    import pyarrow as pa

_ADDS_UP = {"count": "sum", "sum": "sum", "min": "min", "max": "max"}


@dataclass(frozen=True, slots=True)
class Part:
    """Event times [since, until) in microseconds, None without bound; `batch`: the folder that they come from."""

    since_us: int | None
    until_us: int | None
    batch: str | None


def parts_of(question: Query, planned: Planned, settled: Settled) -> tuple[Part, ...]:
    """What is asked for, cut where another count begins; nothing if all is the store's."""
    adds_up = _adds_up(planned.metric)
    unit = planned.grain_of(planned.scans[-1]) if adds_up else planned.asked
    spans = [] if unit.unit == "all" else [each for span in settled.spans if (each := _whole(span, unit, question))]
    if spans and not adds_up and (shape := _lacks(question, planned)):
        hint = "ask for a stored set and grain, or leave the settled part out: --live"
        raise CallError(f"{shape} cannot be added up of what the batch has settled", hint)
    parts, at = [], question.since_us
    for since, until in spans:
        if since is not None and since != at:
            parts.append(Part(at, since, None))
        parts.append(Part(since, until, str(settled.folder)))
        at = until
    if parts and (question.until_us is None or at is None or at < question.until_us):
        parts.append(Part(at, question.until_us, None))
    return tuple(parts)


def _whole(span: Span, unit: Grain, question: Query) -> Span | None:
    """The whole windows of a span that are asked for."""
    since, until = span
    if since is not None:
        window = window_of(unit, since)
        since = since if window.start_us == since else window.end_us
    start = window_of(unit, until).start_us
    assert start is not None
    until = start if question.until_us is None else min(start, question.until_us)
    if question.since_us is not None:
        since = question.since_us if since is None else max(since, question.since_us)
    return None if since is not None and since >= until else (since, until)


def _adds_up(metric: StoredMetric) -> bool:
    return all(measure.kind in _ADDS_UP for measure in metric.measures)


def _lacks(question: Query, planned: Planned) -> str:
    """Why an answer is not a table of the batch as it stands."""
    scan = planned.scans[0]
    by = planned.metric.sets[scan.set]
    if set(by) != set(question.by):
        return f"{planned.metric.name} by [{', '.join(question.by)}] under this condition"
    return f"{planned.metric.name} by windows of {planned.asked.text}" if scan.into is not None else ""


def settled_cells(settled: Settled, question: Query, planned: Planned) -> Iterator[pa.Table]:
    """Cells that a batch has settled, in windows of the asked grain; those of one window may stand several times."""
    scan, metric = planned.scans[0], planned.metric
    by, grain = metric.sets[scan.set], planned.grain_of(scan)
    assert question.until_us is not None
    measures = [measure.name for measure in metric.measures]
    span, columns = (question.since_us, question.until_us), ["window", *by, *measures]
    for cells in settled.cells((metric.name, by, grain.text), span, columns):
        kept = cells if question.where is None else cells.filter(_mask(cells, by, question.where))
        yield _moved(kept, planned).select(["window", *question.by, *measures])


def _mask(cells: pa.Table, by: Sequence[str], where: str) -> pa.Array:
    """For each cell whether the condition holds."""
    import pyarrow as pa

    tree = parse_fields(where).tree
    found = []
    for row in cells.select(list(by)).to_pylist():

        def get(reference: Reference, row: dict[str, Any] = row) -> Any:
            assert isinstance(reference, FieldRef)
            return row[reference.name]

        found.append(evaluate(tree, get) is True)
    return pa.array(found, pa.bool_())


def _moved(cells: pa.Table, planned: Planned) -> pa.Table:
    """The cells under the start of the asked window."""
    import pyarrow as pa

    column = cells.column("window")
    asked = planned.asked
    starts = [window_of(asked, start).start_us for start in column.cast(pa.int64()).to_pylist()]
    return cells.set_column(0, "window", pa.array(starts, pa.int64()).cast(column.type))


def added(tables: Sequence[pa.Table], question: Query, metric: StoredMetric) -> pa.Table:
    """The parts as one table, in the order of an answer."""
    import pyarrow as pa

    whole = pa.concat_tables(_alike(tables))
    if _adds_up(metric):
        whole = _summed(whole, question, metric)
    keys = [whole.column(name) for name in (*question.by, "window")]
    nulls_first = [part for key in keys for part in (key.is_valid(), key)]
    order = pa.table(nulls_first, names=[str(place) for place in range(len(nulls_first))])
    import pyarrow.compute as pc

    return whole.take(pc.sort_indices(order, sort_keys=[(name, "ascending") for name in order.column_names]))


def _alike(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Where a column has several types, whole numbers among them are wide."""
    for place, name in enumerate(tables[0].column_names):
        if len({table.schema.field(name).type for table in tables}) > 1:
            tables = [table.set_column(place, name, wide(table.column(name))) for table in tables]
    return [table.replace_schema_metadata(None) for table in tables]


def _summed(cells: pa.Table, question: Query, metric: StoredMetric) -> pa.Table:
    """One row a cell."""
    import pyarrow as pa

    keys = ["window", *question.by]
    sums = [measure.name for measure in metric.measures if _ADDS_UP[measure.kind] == "sum"]
    for name in sums:
        if pa.types.is_integer(cells.schema.field(name).type):
            cells = cells.set_column(cells.column_names.index(name), name, wide(cells[name]))
    folds = [(measure.name, _ADDS_UP[measure.kind]) for measure in metric.measures]
    made = cells.group_by(keys, use_threads=False).aggregate(folds)
    columns = {name: made[name] for name in keys}
    for measure, fold in folds:
        column = made[f"{measure}_{fold}"]
        is_whole = pa.types.is_decimal(column.type) and column.type.scale == 0
        columns[measure] = narrow(column) if is_whole else column
    return pa.table(columns)
