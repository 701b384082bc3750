"""Expressions as frozen trees: what `where`, `fields` and a metric's `where` say.

A tree is made by `definition.parse` from an SQL subset, or by hand. It is evaluated in Python (`definition.evaluate`),
by the native core (from `to_json`) and as SQL (`definition.sql`); all three must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias, get_args
from typing import Literal as Choice

from crossfoot.definition.number import SCALE_MAX

Scalar: TypeAlias = None | bool | int | Decimal | float | str
CastName: TypeAlias = Choice["text", "integer", "decimal", "float", "boolean"]
CAST_NAMES = frozenset(get_args(CastName))

# Every operation and the number of its arguments: (least, most), None for "any number".
ARITY: dict[str, tuple[int, int | None]] = {
    "and": (2, None),
    "or": (2, None),
    "not": (1, 1),
    "eq": (2, 2),
    "ne": (2, 2),
    "lt": (2, 2),
    "le": (2, 2),
    "gt": (2, 2),
    "ge": (2, 2),
    "in": (2, None),
    "like": (2, 3),
    "is_null": (1, 1),
    "add": (2, 2),
    "sub": (2, 2),
    "mul": (2, 2),
    "div": (2, 2),
    "mod": (2, 2),
    "neg": (1, 1),
    "case": (3, None),
    "coalesce": (1, None),
    "lower": (1, 1),
    "upper": (1, 1),
    "trim": (1, 1),
    "substr": (2, 3),
    "concat": (1, None),
}


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A constant. Equal only to a literal of the same type and the same digits: 1, 1.0 and true are three literals."""

    value: Scalar

    def _key(self) -> tuple[str, str]:
        return type(self.value).__name__, str(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class Path:
    """A value of the raw record, by object keys; a path through an array or a missing key is missing."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldRef:
    """A declared field, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operation of `ARITY` on its arguments. ``case`` is c1, v1, c2, v2, …, else."""

    op: str
    args: tuple[Expression, ...]

    def __post_init__(self) -> None:
        least, most = ARITY.get(self.op, (0, -1))
        if not least <= len(self.args) <= (len(self.args) if most is None else most):
            raise ValueError(f"no such call: {self.op} of {len(self.args)}")
        if self.op == "case" and len(self.args) % 2 == 0:
            raise ValueError("case needs an else")


@dataclass(frozen=True, slots=True)
class Cast:
    """`CAST(value AS to)`; `scale` belongs to decimal."""

    value: Expression
    to: CastName
    scale: int = 0

    def __post_init__(self) -> None:
        if self.to not in CAST_NAMES or not 0 <= self.scale <= SCALE_MAX:
            raise ValueError(f"no such cast: {self.to} of {self.scale} places")


Reference: TypeAlias = Path | FieldRef
Expression: TypeAlias = Literal | Path | FieldRef | Call | Cast


def references(node: Expression) -> Iterator[Reference]:
    """Every path and field that the tree names, in the order of the text, repeats included."""
    if isinstance(node, Path | FieldRef):
        yield node
    elif isinstance(node, Cast):
        yield from references(node.value)
    elif isinstance(node, Call):
        for argument in node.args:
            yield from references(argument)


def to_json(node: Expression, index: Callable[[Reference], int]) -> list[Any]:
    """The tree as the native core reads it: lists whose first item is the operation; references by `index`."""
    if isinstance(node, Literal):
        return _literal_json(node.value)
    if isinstance(node, Path):
        return ["path", index(node)]
    if isinstance(node, FieldRef):
        return ["field", index(node)]
    if isinstance(node, Cast):
        return ["cast", to_json(node.value, index), node.to, node.scale]
    return [node.op, *(to_json(argument, index) for argument in node.args)]


_LITERAL_TAGS: tuple[tuple[type, str, Callable[[Any], Any]], ...] = (
    (bool, "bool", bool),
    (int, "int", int),
    (Decimal, "dec", lambda value: format(value, "f")),
    (float, "float", float),
    (str, "text", str),
)


def _literal_json(value: Scalar) -> list[Any]:
    for kind, tag, encode in _LITERAL_TAGS:
        if isinstance(value, kind):
            return [tag, encode(value)]
    return ["null"]
