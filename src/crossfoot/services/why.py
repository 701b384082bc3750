"""The archived events behind one number: those in the cell, their copies, and those that came too late for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.archive.lost import lost_of
from crossfoot.calendar import window_of
from crossfoot.definition.expression import Call, Cast, Expression, FieldRef, Literal, Scalar
from crossfoot.definition.model import Definition, Field, Grain, Metric
from crossfoot.engines.batch import BatchEngine
from crossfoot.engines.batch.prepare import condition
from crossfoot.engines.batch.render import metric_of
from crossfoot.errors import CallError
from crossfoot.services.batch import records
from crossfoot.services.store import definition_in_force

if TYPE_CHECKING:
    import pyarrow as pa

_ACCOUNTS = "('counted', 'duplicate', 'conflict', 'too_late', 'future')"
_SHOWN = "source, partition, position, event_time, received, t, account, reason, id"
_TIMES = ("event_time", "received", "t")
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: the window of `grain` that holds `at_us`, and the value of each dimension as text (None: null)."""

    metric: str
    grain: Grain
    at_us: int | None
    values: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Behind:
    """The first events in the order of event time, id, and what counted first; and how many there are by account."""

    table: pa.Table
    accounts: dict[str, int]
    lost: str | None
    """What the archive lacks first; None: nothing."""


def behind(store: Path, cell: Cell, limit: int) -> Behind:
    """Judge the whole archive again, and find the events of the cell."""
    definition = definition_in_force(store)
    mine = _mine(definition, cell)
    records.archived(store)
    connection = records.connect()
    with connection, records.told():
        engine = BatchEngine(definition, connection)
        relation = records.archive_sql(store)
        engine.add_raw(relation)
        judged = engine.run().judged
        copied = f"id IN (SELECT id FROM {judged} WHERE account = 'counted' AND {mine})"
        there = f"FROM {judged} WHERE account IN {_ACCOUNTS} AND (({mine}) OR {copied})"
        order = "event_us, id, account <> 'counted', t, partition, position"
        table = connection.sql(f"SELECT {_SHOWN} {there} ORDER BY {order} LIMIT {limit}").to_arrow_table()
        accounts = connection.execute(f"SELECT account, count(*) {there} GROUP BY 1 ORDER BY 1").fetchall()
        return Behind(_in_utc(table), dict(accounts), lost_of(store).first)


def _in_utc(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    for name in _TIMES:
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(pa.timestamp("us", "UTC")))
    return table


def _mine(definition: Definition, cell: Cell) -> str:
    """Whether an event is one of the cell, were it to count."""
    metric = metric_of(definition, cell.metric)
    conditions = [_sql(node, definition) for node in _nodes(definition, metric, cell)]
    if cell.grain.unit != "all":
        if cell.at_us is None:
            raise CallError(f"which window of {cell.grain.text}?", "name it: --window 2015-09-12T10:00Z")
        start, end = window_of(cell.grain, cell.at_us)
        conditions.append(f"event_us >= {start} AND event_us < {end}")
    return " AND ".join(conditions) or "TRUE"


def _nodes(definition: Definition, metric: Metric, cell: Cell) -> list[Expression]:
    dimensions = dict.fromkeys(name for names in metric.sets for name in names)
    fields = {field.name: field for field in definition.event.fields}
    found = [] if metric.where is None else [metric.where]
    for name, text in cell.values.items():
        if name not in dimensions:
            raise CallError(f"{metric.name} has no dimension {name}", f"it has {', '.join(dimensions) or 'none'}")
        found.append(_is(fields[name], text))
    return found


def _is(field: Field, text: str | None) -> Expression:
    reference = FieldRef(field.name)
    if text is None:
        return Call("is_null", (reference,))
    if field.type.name == "any":
        return Call("eq", (Cast(reference, "text"), Literal(text)))
    return Call("eq", (reference, Literal(_value(field, text))))


def _value(field: Field, text: str) -> Scalar:
    try:
        if field.type.name == "boolean":
            return _BOOLEANS[text]
        if field.type.name == "integer":
            return int(text)
        if field.type.name == "decimal":
            return Decimal(text)
        return float(text) if field.type.name == "float" else text
    except (KeyError, ValueError, InvalidOperation) as error:
        raise CallError(
            f"{field.name} is {field.type.name}, which this is not: {text}", "write a value of its type"
        ) from error


def _sql(node: Expression, definition: Definition) -> str:
    """A condition with an error is not true."""
    made = condition(node, definition.event.fields)
    if made.type != "boolean":
        return "FALSE"
    return f"({made.value})" + (f" AND ({made.error}) IS NULL" if made.error else "")
