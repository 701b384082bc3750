"""Numbers without loss: literals of JSON's grammar, and decimals as scaled 64-bit integers.

A decimal is a `Decimal` whose exponent is minus its scale. A refusal is the reason's text: ``"type"`` or ``"range"``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import NamedTuple

INT_MIN = -(1 << 63)
INT_MAX = (1 << 63) - 1
SCALE_MAX = 18
_DIGITS_MAX = 19  # of an i64

JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
JSON_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_EXACT = Context(prec=60)


class NumberError(ValueError):
    """A number cannot be held; `reason` is ``type`` or ``range``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    """A number of a raw record as it was written (JSON grammar)."""

    text: str


class Canonical(NamedTuple):
    """A number as sign, digits without leading and trailing zeros, and the power of ten of the last digit."""

    negative: bool
    digits: str
    exponent: int

    @property
    def integral(self) -> bool:
        return self.exponent >= 0

    @property
    def text(self) -> str:
        """``1e2`` for 100, ``15e-1`` for 1.50, ``0e0`` for every zero."""
        return f"{'-' if self.negative else ''}{self.digits}e{self.exponent}"


def canonical(literal: str) -> Canonical:
    """The canonical form of a text that follows JSON's number grammar."""
    mantissa, _, power = literal.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    significant = (whole + fraction).lstrip("0")
    digits = significant.rstrip("0")
    if not digits:
        return Canonical(False, "0", 0)
    exponent = _small_int(power) - len(fraction) + len(significant) - len(digits)
    return Canonical(mantissa.startswith("-"), digits, exponent)


def _small_int(text: str) -> int:
    """An exponent; beyond 18 digits only its sign and hugeness matter, and Python would refuse thousands of digits."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").lstrip("0")
    return sign * int(digits[:_DIGITS_MAX] or "0") if len(digits) <= _DIGITS_MAX else sign * INT_MAX


def fits(value: int) -> bool:
    return INT_MIN <= value <= INT_MAX


def checked(value: int) -> int:
    """`value`, or NumberError range where it does not fit an i64."""
    if not fits(value):
        raise NumberError("range")
    return value


def make_decimal(scaled: int, scale: int) -> Decimal:
    """The decimal `scaled` / 10**`scale`; NumberError range where it cannot be held."""
    if scale > SCALE_MAX:
        raise NumberError("range")
    return Decimal(checked(scaled)).scaleb(-scale, _EXACT)


def scale_of(value: int | Decimal) -> int:
    return 0 if isinstance(value, int) else -int(value.as_tuple().exponent)


def scaled_by(value: int | Decimal, scale: int) -> int:
    """`value` * 10**`scale` as an integer; `scale` is at least the value's own."""
    return value * 10**scale if isinstance(value, int) else int(value.scaleb(scale, _EXACT))


def rescale(value: int | Decimal, scale: int) -> Decimal:
    """`value` rounded half-even to `scale`."""
    own = scale_of(value)
    if own <= scale:
        return make_decimal(scaled_by(value, scale), scale)
    return make_decimal(_half_even(scaled_by(value, own), 10 ** (own - scale)), scale)


def _half_even(numerator: int, denominator: int) -> int:
    quotient, rest = divmod(numerator, denominator)
    above = 2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1)
    return quotient + above


def decimal_from_literal(literal: str, scale: int) -> Decimal:
    """A decimal from a number literal's own digits, rounded half-even to `scale`."""
    number = canonical(literal)
    shift = number.exponent + scale
    if shift < 0:
        magnitude = _cut(number.digits, -shift)
    elif number.digits == "0":
        magnitude = 0
    elif len(number.digits) + shift > _DIGITS_MAX:
        raise NumberError("range")
    else:
        magnitude = int(number.digits) * 10**shift
    return make_decimal(-magnitude if number.negative else magnitude, scale)


def _cut(digits: str, places: int) -> int:
    """The digits without their last `places`, rounded half-even."""
    kept = len(digits) - places
    if kept < 0:
        return 0
    if kept > _DIGITS_MAX:
        raise NumberError("range")
    whole, rest = int(digits[:kept] or "0"), digits[kept:]
    half = "5".ljust(len(rest), "0")
    return whole + (rest > half or (rest == half and whole % 2 == 1))


def integer_from_literal(literal: str) -> int:
    """The integer that an integral literal names (1, 1.0, 1e0); type where it is not integral, range where too big."""
    number = canonical(literal)
    if not number.integral:
        raise NumberError("type")
    if number.digits == "0":
        return 0
    if len(number.digits) + number.exponent > _DIGITS_MAX:
        raise NumberError("range")
    magnitude = int(number.digits) * 10**number.exponent
    return checked(-magnitude if number.negative else magnitude)


def float_from_literal(literal: str) -> float:
    """The nearest float; range where it is not finite; -0 is 0."""
    return finite(float(literal))


def finite(value: float) -> float:
    """`value` with -0 as 0; NumberError range where it is infinite or not a number."""
    if not math.isfinite(value):
        raise NumberError("range")
    return value + 0.0


def number_from_literal(literal: str) -> int | Decimal | float:
    """A raw number's value in an expression: integer, else exact decimal of minimal scale, else the nearest float."""
    number = canonical(literal)
    size = len(number.digits) + max(number.exponent, 0)
    if size <= _DIGITS_MAX and -number.exponent <= SCALE_MAX:
        magnitude = int(number.digits) * 10 ** max(number.exponent, 0)
        signed = -magnitude if number.negative else magnitude
        if fits(signed):
            return signed if number.integral else make_decimal(signed, -number.exponent)
    return float_from_literal(literal)
