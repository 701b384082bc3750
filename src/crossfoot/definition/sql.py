"""Tree -> DuckDB SQL with exactly the values and errors of the Python evaluator.

`to_sql` gives two SQL expressions: the value, and the error's reason (``'type'``, ``'range'`` or NULL). Both are total:
no row makes them fail. Where the error is not NULL the value means nothing. Decimals are HUGEINT, scaled by the static
scale. `sql_macros.prelude` has the macros that the SQL calls; run them once per connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeAlias

from crossfoot.definition.expression import Call, Cast, Expression, Literal, Reference, Scalar
from crossfoot.definition.number import INT_MAX, SCALE_MAX, scaled_by
from crossfoot.definition.sql_casts import cast
from crossfoot.definition.sql_parts import Sql, case, checked, double, fails, finite, first, huge, when, wider
from crossfoot.definition.text import quote_text, render

Column: TypeAlias = Callable[[Reference], Sql]


class NotRenderable(Exception):  # noqa: N818 - an answer about the expression, not a fault
    """The expression's values have no single static type, so SQL cannot hold them: `message` says which part."""

    def __init__(self, node: Expression, why: str) -> None:
        super().__init__(f"{render(node)!r} {why}")
        self.node = node


def column(name: str, kind: str, scale: int = 0) -> Sql:
    """A column of the table that is read; a decimal's column may be any DECIMAL of that scale."""
    quoted = '"' + name.replace('"', '""') + '"'
    value = f"CAST(replace(CAST({quoted} AS VARCHAR), '.', '') AS HUGEINT)" if kind == "decimal" else quoted
    return Sql(value, kind, scale)


def to_sql(node: Expression, column_of: Column) -> Sql:
    """`node` in SQL; `column_of` gives the column behind a reference. NotRenderable where a part has no static type."""
    if isinstance(node, Literal):
        return _literal(node.value)
    if isinstance(node, Cast):
        return cast(node, to_sql(node.value, column_of))
    if isinstance(node, Call):
        return operation(node, [to_sql(argument, column_of) for argument in node.args])
    return column_of(node)


def operation(node: Call, parts: list[Sql]) -> Sql:
    """One operation over rendered arguments, whose types are right."""
    return _RULES[node.op](node, parts)


def _literal(value: Scalar) -> Sql:
    if value is None:
        return Sql("NULL", "null")
    if isinstance(value, bool):
        return Sql("TRUE" if value else "FALSE", "boolean")
    if isinstance(value, int):
        return Sql(f"CAST({value} AS BIGINT)", "integer")
    if isinstance(value, Decimal):
        scale = -int(value.as_tuple().exponent)
        return Sql(f"CAST({scaled_by(value, scale)} AS HUGEINT)", "decimal", scale)
    if isinstance(value, float):
        return Sql(f"CAST('{value!r}' AS DOUBLE)", "float")
    return Sql(quote_text(value), "text")


# A rule gives the SQL of one operation from the SQL of its arguments.
_Rule: TypeAlias = Callable[[Call, list[Sql]], Sql]


def _errors(parts: list[Sql]) -> str | None:
    return first(*[part.error for part in parts])


def _connective(op: str) -> _Rule:
    stop = "FALSE" if op == "AND" else "TRUE"

    def rule(_: Call, parts: list[Sql]) -> Sql:
        value = "(" + f" {op} ".join([part.value for part in parts]) + ")"
        branches: list[tuple[str, str]] = []
        for part in parts:
            branches += [(fails(part), part.error)] if part.error else []
            branches.append((f"{part.value} IS {stop}", "NULL"))
        error = case(*branches) if _errors(parts) else None
        return Sql(value, "boolean", 0, error)

    return rule


def _not(_: Call, parts: list[Sql]) -> Sql:
    return Sql(f"(NOT {parts[0].value})", "boolean", 0, parts[0].error)


def _compared(left: Sql, right: Sql, sign: str) -> str:
    if wider([left, right]) == "float":
        return f"({double(left)} {sign} {double(right)})"
    if "decimal" in (left.type, right.type):
        scale = max(left.scale, right.scale)
        return f"({huge(left, scale)} {sign} {huge(right, scale)})"
    return f"({left.value} {sign} {right.value})"


def _comparison(sign: str) -> _Rule:
    def rule(_: Call, parts: list[Sql]) -> Sql:
        return Sql(_compare_any(parts[0], parts[1], sign), "boolean", 0, _errors(parts))

    return rule


def _compare_any(left: Sql, right: Sql, sign: str) -> str:
    numbers = {"integer", "decimal", "float"}
    if left.type in numbers and right.type in numbers:
        return _compared(left, right, sign)
    return f"({left.value} {sign} {right.value})" if "null" not in (left.type, right.type) else "CAST(NULL AS BOOLEAN)"


def _in(node: Call, parts: list[Sql]) -> Sql:
    value, *members = parts
    equals = [Sql(_compare_any(value, member, "="), "boolean", 0, member.error) for member in members]
    either = _connective("OR")(node, equals)
    return Sql(either.value, "boolean", 0, first(value.error, either.error))


def _like(_: Call, parts: list[Sql]) -> Sql:
    value, pattern, *escape = (part.value for part in parts)
    tail = f" ESCAPE {escape[0]}" if escape and escape[0] != "''" else ""
    return Sql(f"({value} LIKE {pattern}{tail})", "boolean", 0, _errors(parts))


def _is_null(_: Call, parts: list[Sql]) -> Sql:
    return Sql(f"({parts[0].value} IS NULL)", "boolean", 0, parts[0].error)


def _sum(sign: str) -> _Rule:
    def rule(_: Call, parts: list[Sql]) -> Sql:
        kind = wider(parts)
        if kind == "float":
            return finite(f"({double(parts[0])} {sign} {double(parts[1])})", _errors(parts))
        scale = max(part.scale for part in parts)
        exact = f"({huge(parts[0], scale)} {sign} {huge(parts[1], scale)})"
        return checked(exact, "integer" if kind == "null" else kind, scale, _errors(parts))

    return rule


def _mul(_: Call, parts: list[Sql]) -> Sql:
    kind, scale = wider(parts), sum(part.scale for part in parts)
    if kind == "float":
        return finite(f"({double(parts[0])} * {double(parts[1])})", _errors(parts))
    exact = f"({huge(parts[0], parts[0].scale)} * {huge(parts[1], parts[1].scale)})"
    if scale <= SCALE_MAX:
        return checked(exact, "integer" if kind == "null" else kind, scale, _errors(parts))
    always = when(f"{exact} = {exact}", "range")
    return Sql("CAST(NULL AS HUGEINT)", "decimal", SCALE_MAX, first(_errors(parts), always))


def _div(_: Call, parts: list[Sql]) -> Sql:
    left, right = double(parts[0]), double(parts[1])
    return finite(f"(CASE WHEN {right} <> 0 THEN {left} / {right} END)", _errors(parts))


def _mod(_: Call, parts: list[Sql]) -> Sql:
    left, right = huge(parts[0]), huge(parts[1])
    rest = f"CASE WHEN {right} <> 0 THEN {left} % {right} END"
    return Sql(f"CAST({rest} AS BIGINT)", "integer", 0, _errors(parts))


def _neg(_: Call, parts: list[Sql]) -> Sql:
    part = parts[0]
    if part.type == "float":
        return Sql(f"(-{part.value} + 0.0e0)", "float", 0, part.error)
    kind = "decimal" if part.type == "decimal" else "integer"
    return checked(f"(-{huge(part, part.scale)})", kind, part.scale, part.error)


def _one_type(node: Call, parts: list[Sql]) -> tuple[str, int]:
    """The one type and scale of all branches."""
    found = {(part.type, part.scale) for part in parts if part.type != "null"}
    if len(found) > 1:
        said = " and ".join(sorted(f"{kind}({scale})" if kind == "decimal" else kind for kind, scale in found))
        raise NotRenderable(node, f"gives {said}; cast its branches to one type")
    return next(iter(found), ("null", 0))


def _case_rule(node: Call, parts: list[Sql]) -> Sql:
    kind, scale = _one_type(node, [*parts[1::2], parts[-1]])
    pairs = list(zip(parts[:-1:2], parts[1::2], strict=True))
    value = case(*[(condition.value, then.value) for condition, then in pairs], otherwise=parts[-1].value)
    branches: list[tuple[str, str]] = []
    for condition, then in pairs:
        branches += [(fails(condition), condition.error)] if condition.error else []
        branches.append((condition.value, then.error or "NULL"))
    error = case(*branches, otherwise=parts[-1].error or "NULL") if _errors(parts) else None
    return Sql(value, kind, scale, error)


def _coalesce(node: Call, parts: list[Sql]) -> Sql:
    kind, scale = _one_type(node, parts)
    branches: list[tuple[str, str]] = []
    for part in parts:
        branches += [(fails(part), part.error)] if part.error else []
        branches.append((f"{part.value} IS NOT NULL", "NULL"))
    error = case(*branches) if _errors(parts) else None
    return Sql(f"COALESCE({', '.join([part.value for part in parts])}, NULL)", kind, scale, error)


def _text_function(template: str) -> _Rule:
    return lambda _, parts: Sql(template.format(parts[0].value), "text", 0, _errors(parts))


def _substr(_: Call, parts: list[Sql]) -> Sql:
    text, start, *length = (part.value for part in parts)
    count = length[0] if length else str(INT_MAX)
    value = f"cf_substr({text}, {start}, {count})"
    wrong = f"{text} IS NOT NULL AND {start} IS NOT NULL AND {count} IS NOT NULL AND ({start} < 1 OR {count} < 0)"
    return Sql(value, "text", 0, first(_errors(parts), when(wrong, "range")))


def _concat(_: Call, parts: list[Sql]) -> Sql:
    value = " || ".join([f"CAST({part.value} AS VARCHAR)" for part in parts])
    return Sql(f"({value})", "text", 0, _errors(parts))


_RULES: Mapping[str, _Rule] = {
    "and": _connective("AND"),
    "or": _connective("OR"),
    "not": _not,
    "eq": _comparison("="),
    "ne": _comparison("<>"),
    "lt": _comparison("<"),
    "le": _comparison("<="),
    "gt": _comparison(">"),
    "ge": _comparison(">="),
    "in": _in,
    "like": _like,
    "is_null": _is_null,
    "add": _sum("+"),
    "sub": _sum("-"),
    "mul": _mul,
    "div": _div,
    "mod": _mod,
    "neg": _neg,
    "case": _case_rule,
    "coalesce": _coalesce,
    "lower": _text_function("cf_lower({})"),
    "upper": _text_function("cf_upper({})"),
    "trim": _text_function("trim({}, ' ')"),
    "substr": _substr,
    "concat": _concat,
}
