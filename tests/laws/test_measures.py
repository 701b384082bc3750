"""Measures: create, add, merge, present. merge is associative and commutative, and add is merge with one more."""

from decimal import Decimal
from functools import reduce
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfoot.definition.model import Measure, MeasureKind
from crossfoot.engines import measures

KINDS = pytest.mark.parametrize("kind", get_args(MeasureKind))
NUMBERS = st.one_of(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1).map(lambda scaled: Decimal(scaled).scaleb(-2))),
)


def state_of(measure: Measure, values: list[object]) -> measures.State:
    return reduce(lambda state, value: measures.add(measure, state, {"f": value}), values, measures.empty(measure))


def measure_of(kind: MeasureKind) -> Measure:
    return Measure("m", kind, "f", rank=0.5)


def split(data: st.DataObject, values: list[object], parts: int) -> list[list[object]]:
    edges = sorted(data.draw(st.lists(st.integers(0, len(values)), min_size=parts - 1, max_size=parts - 1)))
    return [values[a:b] for a, b in zip([0, *edges], [*edges, len(values)], strict=True)]


@KINDS
@given(data=st.data(), values=NUMBERS)
def test_any_split_and_order_presents_the_same(kind: MeasureKind, data: st.DataObject, values: list[object]):
    """Parts that are folded apart and merged in any order are the whole."""
    measure = measure_of(kind)
    parts = [state_of(measure, part) for part in split(data, data.draw(st.permutations(values)), 3)]
    whole = measures.present(measure, state_of(measure, values))
    assert measures.present(measure, reduce(lambda a, b: measures.merge(measure, a, b), parts)) == whole


@KINDS
@given(data=st.data(), values=NUMBERS)
def test_merge_is_associative(kind: MeasureKind, data: st.DataObject, values: list[object]):
    """(a + b) + c = a + (b + c), as states."""
    measure = measure_of(kind)
    a, b, c = (state_of(measure, part) for part in split(data, values, 3))
    left = measures.merge(measure, measures.merge(measure, a, b), c)
    assert left == measures.merge(measure, a, measures.merge(measure, b, c))


@KINDS
@given(values=NUMBERS)
def test_the_empty_state_changes_nothing(kind: MeasureKind, values: list[object]):
    """It is the neutral element on both sides."""
    measure = measure_of(kind)
    state, none = state_of(measure, values), measures.empty(measure)
    assert measures.merge(measure, state, none) == state == measures.merge(measure, none, state)
