"""What the batch engine cannot express, by the part of the definition that says it."""

from __future__ import annotations

from collections.abc import Iterator

from crossfoot.definition.engines import Lack
from crossfoot.definition.model import Definition
from crossfoot.definition.sql import NotRenderable


def lacks(definition: Definition, dialect: str = "duckdb") -> Iterator[Lack]:
    """The parts that SQL cannot say; none: the batch engine counts the definition."""
    from crossfoot.definition.prepared import reading
    from crossfoot.engines.batch.dialect import DIALECTS
    from crossfoot.engines.batch.prepare import condition, field_sql, raw_paths

    yield from DIALECTS[dialect].lacks(definition)
    for metric in definition.metrics:
        if metric.values_max is not None:
            yield Lack(f"metrics.{metric.name}.values_max", "which values come first is no question for SQL")
    event = reading(definition)
    numbers = {path: number for number, path in enumerate(raw_paths(definition).paths)}
    for field in event.fields:
        try:
            field_sql(field, numbers, definition.format.untyped)
        except NotRenderable as error:
            yield Lack(f"event.fields.{field.name}", str(error))
    conditions = [("event.where", event.where), *[(f"metrics.{m.name}.where", m.where) for m in definition.metrics]]
    for path, node in conditions:
        if node is None:
            continue
        try:
            condition(node, event.fields)
        except NotRenderable as error:
            yield Lack(path, str(error))
