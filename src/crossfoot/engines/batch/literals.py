"""A raw value -> a value of a declared type: columns `kN` and `sN` of `decode` -> value and error.

Strict as section 6 says: no text is a number, true is not 1; formats that know only texts read numbers from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crossfoot.definition.model import FieldType
from crossfoot.definition.sql_parts import Sql, case

VALUE = "{value}"
"""Stands in an error for the value, which is a column then: the usual record is asked for it first."""
INTEGER_GRAMMAR = "-?(0|[1-9][0-9]*)"
NUMBER_GRAMMAR = INTEGER_GRAMMAR + r"(\.[0-9]+)?([eE][+-]?[0-9]+)?"
WHOLE = ("'BIGINT'", "'UBIGINT'")
_INTS = f"({', '.join(WHOLE)})"
_NUMBERS = f"({', '.join(WHOLE)}, 'DOUBLE')"


def direct(kind: str, said: str, wanted: FieldType, untyped: bool) -> Sql:
    """A field that is a path."""
    return _READS[wanted.name](kind, said, wanted.scale, untyped)


def _there(kind: str) -> str:
    return f"{kind} IS NOT NULL AND {kind} <> 'NULL'"


def _made(value: str, kind: str, name: str, scale: int, fits: str) -> Sql:
    """`fits`: whether the kind is right; a value of it that is null does not fit 64 bits, or is not finite."""
    there = (f"{VALUE} IS NOT NULL", "NULL")
    wrong = case(there, (f"NOT ({_there(kind)})", "NULL"), (f"NOT ({fits})", "'type'"), otherwise="'range'")
    return Sql(value, name, scale, wrong)


def _other(kind: str, said: str) -> str:
    """The error where no number is wanted: one that nothing holds is out of range before it is of the wrong type."""
    huge = f"{kind} = 'DOUBLE' AND cf_double({said}) IS NULL"
    return case((f"{VALUE} IS NOT NULL", "NULL"), (huge, "'range'"), (_there(kind), "'type'"))


def _text(kind: str, said: str, _scale: int, _untyped: bool) -> Sql:
    return Sql(f"CASE WHEN {kind} = 'VARCHAR' THEN {said} END", "text", 0, _other(kind, said))


def _boolean(kind: str, said: str, _scale: int, untyped: bool) -> Sql:
    fits = f"{kind} = 'BOOLEAN'" + (f" OR ({kind} = 'VARCHAR' AND {said} IN ('true', 'false'))" if untyped else "")
    value = f"CASE WHEN {fits} THEN {said} = 'true' END"
    return Sql(value, "boolean", 0, _other(kind, said))


def _integer(kind: str, said: str, _scale: int, untyped: bool) -> Sql:
    branches = [(f"{kind} IN {_INTS}", f"TRY_CAST({said} AS BIGINT)"), (f"{kind} = 'DOUBLE'", f"cf_integer({said})")]
    fits = f"{kind} IN {_INTS} OR ({kind} = 'DOUBLE' AND cf_integral({said}))"
    if untyped:
        grammar = f"{kind} = 'VARCHAR' AND regexp_full_match({said}, '{INTEGER_GRAMMAR}')"
        branches.append((grammar, f"TRY_CAST({said} AS BIGINT)"))
        fits += f" OR ({grammar})"
    return _made(case(*branches), kind, "integer", 0, fits)


def _decimal(kind: str, said: str, scale: int, _untyped: bool) -> Sql:
    grammar = f"{kind} = 'VARCHAR' AND regexp_full_match({said}, '{NUMBER_GRAMMAR}')"
    fits = f"{kind} IN {_NUMBERS} OR ({grammar})"
    return _made(f"CASE WHEN {fits} THEN cf_decimal({said}, {scale}) END", kind, "decimal", scale, fits)


def _float(kind: str, said: str, _scale: int, untyped: bool) -> Sql:
    fits = f"{kind} IN {_NUMBERS}"
    fits += f" OR ({kind} = 'VARCHAR' AND regexp_full_match({said}, '{NUMBER_GRAMMAR}'))" if untyped else ""
    return _made(f"CASE WHEN {fits} THEN cf_double({said}) END", kind, "float", 0, fits)


def _any(kind: str, said: str, _scale: int, _untyped: bool) -> Sql:
    """Text, integer or boolean, as JSON text."""
    whole = f"coalesce(CAST(cf_integer({said}) AS VARCHAR), '')"
    value = case(
        (f"{kind} = 'VARCHAR'", f"CAST(to_json({said}) AS VARCHAR)"),
        (f"{kind} = 'BOOLEAN'", said),
        (f"{kind} IN {_NUMBERS}", f"nullif({whole}, '')"),
    )
    return Sql(value, "any", 0, _other(kind, said))


_READS: Mapping[str, Callable[[str, str, int, bool], Sql]] = {
    "text": _text,
    "boolean": _boolean,
    "integer": _integer,
    "decimal": _decimal,
    "float": _float,
    "any": _any,
}
