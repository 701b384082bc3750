"""Whole numbers are narrow where they fit."""

from decimal import Decimal

import pyarrow as pa
import pytest

from crossfoot.columns import narrow

LARGEST = (1 << 63) - 1


@pytest.mark.parametrize(("last", "kind"), [(LARGEST, pa.int64()), (LARGEST + 1, pa.decimal128(38, 0))])
def test_one_value_that_does_not_fit_widens_its_column(last, kind):
    """The values are the same either way, null too."""
    column = narrow(pa.chunked_array([[None, Decimal(-5)], [Decimal(last)]], pa.decimal128(38, 0)))
    assert (column.type, column.to_pylist()) == (kind, [None, -5, last])
