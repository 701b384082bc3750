"""Tree -> DuckDB SQL with exactly the values and errors of the Python evaluator.

`to_sql` gives two SQL expressions: the value, and the error's reason (``'type'``, ``'range'`` or NULL). Both are total:
no row makes them fail. Where the error is not NULL the value means nothing. Decimals are HUGEINT, scaled by the static
scale. `sql_macros.prelude` has the macros that the SQL calls; run them once per connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from crossfoot.definition.expression import Call, Cast, Expression, Literal, Reference, Scalar
from crossfoot.definition.number import INT_MAX, INT_MIN, SCALE_MAX, scaled_by
from crossfoot.definition.text import quote_text, render


@dataclass(frozen=True, slots=True)
class Sql:
    """`value` and `error` as SQL (`error` None: there is none), the static type, and a decimal's scale."""

    value: str
    type: str
    scale: int = 0
    error: str | None = None


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
        return _cast(node, to_sql(node.value, column_of))
    if isinstance(node, Call):
        return _RULES[node.op](node, [to_sql(argument, column_of) for argument in node.args])
    return column_of(node)


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


# Pieces of SQL.


def _case(*branches: tuple[str, str], otherwise: str = "NULL") -> str:
    body = " ".join([f"WHEN {condition} THEN {value}" for condition, value in branches])
    return f"CASE {body} ELSE {otherwise} END" if branches else otherwise


def _first(*errors: str | None) -> str | None:
    """The first error that is there."""
    there = [error for error in errors if error]
    return None if not there else there[0] if len(there) == 1 else f"COALESCE({', '.join(there)})"


def _when(condition: str, reason: str) -> str:
    return _case((condition, f"'{reason}'"))


def _fails(part: Sql) -> str:
    return f"{part.error} IS NOT NULL"


def _huge(part: Sql, scale: int = 0) -> str:
    """An integer or decimal, scaled to `scale`, wide enough for every sum and product of two."""
    factor = scale - part.scale
    return f"CAST({part.value} AS HUGEINT)" + (f" * CAST({10**factor} AS HUGEINT)" if factor else "")


def _double(part: Sql) -> str:
    return f"CAST({_places(part) if part.type == 'decimal' else part.value} AS DOUBLE)"


def _places(part: Sql) -> str:
    """A decimal as text with all its places."""
    unit = f"CAST({Decimal(1).scaleb(-part.scale):f} AS DECIMAL(19, {part.scale}))"
    return f"cf_text({part.value}, {part.scale}, {unit})"


def _outside(huge: str) -> str:
    return f"({huge}) NOT BETWEEN {INT_MIN} AND {INT_MAX}"


def _checked(huge: str, kind: str, scale: int, error: str | None) -> Sql:
    """An exact result that must fit 64 bits."""
    held = f"TRY_CAST({huge} AS BIGINT)"
    value = held if kind == "integer" else f"CAST({held} AS HUGEINT)"
    return Sql(value, kind, scale, _first(error, _when(_outside(huge), "range")))


def _finite(double: str, error: str | None) -> Sql:
    value = f"CASE WHEN isfinite({double}) THEN ({double}) + 0.0e0 END"
    return Sql(value, "float", 0, _first(error, _when(f"NOT isfinite({double})", "range")))


def _number_types(parts: list[Sql]) -> str:
    """The wider of the types; a constant null joins any."""
    types = {part.type for part in parts}
    return next(name for name in ("float", "decimal", "integer", "null") if name in types)


# A rule gives the SQL of one operation from the SQL of its arguments.
_Rule: TypeAlias = Callable[[Call, list[Sql]], Sql]


def _errors(parts: list[Sql]) -> str | None:
    return _first(*[part.error for part in parts])


def _connective(op: str) -> _Rule:
    stop = "FALSE" if op == "AND" else "TRUE"

    def rule(_: Call, parts: list[Sql]) -> Sql:
        value = "(" + f" {op} ".join([part.value for part in parts]) + ")"
        branches: list[tuple[str, str]] = []
        for part in parts:
            branches += [(_fails(part), part.error)] if part.error else []
            branches.append((f"{part.value} IS {stop}", "NULL"))
        error = _case(*branches) if _errors(parts) else None
        return Sql(value, "boolean", 0, error)

    return rule


def _not(_: Call, parts: list[Sql]) -> Sql:
    return Sql(f"(NOT {parts[0].value})", "boolean", 0, parts[0].error)


def _compared(left: Sql, right: Sql, sign: str) -> str:
    if _number_types([left, right]) == "float":
        return f"({_double(left)} {sign} {_double(right)})"
    if "decimal" in (left.type, right.type):
        scale = max(left.scale, right.scale)
        return f"({_huge(left, scale)} {sign} {_huge(right, scale)})"
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
    return Sql(either.value, "boolean", 0, _first(value.error, either.error))


def _like(_: Call, parts: list[Sql]) -> Sql:
    value, pattern, *escape = (part.value for part in parts)
    tail = f" ESCAPE {escape[0]}" if escape and escape[0] != "''" else ""
    return Sql(f"({value} LIKE {pattern}{tail})", "boolean", 0, _errors(parts))


def _is_null(_: Call, parts: list[Sql]) -> Sql:
    return Sql(f"({parts[0].value} IS NULL)", "boolean", 0, parts[0].error)


def _sum(sign: str) -> _Rule:
    def rule(_: Call, parts: list[Sql]) -> Sql:
        kind = _number_types(parts)
        if kind == "float":
            return _finite(f"({_double(parts[0])} {sign} {_double(parts[1])})", _errors(parts))
        scale = max(part.scale for part in parts)
        exact = f"({_huge(parts[0], scale)} {sign} {_huge(parts[1], scale)})"
        return _checked(exact, "integer" if kind == "null" else kind, scale, _errors(parts))

    return rule


def _mul(_: Call, parts: list[Sql]) -> Sql:
    kind, scale = _number_types(parts), sum(part.scale for part in parts)
    if kind == "float":
        return _finite(f"({_double(parts[0])} * {_double(parts[1])})", _errors(parts))
    exact = f"({_huge(parts[0], parts[0].scale)} * {_huge(parts[1], parts[1].scale)})"
    if scale <= SCALE_MAX:
        return _checked(exact, "integer" if kind == "null" else kind, scale, _errors(parts))
    always = _when(f"{exact} = {exact}", "range")
    return Sql("CAST(NULL AS HUGEINT)", "decimal", SCALE_MAX, _first(_errors(parts), always))


def _div(_: Call, parts: list[Sql]) -> Sql:
    left, right = _double(parts[0]), _double(parts[1])
    return _finite(f"(CASE WHEN {right} <> 0 THEN {left} / {right} END)", _errors(parts))


def _mod(_: Call, parts: list[Sql]) -> Sql:
    left, right = _huge(parts[0]), _huge(parts[1])
    rest = f"CASE WHEN {right} <> 0 THEN {left} % {right} END"
    return Sql(f"CAST({rest} AS BIGINT)", "integer", 0, _errors(parts))


def _neg(_: Call, parts: list[Sql]) -> Sql:
    part = parts[0]
    if part.type == "float":
        return Sql(f"(-{part.value} + 0.0e0)", "float", 0, part.error)
    kind = "decimal" if part.type == "decimal" else "integer"
    return _checked(f"(-{_huge(part, part.scale)})", kind, part.scale, part.error)


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
    value = _case(*[(condition.value, then.value) for condition, then in pairs], otherwise=parts[-1].value)
    branches: list[tuple[str, str]] = []
    for condition, then in pairs:
        branches += [(_fails(condition), condition.error)] if condition.error else []
        branches.append((condition.value, then.error or "NULL"))
    error = _case(*branches, otherwise=parts[-1].error or "NULL") if _errors(parts) else None
    return Sql(value, kind, scale, error)


def _coalesce(node: Call, parts: list[Sql]) -> Sql:
    kind, scale = _one_type(node, parts)
    branches: list[tuple[str, str]] = []
    for part in parts:
        branches += [(_fails(part), part.error)] if part.error else []
        branches.append((f"{part.value} IS NOT NULL", "NULL"))
    error = _case(*branches) if _errors(parts) else None
    return Sql(f"COALESCE({', '.join([part.value for part in parts])}, NULL)", kind, scale, error)


def _text_function(template: str) -> _Rule:
    return lambda _, parts: Sql(template.format(parts[0].value), "text", 0, _errors(parts))


def _substr(_: Call, parts: list[Sql]) -> Sql:
    text, start, *length = (part.value for part in parts)
    count = length[0] if length else str(INT_MAX)
    value = f"cf_substr({text}, {start}, {count})"
    wrong = f"{text} IS NOT NULL AND {start} IS NOT NULL AND {count} IS NOT NULL AND ({start} < 1 OR {count} < 0)"
    return Sql(value, "text", 0, _first(_errors(parts), _when(wrong, "range")))


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


# Casts: (from, to) -> the SQL of the value and of the error's own condition and reason.


def _cast(node: Cast, part: Sql) -> Sql:
    if part.type == "null":
        return Sql("NULL", node.to, node.scale)
    rule = _CASTS.get((part.type, node.to))
    if rule is None:
        return Sql("NULL", node.to, node.scale, _first(part.error, _when(f"{part.value} IS NOT NULL", "type")))
    return rule(part, node.scale)


def _same(part: Sql, _: int) -> Sql:
    return part


def _plain(kind: str, sql_type: str) -> Callable[[Sql, int], Sql]:
    return lambda part, _: Sql(f"CAST({part.value} AS {sql_type})", kind, 0, part.error)


def _from_text(kind: str, grammar: str, template: str) -> Callable[[Sql, int], Sql]:
    """A text that must follow a grammar (else type) and then fit (else range)."""

    def rule(part: Sql, scale: int) -> Sql:
        follows = f"regexp_full_match({part.value}, '{grammar}')"
        value = f"CASE WHEN {follows} THEN {template.format(part.value, scale)} END"
        wrong = _case((f"NOT {follows}", "'type'"), (f"{part.value} IS NOT NULL AND {value} IS NULL", "'range'"))
        return Sql(value, kind, scale, _first(part.error, wrong))

    return rule


def _decimal_to_text(part: Sql, _: int) -> Sql:
    return Sql(_places(part), "text", 0, part.error)


def _decimal_to_integer(part: Sql, _: int) -> Sql:
    one = f"CAST({10**part.scale} AS HUGEINT)"
    value = f"CAST(CASE WHEN {part.value} % {one} = 0 THEN {part.value} // {one} END AS BIGINT)"
    return Sql(value, "integer", 0, _first(part.error, _when(f"{part.value} % {one} <> 0", "range")))


def _float_to_integer(part: Sql, _: int) -> Sql:
    value = f"CASE WHEN {part.value} = trunc({part.value}) THEN TRY_CAST({part.value} AS BIGINT) END"
    wrong = _when(f"{part.value} IS NOT NULL AND {value} IS NULL", "range")
    return Sql(value, "integer", 0, _first(part.error, wrong))


def _to_decimal(part: Sql, scale: int) -> Sql:
    if part.scale <= scale:
        return _checked(_huge(part, scale), "decimal", scale, part.error)
    unit = f"CAST({10 ** (part.scale - scale)} AS HUGEINT)"
    return Sql(f"cf_half_even({part.value}, {unit})", "decimal", scale, part.error)


_INTEGER_GRAMMAR = "-?(0|[1-9][0-9]*)"
_NUMBER_GRAMMAR = _INTEGER_GRAMMAR + r"(\.[0-9]+)?([eE][+-]?[0-9]+)?"

_CASTS: Mapping[tuple[str, str], Callable[[Sql, int], Sql]] = {
    ("text", "text"): _same,
    ("integer", "text"): _plain("text", "VARCHAR"),
    ("decimal", "text"): _decimal_to_text,
    ("boolean", "text"): _plain("text", "VARCHAR"),
    ("text", "integer"): _from_text("integer", _INTEGER_GRAMMAR, "TRY_CAST({} AS BIGINT)"),
    ("integer", "integer"): _same,
    ("decimal", "integer"): _decimal_to_integer,
    ("float", "integer"): _float_to_integer,
    ("text", "decimal"): _from_text("decimal", _NUMBER_GRAMMAR, "cf_decimal({}, {})"),
    ("integer", "decimal"): _to_decimal,
    ("decimal", "decimal"): _to_decimal,
    ("text", "float"): _from_text("float", _NUMBER_GRAMMAR, "cf_double({})"),
    ("integer", "float"): _plain("float", "DOUBLE"),
    ("decimal", "float"): lambda part, _: Sql(_double(part), "float", 0, part.error),
    ("float", "float"): _same,
    ("text", "boolean"): _from_text("boolean", "true|false", "({} = 'true')"),
    ("boolean", "boolean"): _same,
}
