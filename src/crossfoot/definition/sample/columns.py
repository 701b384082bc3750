"""What the fields of a sample hold: kinds, different values, ranges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from crossfoot.definition.model import RawPath
from crossfoot.definition.number import (
    JSON_INTEGER,
    JSON_NUMBER,
    SCALE_MAX,
    NumberError,
    NumberLiteral,
    canonical,
    number_from_literal,
)

Kind: TypeAlias = Literal["text", "integer", "decimal", "float", "boolean", "nested"]
Record: TypeAlias = Mapping[str, Any]

DISTINCT_MAX = 200_000
_DEPTH_MAX = 8
_EXAMPLES = 4
NUMBERS: frozenset[Kind] = frozenset({"integer", "decimal", "float"})


@dataclass(slots=True)
class Column:
    """One raw path over a sample. `values` counts different values, as texts, up to `DISTINCT_MAX`."""

    path: RawPath
    nulls: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    places: int = 0
    low: float = float("inf")
    high: float = float("-inf")

    @property
    def found(self) -> int:
        """How often there is a value that is not null."""
        return self.kinds.total()

    @property
    def distinct(self) -> int:
        """Different values."""
        return len(self.values)

    @property
    def kind(self) -> Kind | None:
        """The one kind that holds all values; None where they are mixed or absent."""
        found = set(self.kinds)
        if found and found <= NUMBERS:
            return next(kind for kind in ("float", "decimal", "integer") if kind in found)
        return next(iter(found)) if len(found) == 1 else None

    def examples(self, most: int = _EXAMPLES) -> list[str]:
        """The most frequent values."""
        return [value for value, _ in self.values.most_common(most)]

    def add(self, value: object, *, untyped: bool) -> None:
        """One more value."""
        if value is None or (untyped and value == ""):
            self.nulls += 1
            return
        kind, text = _kind(value, untyped=untyped)
        self.kinds[kind] += 1
        if kind in NUMBERS:
            number = canonical(text)
            self.places = max(self.places, -number.exponent)
            self.low, self.high = min(self.low, float(text)), max(self.high, float(text))
        if kind != "nested" and (text in self.values or len(self.values) < DISTINCT_MAX):
            self.values[text] += 1


def _kind(value: object, *, untyped: bool) -> tuple[Kind, str]:
    if isinstance(value, NumberLiteral):
        return _number_kind(value.text), value.text
    if isinstance(value, bool):
        return "boolean", "true" if value else "false"
    if not isinstance(value, str):
        return "nested", ""
    if untyped and JSON_NUMBER.fullmatch(value):
        written_whole = JSON_INTEGER.fullmatch(value) is not None
        kind = _number_kind(value)
        return "decimal" if kind == "integer" and not written_whole else kind, value
    return ("boolean" if untyped and value in ("true", "false") else "text"), value


def _number_kind(literal: str) -> Kind:
    if JSON_INTEGER.fullmatch(literal) and len(literal) < SCALE_MAX:
        return "integer"
    try:
        kinds: dict[str, Kind] = {"int": "integer", "Decimal": "decimal"}
        return kinds.get(type(number_from_literal(literal)).__name__, "float")
    except NumberError:
        return "float"


def columns_of(records: Iterable[Record], *, untyped: bool) -> dict[RawPath, Column]:
    """Every path of the sample, in the order in which they are met."""
    columns: dict[RawPath, Column] = {}
    for record in records:
        for path, value in _leaves(record, ()):
            column = columns.get(path)
            if column is None:
                column = columns[path] = Column(path)
            column.add(value, untyped=untyped)
    for above in {path[:size] for path in columns for size in range(1, len(path))}:
        if above in columns:  # an object in other records
            columns[above].kinds["nested"] += 1
    return columns


def has_paths(value: object, path: RawPath) -> bool:
    """Whether what is inside of the value has paths of its own."""
    return isinstance(value, dict) and len(path) < _DEPTH_MAX


def _leaves(record: Record, above: RawPath) -> Iterator[tuple[RawPath, object]]:
    for key, value in record.items():
        path = (*above, key)
        if value and has_paths(value, path):
            yield from _leaves(value, path)
        else:
            yield path, value
