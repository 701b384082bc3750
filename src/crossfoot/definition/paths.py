"""The raw paths that a definition reads, and where each is named."""

from __future__ import annotations

from collections.abc import Iterator

from crossfoot.definition.expression import Path, references
from crossfoot.definition.findings import At
from crossfoot.definition.model import EventSpec, RawPath


def used_paths(event: EventSpec) -> Iterator[tuple[At, RawPath]]:
    """Every use, in the order time, received, id, fields."""
    yield ("event", "time"), event.time.path
    if event.received:
        yield ("event", "received"), event.received.path
    yield from [(("event", "id"), path) for path in event.id.paths]
    for field in event.fields:
        paths = [node.parts for node in references(field.expression) if isinstance(node, Path)]
        yield from [(("event", "fields", field.name), path) for path in paths]


def wanted_paths(event: EventSpec) -> tuple[RawPath, ...]:
    """Each path once, in the order of first use."""
    return tuple(dict.fromkeys([path for _, path in used_paths(event)]))
