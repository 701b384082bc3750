"""One record, several events: the elements of a list, each in the list's place in a record of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossfoot.definition.model import IdSpec, RawPath


class NoListError(ValueError):
    """What stands at the path is no list."""


def elements(raw: Mapping[str, Any], path: RawPath | None) -> list[Mapping[str, Any]]:
    """The records that a record stands for: itself without a path, none where the list is missing, null or empty."""
    if path is None:
        return [raw]
    value: Any = raw
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        return []
    if not isinstance(value, list):
        raise NoListError
    return [_with(raw, path, element) for element in value]


def _with(raw: Mapping[str, Any], path: RawPath, element: Any) -> Mapping[str, Any]:
    first, *rest = path
    return {**raw, first: _with(raw[first], tuple(rest), element) if rest else element}


def has_own_id(identity: IdSpec, path: RawPath) -> bool:
    """Whether the id names something inside of an element."""
    return any(named[: len(path)] == path for named in identity.paths)
