"""What the strict operations and the casts do, on values that are not null."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Literal as Choice
from typing import NoReturn, TypeAlias

from crossfoot.definition import letters, number
from crossfoot.definition.expression import Scalar

Reason: TypeAlias = Choice["missing", "type", "range", "zone"]


class FailureError(Exception):
    """An operation has no value; `evaluate` makes it an EvalError."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def fail(reason: Reason) -> NoReturn:
    """The operation has no value."""
    raise FailureError(reason)


def _not(value: Scalar) -> bool:
    return not value if isinstance(value, bool) else fail("type")


def compare(left: Scalar, right: Scalar) -> int:
    """Less than, equal or greater than 0; both sides of one class, none null."""
    if isinstance(left, bool) and isinstance(right, bool):
        return left - right
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)  # by code point, which is by UTF-8 byte
    a, b = _number(left), _number(right)
    if isinstance(a, float) or isinstance(b, float):
        a, b = float(a), float(b)
        return (a > b) - (a < b)
    scale = max(number.scale_of(a), number.scale_of(b))
    exact = number.scaled_by(a, scale) - number.scaled_by(b, scale)
    return (exact > 0) - (exact < 0)


def _number(value: Scalar) -> int | Decimal | float:
    if isinstance(value, int | Decimal | float) and not isinstance(value, bool):
        return value
    return fail("type")


def _text(value: Scalar) -> str:
    return value if isinstance(value, str) else fail("type")


def _integer(value: Scalar) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else fail("type")


def _add(left: Scalar, right: Scalar, sign: int = 1) -> Scalar:
    a, b = _number(left), _number(right)
    if isinstance(a, float) or isinstance(b, float):
        return number.finite(float(a) + sign * float(b))
    scale = max(number.scale_of(a), number.scale_of(b))
    exact = number.scaled_by(a, scale) + sign * number.scaled_by(b, scale)
    return _exact(exact, scale, isinstance(a, Decimal) or isinstance(b, Decimal))


def _sub(left: Scalar, right: Scalar) -> Scalar:
    return _add(left, right, -1)


def _mul(left: Scalar, right: Scalar) -> Scalar:
    a, b = _number(left), _number(right)
    if isinstance(a, float) or isinstance(b, float):
        return number.finite(float(a) * float(b))
    scale_a, scale_b = number.scale_of(a), number.scale_of(b)
    exact = number.scaled_by(a, scale_a) * number.scaled_by(b, scale_b)
    return _exact(exact, scale_a + scale_b, isinstance(a, Decimal) or isinstance(b, Decimal))


def _exact(scaled: int, scale: int, is_decimal: bool) -> int | Decimal:
    return number.make_decimal(scaled, scale) if is_decimal else number.checked(scaled)


def _div(left: Scalar, right: Scalar) -> Scalar:
    a, b = float(_number(left)), float(_number(right))
    return None if b == 0 else number.finite(a / b)


def _mod(left: Scalar, right: Scalar) -> Scalar:
    a, b = _integer(left), _integer(right)
    if b == 0:
        return None
    return abs(a) % abs(b) * (-1 if a < 0 else 1)


def _neg(value: Scalar) -> Scalar:
    a = _number(value)
    if isinstance(a, float):
        return number.finite(-a)
    return _exact(-number.scaled_by(a, number.scale_of(a)), number.scale_of(a), isinstance(a, Decimal))


def _lower(value: Scalar) -> str:
    return letters.lower(_text(value))


def _upper(value: Scalar) -> str:
    return letters.upper(_text(value))


def _trim(value: Scalar) -> str:
    return _text(value).strip(" ")


def _substr(value: Scalar, start: Scalar, length: Scalar = number.INT_MAX) -> str:
    text, first, count = _text(value), _integer(start), _integer(length)
    if first < 1 or count < 0:
        fail("range")
    return text[first - 1 : first - 1 + count]


def _concat(*values: Scalar) -> str:
    return "".join([_text(value) for value in values])


def _like(value: Scalar, pattern: Scalar, escape: Scalar = "") -> bool:
    return _like_regex(_text(pattern), _text(escape)).fullmatch(_text(value)) is not None


@lru_cache(maxsize=1024)
def _like_regex(pattern: str, escape: str) -> re.Pattern[str]:
    if len(escape) > 1:
        fail("range")
    wild = {"%": ".*", "_": "."}
    out, characters = [], iter(pattern)
    for character in characters:
        if character == escape:
            following = next(characters, None)
            out.append(fail("range") if following is None else re.escape(following))
        else:
            out.append(wild.get(character) or re.escape(character))
    return re.compile("".join(out), re.DOTALL)


STRICT: Mapping[str, Callable[..., Scalar]] = {
    "not": _not,
    "eq": lambda a, b: compare(a, b) == 0,
    "ne": lambda a, b: compare(a, b) != 0,
    "lt": lambda a, b: compare(a, b) < 0,
    "le": lambda a, b: compare(a, b) <= 0,
    "gt": lambda a, b: compare(a, b) > 0,
    "ge": lambda a, b: compare(a, b) >= 0,
    "like": _like,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "mod": _mod,
    "neg": _neg,
    "lower": _lower,
    "upper": _upper,
    "trim": _trim,
    "substr": _substr,
    "concat": _concat,
}


# Casts, of values that are not null.


def _to_text(value: Scalar, _scale: int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value) if isinstance(value, int | str) else fail("type")


def _to_integer(value: Scalar, _scale: int) -> int:
    if isinstance(value, str):
        return number.integer_from_literal(value) if number.JSON_INTEGER.fullmatch(value) else fail("type")
    a = _number(value)
    whole = int(a)
    return number.checked(whole) if whole == a else fail("range")


def _to_decimal(value: Scalar, scale: int) -> Decimal:
    if isinstance(value, str):
        return number.decimal_from_literal(value, scale) if number.JSON_NUMBER.fullmatch(value) else fail("type")
    a = _number(value)
    return fail("type") if isinstance(a, float) else number.rescale(a, scale)


def _to_float(value: Scalar, _scale: int) -> float:
    if isinstance(value, str):
        return number.float_from_literal(value) if number.JSON_NUMBER.fullmatch(value) else fail("type")
    return float(_number(value))


def _to_boolean(value: Scalar, _scale: int) -> bool:
    if isinstance(value, bool):
        return value
    return value == "true" if value in ("true", "false") else fail("type")


CASTS: Mapping[str, Callable[[Scalar, int], Scalar]] = {
    "text": _to_text,
    "integer": _to_integer,
    "decimal": _to_decimal,
    "float": _to_float,
    "boolean": _to_boolean,
}
