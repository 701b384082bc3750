"""Rows of SQL -> an Arrow table as a store's answer is: the same columns, types and order."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING

from crossfoot.columns import narrow, wide
from crossfoot.definition.model import Definition, FieldType, Measure
from crossfoot.engines.batch.cells import COUNT

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 1 << 53


def answer(table: pa.Table, definition: Definition, by: tuple[str, ...], measures: tuple[Measure, ...]) -> pa.Table:
    """`window`, dimensions, measures."""
    import pyarrow as pa

    types = {field.name: field.type for field in definition.event.fields}
    window = table["window"].cast(pa.timestamp("us", "UTC"))
    columns, fields = [window], [pa.field("window", window.type)]
    for name in by:
        column, field = _dimension(name, table[name], types[name])
        columns, fields = [*columns, column], [*fields, field]
    for measure in measures:
        kind = FieldType("integer") if measure.field is None else types[measure.field]
        column = _measure(measure, table, kind)
        columns, fields = [*columns, column], [*fields, pa.field(measure.name, column.type)]
    return pa.table(columns, schema=pa.schema(fields))


def _dimension(name: str, column: pa.ChunkedArray, kind: FieldType) -> tuple[pa.ChunkedArray, pa.Field]:
    import pyarrow as pa

    if kind.name == "decimal":
        column = _scaled(column, kind.scale)
    if kind.name != "any":
        return column, pa.field(name, column.type)
    values = [None if text is None else json.loads(text) for text in column.to_pylist()]
    found = {type(value) for value in values if value is not None}
    plain = {frozenset({str}): pa.string(), frozenset({int}): pa.int64(), frozenset({bool}): pa.bool_()}
    if not found or frozenset(found) in plain:
        column = pa.chunked_array([pa.array(values, plain.get(frozenset(found), pa.string()))])
        return column, pa.field(name, column.type)
    return column, pa.field(name, column.type, metadata={"crossfoot": "json"})


def _measure(measure: Measure, table: pa.Table, kind: FieldType) -> pa.ChunkedArray:
    import pyarrow as pa

    column = table[measure.name]
    if measure.kind in ("count", "distinct"):
        return column.cast(pa.int64())
    scale = kind.scale if kind.name == "decimal" else 0
    if measure.kind == "mean":
        return _mean(column, table[f"{COUNT} {measure.name}"], scale)
    if kind.name == "decimal":
        return _scaled(column, scale)
    return column if pa.types.is_floating(column.type) else narrow(column)


def _scaled(column: pa.ChunkedArray, scale: int) -> pa.ChunkedArray:
    """The same digits, read with a scale."""
    import pyarrow as pa

    form = pa.decimal128(38, scale)
    return pa.chunked_array([chunk.view(form) for chunk in wide(column).chunks], form)


def _mean(sums: pa.ChunkedArray, counts: pa.ChunkedArray, scale: int) -> pa.ChunkedArray:
    """The float nearest to the exact quotient."""
    import pyarrow as pa

    pairs = zip(narrow(sums).to_pylist(), counts.to_pylist(), strict=True)
    return pa.chunked_array([pa.array([_quotient(total, count * 10**scale) for total, count in pairs], pa.float64())])


def _quotient(total: int | None, count: int) -> float | None:
    if total is None:
        return None
    total = int(total)
    if abs(total) < _EXACT and count < _EXACT:
        return total / count
    return float(Fraction(total, count))
