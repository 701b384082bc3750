"""The raw paths and the fields that a definition reads, and where each is named."""

from __future__ import annotations

from collections.abc import Iterator

from crossfoot.definition.expression import FieldRef, Path, references
from crossfoot.definition.findings import At
from crossfoot.definition.model import Definition, EventSpec, RawPath, TimeSpec


def used_paths(event: EventSpec) -> Iterator[tuple[At, RawPath]]:
    """Every use, in the order time, received, id, fields."""
    yield ("event", "time"), event.time.path
    if isinstance(event.received, TimeSpec):
        yield ("event", "received"), event.received.path
    yield from [(("event", "id"), path) for path in event.id.paths]
    for field in event.fields:
        paths = [node.parts for node in references(field.expression) if isinstance(node, Path)]
        yield from [(("event", "fields", field.name), path) for path in paths]


def wanted_paths(event: EventSpec) -> tuple[RawPath, ...]:
    """Each path once, in the order of first use."""
    return tuple(dict.fromkeys([path for _, path in used_paths(event)]))


def read_fields(definition: Definition) -> frozenset[str]:
    """The fields that a condition, a dimension set or a measure reads."""
    conditions = [definition.event.where, *[metric.where for metric in definition.metrics]]
    named = {node.name for where in conditions if where for node in references(where) if isinstance(node, FieldRef)}
    dimensions = {name for metric in definition.metrics for names in metric.sets for name in names}
    measured = {measure.field for metric in definition.metrics for measure in metric.measures if measure.field}
    return frozenset(named | dimensions | measured)
