"""What measures present."""

from decimal import Decimal
from typing import Any

import pytest

from crossfoot.definition.model import Measure, MeasureKind
from crossfoot.engines import measures
from crossfoot.event import Value


def present(kind: MeasureKind, *values: Value, rank: float = 0.5) -> Any:
    measure = Measure("m", kind, "f", rank)
    state = measures.empty(measure)
    for value in values:
        state = measures.add(measure, state, {"f": value})
    return measures.present(measure, state)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("count", 0), ("sum", None), ("min", None), ("max", None), ("mean", None), ("distinct", 0), ("quantile", None)],
)
def test_of_no_value_there_is_nothing(kind: MeasureKind, expected: object):
    """Nulls are skipped, so they are no value."""
    assert present(kind) == present(kind, None, None) == expected


def test_a_count_without_a_field_counts_events():
    """Whatever their fields hold."""
    measure = Measure("m", "count")
    assert measures.add(measure, measures.empty(measure), {"f": None}) == 1


def test_sums_of_decimals_are_exact_beyond_28_digits():
    """More than Python's usual precision."""
    big, small = Decimal("9223372036854775807"), Decimal("0.000000000000000001")
    assert present("sum", big, small, big, -big, -big) == small


def test_a_mean_is_the_nearest_float_of_the_exact_quotient():
    """Not the quotient of two rounded floats."""
    assert present("mean", 9007199254740993, 9007199254740993) == 9007199254740992.0
    assert present("mean", Decimal("0.1"), Decimal("0.2"), Decimal("0.3")) == 0.2


def test_distinct_tells_types_apart():
    """1, true and "1" are three members."""
    assert present("distinct", 1, True, "1", 1) == 3


@pytest.mark.parametrize(
    ("rank", "expected"), [(0, 10), (0.25, 10), (0.26, 20), (0.5, 20), (0.75, 30), (0.76, 40), (1, 40)]
)
def test_a_quantile_is_the_first_value_whose_share_reaches_the_rank(rank: float, expected: int):
    """Of four values, each has a share of a quarter."""
    assert present("quantile", 40, 10, 30, 20, rank=rank) == expected


def test_ranks_are_taken_as_they_are_written():
    """0.07 of 100 values is 7, though as a float it is a little more."""
    assert present("quantile", *range(1, 101), rank=0.07) == 7
