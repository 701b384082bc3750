"""Tree -> expression text, such that parsing the text gives the same tree again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from crossfoot.definition.expression import Call, Cast, Expression, FieldRef, Literal, Path, Scalar

KEYWORDS = frozenset(
    "AND OR NOT IN BETWEEN LIKE ESCAPE IS NULL TRUE FALSE CASE WHEN THEN ELSE END CAST AS".split()  # noqa: SIM905
)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Operation -> how tightly it binds, and its sign. An operand that does not bind tighter gets parentheses.
_INFIX: Mapping[str, tuple[int, str]] = {
    "or": (1, "OR"),
    "and": (2, "AND"),
    "eq": (4, "="),
    "ne": (4, "<>"),
    "lt": (5, "<"),
    "le": (5, "<="),
    "gt": (5, ">"),
    "ge": (5, ">="),
    "add": (7, "+"),
    "sub": (7, "-"),
    "mul": (8, "*"),
    "div": (8, "/"),
    "mod": (8, "%"),
}
_ARITHMETIC = (7, 8)
_NOT, _TIGHT = 3, 9


def render(node: Expression) -> str:
    """The expression as it could have been written in a definition."""
    return _render(node)[0]


def quote_text(value: str) -> str:
    """A text constant in quotes."""
    return "'" + value.replace("'", "''") + "'"


def is_plain(name: str) -> bool:
    """Whether it is read as a name without quotes."""
    return bool(_PLAIN_NAME.fullmatch(name)) and name.upper() not in KEYWORDS


def quote_name(name: str) -> str:
    """A name, in double quotes where it would be read as something else."""
    return name if is_plain(name) else '"' + name.replace('"', '""') + '"'


def render_path(parts: tuple[str, ...]) -> str:
    """A raw path: its parts, joined by dots."""
    return ".".join([quote_name(part) for part in parts])


def _render(node: Expression) -> tuple[str, int]:
    """The text and how tightly its outermost operation binds."""
    if isinstance(node, Literal):
        return _constant(node.value), _TIGHT
    if isinstance(node, Path):
        return render_path(node.parts), _TIGHT
    if isinstance(node, FieldRef):
        return quote_name(node.name), _TIGHT
    if isinstance(node, Cast):
        places = f"({node.scale})" if node.to == "decimal" else ""
        return f"CAST({render(node.value)} AS {node.to}{places})", _TIGHT
    if node.op in _INFIX:
        return _infix(node)
    special = _SPECIAL.get(node.op)
    return special(node) if special else (f"{node.op.upper()}({_list(node.args)})", _TIGHT)


def _infix(node: Call) -> tuple[str, int]:
    """Arithmetic is read from the left, so its left operand may bind as loosely; the others are told apart."""
    binding, sign = _INFIX[node.op]
    first, *others = node.args
    left = _operand(first, binding - 1 if binding in _ARITHMETIC else binding)
    return f" {sign} ".join([left, *[_operand(other, binding) for other in others]]), binding


def _operand(node: Expression, binding: int) -> str:
    text, own = _render(node)
    return text if own > binding else f"({text})"


def _list(nodes: tuple[Expression, ...]) -> str:
    return ", ".join([render(node) for node in nodes])


def _constant(value: Scalar) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return quote_text(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "e" in text else f"{text}e0"
    return _point(value) if isinstance(value, Decimal) else str(value)


def _point(value: Decimal) -> str:
    text = format(value, "f")
    return text if "." in text else f"CAST({text} AS decimal(0))"


def _not(node: Call) -> tuple[str, int]:
    return f"NOT {_operand(node.args[0], _NOT)}", _NOT


def _neg(node: Call) -> tuple[str, int]:
    """Parentheses keep two minus signs from being a comment, and a constant from being read as a negative one."""
    operand = node.args[0]
    text = render(operand)
    return (f"-{text}" if isinstance(operand, Path | FieldRef) else f"-({text})"), _TIGHT


def _in(node: Call) -> tuple[str, int]:
    return f"{_operand(node.args[0], 5)} IN ({_list(node.args[1:])})", 5


def _like(node: Call) -> tuple[str, int]:
    value, pattern, *escape = node.args
    tail = f" ESCAPE {render(escape[0])}" if escape else ""
    return f"{_operand(value, 5)} LIKE {render(pattern)}{tail}", 5


def _is_null(node: Call) -> tuple[str, int]:
    return f"{_operand(node.args[0], 5)} IS NULL", 5


def _case(node: Call) -> tuple[str, int]:
    branches = zip(node.args[:-1:2], node.args[1::2], strict=True)
    body = " ".join([f"WHEN {render(condition)} THEN {render(value)}" for condition, value in branches])
    return f"CASE {body} ELSE {render(node.args[-1])} END", _TIGHT


_SPECIAL: Mapping[str, Callable[[Call], tuple[str, int]]] = {
    "not": _not,
    "neg": _neg,
    "in": _in,
    "like": _like,
    "is_null": _is_null,
    "case": _case,
}
