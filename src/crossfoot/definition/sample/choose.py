"""Which fields of a sample are worth keeping: dimensions, people to count, measures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crossfoot.definition.dump import yaml_flow
from crossfoot.definition.model import RawPath
from crossfoot.definition.names import NAME, render_path
from crossfoot.definition.number import INT_MAX
from crossfoot.definition.sample.columns import Column
from crossfoot.definition.sample.times import unit_of, words_of

_DIMENSIONS_MAX = 5
_BOOLEANS_MAX = 2
_MEASURES_MAX = 5
_FEW = 60
_FEW_SHARE = 0.2
_PLACES_MAX = 6
# Words of numbers that are not added up.
_NOT_ADDED = frozenset(
    ("id", "code", "zip", "year", "month", "day", "hour", "port", "version", "lat", "lon", "status", "number", "no")
)
_CODES = frozenset(("status", "code", "version", "level"))
_VAGUE = frozenset(("id", "name", "type", "value", "key"))
_PEOPLE = frozenset(
    ("user", "visitor", "client", "customer", "session", "ip", "account", "login", "author", "actor", "device")
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A field of the proposal: its name, how it is declared, why, and what it is for."""

    name: str
    declared: str
    reason: str
    column: Column
    use: Literal["dimension", "people", "measure"]


def choose_fields(columns: Sequence[Column], records: int) -> list[Kept]:
    """Dimensions, then people to count, then measures, each with a name of its own."""
    names: set[str] = set()
    dimensions = _dimensions(columns, records)
    people = [column for column in columns if column not in dimensions and _is_person(column)][:1]
    taken = [*dimensions, *people]
    measures = [column for column in columns if column not in taken and _is_measure(column, records)][:_MEASURES_MAX]
    return [
        *[_keep(column, "dimension", f"{column.distinct} values: {_say(column)}", names) for column in dimensions],
        *[_keep(column, "people", f"{column.distinct:,} different", names) for column in people],
        *[_keep(column, "measure", f"from {column.low:g} to {column.high:g}", names) for column in measures],
    ]


def _dimensions(columns: Sequence[Column], records: int) -> list[Column]:
    """Those that are there most often; not more than two booleans."""
    found = sorted([column for column in columns if _is_dimension(column, records)], key=lambda column: -column.found)
    booleans = [column for column in found if column.kind == "boolean"][:_BOOLEANS_MAX]
    return [column for column in found if column.kind != "boolean" or column in booleans][:_DIMENSIONS_MAX]


def _keep(column: Column, use: Literal["dimension", "people", "measure"], reason: str, names: set[str]) -> Kept:
    name = name_of(column.path, names)
    names.add(name)
    path = yaml_flow(render_path(column.path))
    kind = type_of(column) if use == "measure" or column.kind in ("boolean", "integer") else ""
    return Kept(name, f"{{path: {path}, type: {kind}}}" if kind else path, reason, column, use)


def type_of(column: Column) -> str:
    size = max(abs(column.low), abs(column.high))
    if column.kind == "decimal" and column.places <= _PLACES_MAX and size * 10**column.places < INT_MAX:
        return f"decimal({column.places})"
    return "integer" if column.kind == "integer" else "boolean" if column.kind == "boolean" else "float"


def name_of(path: RawPath, taken: set[str]) -> str:
    """The last key in lower case with underscores; with the keys before it where that is taken."""
    reserved = {*taken, "window", "grain", "events"}
    for size in range(2 if path[-1] in _VAGUE and len(path) > 1 else 1, len(path) + 1):
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", "_".join(path[-size:]))
        name = re.sub(r"\W+", "_", spaced.lower(), flags=re.ASCII).strip("_")[:50] or "field"
        name = name if NAME.fullmatch(name) else f"f_{name}"
        if name not in reserved:
            return name
    return next(f"{name}_{number}" for number in range(2, 10_000) if f"{name}_{number}" not in reserved)


def _say(column: Column) -> str:
    shown = [re.sub(r"[^\w .:/#@+-]", "_", value)[:20] for value in column.examples()]
    return ", ".join(shown) + (", …" if column.distinct > len(shown) else "")


def _is_dimension(column: Column, records: int) -> bool:
    few = 1 < column.distinct <= _FEW and column.distinct <= max(2, _FEW_SHARE * records)
    code = column.kind == "integer" and any(word in _CODES for word in words_of(column))
    return few and (column.kind in ("text", "boolean") or code)


def _is_person(column: Column) -> bool:
    words = [word for key in column.path[-2:] for word in words_of(Column((key,)))]
    return column.distinct > 1 and column.kind in ("text", "integer") and any(word in _PEOPLE for word in words)


def _is_measure(column: Column, records: int) -> bool:
    unlike = any(word in _NOT_ADDED for word in words_of(column))
    numbered = column.kind == "integer" and column.distinct == records and records > _FEW
    timed = column.kind == "integer" and unit_of(column.low, column.high) is not None
    return column.kind in ("integer", "decimal", "float") and not (unlike or numbered or timed)
