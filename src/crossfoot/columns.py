"""Columns of whole numbers, as every answer has them: 64 bits where all values fit, 38 digits where not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def wide(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers as 38 digits, which add up."""
    import pyarrow as pa

    return column.cast(pa.decimal128(38, 0))


def narrow(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """64 bits where all values fit."""
    import pyarrow as pa

    digits = wide(column)
    try:
        return digits.cast(pa.int64())
    except pa.ArrowInvalid:
        return digits
