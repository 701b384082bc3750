"""The Python evaluator of expressions: three-valued logic over null, boolean, integer, decimal, float and text.

Except for the operations of `_LAZY`, arguments are evaluated left to right; the first error is the result; then any
null gives null; then the types are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from crossfoot.definition import number
from crossfoot.definition.expression import Call, Cast, Expression, Literal, Reference, Scalar
from crossfoot.definition.number import NumberError, NumberLiteral
from crossfoot.definition.operations import CASTS, STRICT, FailureError, Reason, compare, fail

Get: TypeAlias = Callable[[Reference], Any]


@dataclass(frozen=True, slots=True)
class EvalError:
    """Why an expression has no value."""

    reason: Reason


def evaluate(node: Expression, get: Get) -> Scalar | EvalError:
    """The value of `node`; `get` gives a reference's value: a scalar, a NumberLiteral, or an object or array (type)."""
    try:
        return _value(node, get)
    except FailureError as failure:
        return EvalError(failure.reason)
    except NumberError as refusal:
        return EvalError("range" if refusal.reason == "range" else "type")


def raw_scalar(value: object) -> Scalar:
    """A raw value as an expression sees it; an object or array is an error of type."""
    if isinstance(value, NumberLiteral):
        return number.number_from_literal(value.text)
    if value is None or isinstance(value, bool | int | Decimal | float | str):
        return value
    return fail("type")


def _value(node: Expression, get: Get) -> Scalar:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Call):
        lazy = _LAZY.get(node.op)
        return lazy(node.args, get) if lazy else _strict(node, get)
    if isinstance(node, Cast):
        value = _value(node.value, get)
        return None if value is None else CASTS[node.to](value, node.scale)
    return raw_scalar(get(node))


def _strict(node: Call, get: Get) -> Scalar:
    values = [_value(argument, get) for argument in node.args]
    return None if any(value is None for value in values) else STRICT[node.op](*values)


# Lazy operations: they decide themselves which arguments are evaluated.


def _truth(node: Expression, get: Get) -> bool | None:
    value = _value(node, get)
    return value if value is None or isinstance(value, bool) else fail("type")


def _and(args: tuple[Expression, ...], get: Get) -> Scalar:
    result: bool | None = True
    for argument in args:
        truth = _truth(argument, get)
        if truth is False:
            return False
        result = None if truth is None else result
    return result


def _or(args: tuple[Expression, ...], get: Get) -> Scalar:
    result: bool | None = False
    for argument in args:
        truth = _truth(argument, get)
        if truth is True:
            return True
        result = None if truth is None else result
    return result


def _in(args: tuple[Expression, ...], get: Get) -> Scalar:
    """As `x = a OR x = b OR …`, with x evaluated once."""
    value, *members = args
    wanted = _value(value, get)
    result: bool | None = False
    for member in members:
        found = _value(member, get)
        equal = None if wanted is None or found is None else compare(wanted, found) == 0
        if equal:
            return True
        result = None if equal is None else result
    return result


def _case(args: tuple[Expression, ...], get: Get) -> Scalar:
    for condition, value in zip(args[:-1:2], args[1::2], strict=True):
        if _truth(condition, get):
            return _value(value, get)
    return _value(args[-1], get)


def _coalesce(args: tuple[Expression, ...], get: Get) -> Scalar:
    for argument in args:
        value = _value(argument, get)
        if value is not None:
            return value
    return None


def _is_null(args: tuple[Expression, ...], get: Get) -> Scalar:
    return _value(args[0], get) is None


_LAZY: Mapping[str, Callable[[tuple[Expression, ...], Get], Scalar]] = {
    "and": _and,
    "or": _or,
    "in": _in,
    "case": _case,
    "coalesce": _coalesce,
    "is_null": _is_null,
}
