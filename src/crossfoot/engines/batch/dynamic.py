"""Expressions over raw values, whose type each record decides: alternatives of static SQL under conditions.

`definition.sql` renders one operation over arguments of known types. Here an argument is a list of alternatives: the
operation is rendered for each combination, and results of one type are one alternative again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from crossfoot.definition.expression import Call, Cast, Expression, Literal, Reference
from crossfoot.definition.sql import NotRenderable, operation, to_sql
from crossfoot.definition.sql_casts import cast
from crossfoot.definition.sql_parts import Sql, case, first
from crossfoot.definition.types import BOOLEAN, EXACT, INTEGER, NUMBER, TEXT, Kinds
from crossfoot.engines.batch.literals import WHOLE

ALWAYS = "TRUE"
RAW_SCALE = 18
"""A raw fraction is held with this many places; its own number of places matters to arithmetic and to its text."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """What an expression is where `condition` holds; `said`: the digits of a raw fraction."""

    condition: str
    sql: Sql
    said: str | None = None


Dynamic = tuple[Alternative, ...]
ReadReference = Callable[[Reference], Dynamic]


def static(sql: Sql) -> Dynamic:
    return (Alternative(ALWAYS, sql),)


def raw(kind: str, said: str) -> Dynamic:
    """The value at a path, as an expression sees it."""
    whole = f"{kind} IN ({', '.join(WHOLE)}, 'DOUBLE')"
    is_integer = f"{whole} AND cf_integer({said}) IS NOT NULL"
    parts = f"(cf_canonical({said}))"
    scaled = f"{parts}.e BETWEEN -{RAW_SCALE} AND -1 AND TRY_CAST({parts}.d AS BIGINT) IS NOT NULL"
    is_float = f"{whole} AND NOT ({scaled}) AND cf_integer({said}) IS NULL"
    double = f"cf_double({said})"
    fraction = f"CAST(cf_fraction({said}) AS HUGEINT)"
    return (
        Alternative(f"coalesce({kind}, 'NULL') = 'NULL'", Sql("NULL", "null")),
        Alternative(f"{kind} = 'VARCHAR'", Sql(said, "text")),
        Alternative(is_integer, Sql(f"cf_integer({said})", "integer")),
        Alternative(f"{kind} = 'DOUBLE' AND {scaled}", Sql(fraction, "decimal", RAW_SCALE), said),
        Alternative(is_float, Sql(double, "float", 0, f"CASE WHEN {double} IS NULL THEN 'range' END")),
        Alternative(f"{kind} = 'BOOLEAN'", Sql(f"({said} = 'true')", "boolean")),
        Alternative(f"{kind} IN ('ARRAY', 'OBJECT')", Sql("NULL", "null", 0, "'type'")),
    )


def of_json(column: str) -> Dynamic:
    """A field without a declared type, which is kept as JSON text."""
    begins = f"left({column}, 1)"
    return (
        Alternative(f"{column} IS NULL", Sql("NULL", "null")),
        Alternative(f"{begins} = '\"'", Sql(f"json_extract_string({column}, '$')", "text")),
        Alternative(f"{begins} IN ('t', 'f')", Sql(f"({column} = 'true')", "boolean")),
        Alternative(f"{begins} NOT IN ('\"', 't', 'f')", Sql(f"TRY_CAST({column} AS BIGINT)", "integer")),
    )


def dynamic(node: Expression, read: ReadReference) -> Dynamic:
    """The alternatives of an expression. NotRenderable where no static SQL has its values."""
    if isinstance(node, Literal):
        return static(to_sql(node, lambda _: Sql("NULL", "null")))
    if isinstance(node, Cast):
        inner = dynamic(node.value, read)
        return _merged([Alternative(each.condition, _cast(node, each)) for each in inner])
    if not isinstance(node, Call):
        return read(node)
    arguments = [dynamic(argument, read) for argument in node.args]
    return _merged([_applied(node, combined) for combined in product(*arguments)])


def single(node: Expression, read: ReadReference) -> Sql:
    """An expression of one type."""
    return single_of(dynamic(node, read), node)


def single_of(found: Iterable[Alternative], node: Expression) -> Sql:
    """Alternatives of one type as one."""
    merged = _merged([Alternative(each.condition, each.sql) for each in found])
    if len(merged) > 1:
        raise NotRenderable(node, "gives values of several types; cast it to one")
    return _guarded(merged[0])


def _guarded(one: Alternative) -> Sql:
    if one.condition == ALWAYS:
        return one.sql
    sql = one.sql
    error = case((one.condition, sql.error)) if sql.error else None
    return Sql(case((one.condition, sql.value)), sql.type, sql.scale, error)


def _merged(found: list[Alternative]) -> Dynamic:
    """One alternative for each type; what is always null joins the first of them."""
    if len(found) == 1:
        return (found[0],)
    types = dict.fromkeys((each.sql.type, each.sql.scale) for each in found if each.sql.type != "null")
    if not types:
        types = {("null", 0): None}
    groups = {kind: [each for each in found if (each.sql.type, each.sql.scale) == kind] for kind in types}
    if ("null", 0) not in groups:
        next(iter(groups.values())).extend(each for each in found if each.sql.type == "null")
    return tuple(_one(kind, group) for kind, group in groups.items())


def _one(kind: tuple[str, int], group: list[Alternative]) -> Alternative:
    if len(group) == 1:
        return group[0]
    value = case(*[(each.condition, each.sql.value) for each in group])
    errors = [(each.condition, each.sql.error) for each in group if each.sql.error]
    condition = ALWAYS if any(each.condition == ALWAYS for each in group) else _either(group)
    return Alternative(condition, Sql(value, kind[0], kind[1], case(*errors) if errors else None))


def _either(group: list[Alternative]) -> str:
    return "(" + " OR ".join([f"({each.condition})" for each in group]) + ")"


def _applied(node: Call, arguments: tuple[Alternative, ...]) -> Alternative:
    condition = _all([each.condition for each in arguments])
    parts = [_truth(each.sql) if wants else each.sql for each, wants in zip(arguments, _truths(node), strict=True)]
    if node.op in _ARITHMETIC and any(each.said for each in arguments):
        raise NotRenderable(
            node, "calculates with a raw number as it is written; cast it to integer, decimal(n) or float"
        )
    wrong = _mismatch(node, parts)
    return Alternative(condition, operation(node, parts) if wrong is None else wrong)


def _all(conditions: list[str]) -> str:
    there = [f"({each})" for each in conditions if each != ALWAYS]
    return " AND ".join(there) or ALWAYS


_ARITHMETIC = frozenset({"add", "sub", "mul", "neg"})
_WANTS: Mapping[str, Kinds] = {
    **dict.fromkeys(("lower", "upper", "trim", "concat", "like"), TEXT),
    **dict.fromkeys(("add", "sub", "mul", "div", "neg"), NUMBER),
    "mod": INTEGER,
    "not": BOOLEAN,
}
_GIVES: Mapping[str, str] = {
    **dict.fromkeys(("lower", "upper", "trim", "concat", "substr"), "text"),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "like", "not"), "boolean"),
    "mod": "integer",
    "div": "float",
}
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})


def _truths(node: Call) -> list[bool]:
    """Which arguments are conditions."""
    if node.op in ("and", "or"):
        return [True] * len(node.args)
    if node.op == "case":
        return [place % 2 == 0 and place < len(node.args) - 1 for place in range(len(node.args))]
    return [False] * len(node.args)


def _truth(part: Sql) -> Sql:
    """A condition: another type is an error, unless it is null."""
    if part.type in ("boolean", "null"):
        return part
    error = first(part.error, f"CASE WHEN {part.value} IS NOT NULL THEN 'type' END")
    return Sql("CAST(NULL AS BOOLEAN)", "boolean", 0, error)


def _mismatch(node: Call, parts: list[Sql]) -> Sql | None:
    """The result where the types are wrong: null if an argument is, else an error."""
    if node.op == "in":
        return _in_mismatch(node, parts)
    if _fits(node, parts):
        return None
    nothing = " AND ".join([f"{part.value} IS NOT NULL" for part in parts])
    error = first(*[part.error for part in parts], f"CASE WHEN {nothing} THEN 'type' END")
    kind = _GIVES.get(node.op, "null")
    return Sql(f"CAST(NULL AS {_SQL_TYPES.get(kind, 'VARCHAR')})", kind, 0, error)


_SQL_TYPES = {"boolean": "BOOLEAN", "integer": "BIGINT", "float": "DOUBLE", "text": "VARCHAR"}


def _fits(node: Call, parts: list[Sql]) -> bool:
    types = [part.type for part in parts if part.type != "null"]
    if node.op in _COMPARISONS:
        return len({_class(each) for each in types}) <= 1
    if node.op == "substr":
        return parts[0].type in ("text", "null") and all(part.type in ("integer", "null") for part in parts[1:])
    return node.op not in _WANTS or set(types) <= _WANTS[node.op]


def _in_mismatch(node: Call, parts: list[Sql]) -> Sql | None:
    """`x IN (a, b)` is `x = a OR x = b`; a member of another class is an error where it is reached."""
    if len({_class(part.type) for part in parts if part.type != "null"}) <= 1:
        return None
    value, *members = parts
    equals = [_mismatch_or_equal(node, value, member) for member in members]
    return equals[0] if len(equals) == 1 else operation(Call("or", node.args[1:]), equals)


def _mismatch_or_equal(node: Call, value: Sql, member: Sql) -> Sql:
    one = Call("eq", (node.args[0], node.args[0]))
    return _mismatch(one, [value, member]) or operation(one, [value, member])


def _class(kind: str) -> str:
    return "number" if kind in NUMBER else kind


def _cast(node: Cast, each: Alternative) -> Sql:
    if each.said is None:
        return cast(node, each.sql)
    if node.to == "decimal":
        value = f"cf_decimal({each.said}, {node.scale})"
        return Sql(value, "decimal", node.scale, f"CASE WHEN {value} IS NULL THEN 'range' END")
    if node.to == "float":
        return Sql(f"cf_double({each.said})", "float")
    shown = cast(node, each.sql)
    return Sql(f"rtrim({shown.value}, '0')", "text", 0, shown.error) if node.to == "text" else shown


__all__ = ["ALWAYS", "EXACT", "Alternative", "Dynamic", "dynamic", "of_json", "raw", "single", "static"]
