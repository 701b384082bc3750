"""Casts in SQL: (from, to) -> the value, and the error's own condition and reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crossfoot.definition.expression import Cast
from crossfoot.definition.sql_parts import Sql, case, checked, double, first, huge, places, when


def cast(node: Cast, part: Sql) -> Sql:
    """A cast of a rendered part; what can never be cast is an error of type."""
    if part.type == "null":
        return Sql("NULL", node.to, node.scale, part.error)
    rule = _CASTS.get((part.type, node.to))
    if rule is None:
        return Sql("NULL", node.to, node.scale, first(part.error, when(f"{part.value} IS NOT NULL", "type")))
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
        wrong = case((f"NOT {follows}", "'type'"), (f"{part.value} IS NOT NULL AND {value} IS NULL", "'range'"))
        return Sql(value, kind, scale, first(part.error, wrong))

    return rule


def _decimal_to_text(part: Sql, _: int) -> Sql:
    return Sql(places(part), "text", 0, part.error)


def _decimal_to_integer(part: Sql, _: int) -> Sql:
    one = f"CAST({10**part.scale} AS HUGEINT)"
    value = f"CAST(CASE WHEN {part.value} % {one} = 0 THEN {part.value} // {one} END AS BIGINT)"
    return Sql(value, "integer", 0, first(part.error, when(f"{part.value} % {one} <> 0", "range")))


def _float_to_integer(part: Sql, _: int) -> Sql:
    value = f"CASE WHEN {part.value} = trunc({part.value}) THEN TRY_CAST({part.value} AS BIGINT) END"
    wrong = when(f"{part.value} IS NOT NULL AND {value} IS NULL", "range")
    return Sql(value, "integer", 0, first(part.error, wrong))


def _to_decimal(part: Sql, scale: int) -> Sql:
    if part.scale <= scale:
        return checked(huge(part, scale), "decimal", scale, part.error)
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
    ("decimal", "float"): lambda part, _: Sql(double(part), "float", 0, part.error),
    ("float", "float"): _same,
    ("text", "boolean"): _from_text("boolean", "true|false", "({} = 'true')"),
    ("boolean", "boolean"): _same,
}
