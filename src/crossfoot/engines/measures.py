"""Exact measures (semantics section 6): create, add, merge, present; merge is associative and commutative.

A state is a plain value. Every member of `distinct` and every value of `quantile` is kept, so nothing that is
presented has an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from math import ceil
from typing import Any, TypeAlias

from crossfoot.definition.model import Measure, MeasureKind
from crossfoot.event import Value

State: TypeAlias = Any
"""None or a number (count, sum, min, max), (sum, count), a frozenset of members, a tuple of values."""

_EXACT = Context(prec=60)  # sums have at most 128 bits


@dataclass(frozen=True, slots=True)
class _Rule:
    """`one` makes the state of a single value; everything else is `merge`."""

    empty: State
    one: Callable[[Any], State]
    merge: Callable[[State, State], State]
    present: Callable[[State, Measure], Value]


def empty(measure: Measure) -> State:
    """The state of no event."""
    return _RULES[measure.kind].empty


def add(measure: Measure, state: State, values: Mapping[str, Value]) -> State:
    """The state with one event more; a null is skipped, as SQL does."""
    value = 1 if measure.field is None else values[measure.field]
    return state if value is None else merge(measure, state, _RULES[measure.kind].one(value))


def merge(measure: Measure, left: State, right: State) -> State:
    """The state of both sides' events."""
    return _RULES[measure.kind].merge(left, right)


def present(measure: Measure, state: State) -> Value:
    """The number that a query shows."""
    return _RULES[measure.kind].present(state, measure)


def _either(both: Callable[[Any, Any], Any]) -> Callable[[State, State], State]:
    """Merge where None stands for "no value yet"."""
    return lambda left, right: right if left is None else left if right is None else both(left, right)


def _plus(left: Any, right: Any) -> Any:
    return _EXACT.add(left, right) if isinstance(left, Decimal) else left + right


def _mean(state: State, _: Measure) -> Value:
    """The float nearest to the exact quotient."""
    return None if state is None else float(Fraction(state[0]) / state[1])


def _quantile(state: State, measure: Measure) -> Value:
    """The smallest value whose share of values up to it is at least the rank."""
    place = ceil(Fraction(str(measure.rank)) * len(state))
    ordered: list[Value] = sorted(state)
    return ordered[max(place, 1) - 1] if ordered else None


def _shown(state: State, _: Measure) -> Value:
    value: Value = state
    return value


_RULES: Mapping[MeasureKind, _Rule] = {
    "count": _Rule(0, lambda _: 1, lambda left, right: left + right, _shown),
    "sum": _Rule(None, lambda value: value, _either(_plus), _shown),
    "min": _Rule(None, lambda value: value, _either(min), _shown),
    "max": _Rule(None, lambda value: value, _either(max), _shown),
    "mean": _Rule(None, lambda value: (value, 1), _either(lambda a, b: (_plus(a[0], b[0]), a[1] + b[1])), _mean),
    "distinct": _Rule(
        frozenset(), lambda value: frozenset({(type(value), value)}), frozenset.union, lambda state, _: len(state)
    ),
    "quantile": _Rule((), lambda value: (value,), lambda left, right: left + right, _quantile),
}
