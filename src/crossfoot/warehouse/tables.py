"""The tables of a definition: their columns, the day by which they are divided, what makes a row of them one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from crossfoot.definition.model import Definition, FieldType, Measure

if TYPE_CHECKING:
    import pyarrow as pa

DAY = "day"
"""Every table has it, as its last column: the day (UTC) of one of its times; null where that is null."""
RAW, COUNTED, ACCOUNTS, CELLS = "raw_events", "counted_events", "accounts", "cells_"
IS_OTHER = "is_other"
"""Where dimension values are bounded: whether it is the row `(other)`, whose dimensions are null."""
IS_REMOVED = "is_removed"
"""Whether the cell is gone as of the epoch; null in rows that were written before there was this column."""
LATEST = "_latest"
"""Ends the name of the view that has the newest value of each row of a table of absolute values."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `type` is text, integer, float, boolean, time, day or decimal(SCALE)."""

    name: str
    type: str

    @property
    def scale(self) -> int:
        """Of a decimal."""
        found = re.fullmatch(r"decimal\((\d+)\)", self.type)
        assert found, self.type
        return int(found[1])


@dataclass(frozen=True)
class Table:
    """A table. The day is that of the first of `day_of` that a row has; `key` says which rows are of one thing."""

    name: str
    columns: tuple[Column, ...]
    day_of: tuple[str, ...]
    key: tuple[str, ...] = ()

    @cached_property
    def schema(self) -> pa.Schema:
        """In Arrow."""
        import pyarrow as pa

        return pa.schema([(column.name, arrow_type(column)) for column in self.columns])

    def conform(self, rows: pa.Table) -> pa.Table:
        """Rows in the table's columns: those that are not there are null, the day is worked out."""
        import pyarrow as pa
        import pyarrow.compute as pc

        whole = {name: rows[name] for name in rows.column_names}
        times = [whole[name] for name in self.day_of if name in whole]
        whole[DAY] = pc.coalesce(*times).cast(pa.date32(), safe=False)
        columns = [
            whole[field.name].cast(field.type) if field.name in whole else pa.nulls(len(rows), field.type)
            for field in self.schema
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)


def arrow_type(column: Column) -> pa.DataType:
    """A column's type in Arrow."""
    import pyarrow as pa

    if column.type.startswith("decimal"):
        return pa.decimal128(38, column.scale)
    types = {"text": pa.string(), "integer": pa.int64(), "float": pa.float64(), "boolean": pa.bool_()}
    types |= {"time": pa.timestamp("us", "UTC"), "day": pa.date32()}
    return types[column.type]


def _columns(text: str) -> tuple[Column, ...]:
    """From `name type, name type`."""
    return tuple(Column(*each.split()) for each in text.split(", "))


_ORIGIN = "attempt integer, origin_source text, origin_partition integer, origin_position integer, day day"
_RAW = Table(
    RAW,
    _columns(
        "source text, partition text, position integer, element integer, read_at time, stamp time, received time, "
        f"event_time time, uuid text, content text, account text, reason text, part text, {_ORIGIN}"
    ),
    ("received", "stamp", "event_time", "read_at"),
)
_COUNTED = Table(COUNTED, _columns("uuid text, event_time time, content text, epoch integer, day day"), ("event_time",))
_ACCOUNTS = Table(
    ACCOUNTS,
    _columns(
        "partition text, minute time, account text, reason text, part text, records integer, epoch integer, day day"
    ),
    ("minute",),
    ("partition", "minute", "account", "reason", "part"),
)


def raw_events(prefix: str = "") -> Table:
    """A row for each record that the raw feed read, and for each event of one that holds several."""
    return replace(_RAW, name=prefix + RAW)


def counted_events(prefix: str = "") -> Table:
    """A row for each event that was counted."""
    return replace(_COUNTED, name=prefix + COUNTED)


def accounts(prefix: str = "") -> Table:
    """Rows of the ledger, with their values at an epoch; the newest epoch wins."""
    return replace(_ACCOUNTS, name=prefix + ACCOUNTS)


class Counted(Protocol):
    """A metric, as a definition declares it or a store keeps it."""

    @property
    def name(self) -> str: ...
    @property
    def sets(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def measures(self) -> tuple[Measure, ...]: ...
    @property
    def values_max(self) -> int | None: ...


def cells(types: Mapping[str, FieldType], metric: Counted, prefix: str = "") -> Table:
    """Cells of a metric, with their values at an epoch; the newest epoch wins. `by` names the dimension set.

    `types` are those of the declared fields.
    """
    dimensions = tuple(dict.fromkeys(name for by in metric.sets for name in by))
    columns = [Column("by", "text"), Column("grain", "text"), Column("window", "time")]
    columns += [Column(name, _dimension(types[name])) for name in dimensions]
    other = [] if metric.values_max is None else [IS_OTHER]
    columns += [Column(name, "boolean") for name in other]
    columns += [Column(each.name, _measure(each, types)) for each in metric.measures]
    columns += [Column("epoch", "integer"), Column(IS_REMOVED, "boolean"), Column(DAY, "day")]
    return Table(
        f"{prefix}{CELLS}{metric.name}", tuple(columns), ("window",), ("by", "grain", "window", *dimensions, *other)
    )


def tables_of(definition: Definition, prefix: str = "") -> Iterator[Table]:
    """All tables of a definition."""
    yield from (raw_events(prefix), counted_events(prefix), accounts(prefix))
    for metric in definition.metrics:
        yield cells(types_of(definition), metric, prefix)


def types_of(definition: Definition) -> dict[str, FieldType]:
    """Its declared fields."""
    return {field.name: field.type for field in definition.event.fields}


def _dimension(type: FieldType) -> str:  # noqa: A002
    return {"any": "text", "decimal": f"decimal({type.scale})"}.get(type.name, type.name)


def _measure(measure: Measure, types: Mapping[str, FieldType]) -> str:
    field = types[measure.field] if measure.field else FieldType("integer")
    if measure.kind in ("count", "distinct"):
        return "integer"
    if measure.kind == "mean" or field.name == "float":
        return "float"
    if field.name == "decimal" or measure.kind == "sum":
        return f"decimal({field.scale})"
    return "integer"
