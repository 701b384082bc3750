"""DuckDB's SQL as the generator writes it -> BigQuery's: sqlglot, and one table of what it does not translate."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from sqlglot import exp, parse_one

from crossfoot.engines.batch.sql import plain_regex

Rule: TypeAlias = Callable[[list[Any]], Any]
_UNSAFE = re.compile(r"[^A-Za-z0-9_]")


def _call(name: str, *arguments: Any) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _text(value: Any) -> exp.Expression:
    return exp.Literal.string(value)


def _number(value: int) -> exp.Expression:
    return exp.Literal.number(value)


def _cast(value: Any, kind: str, safe: bool = False) -> exp.Expression:
    made: exp.Expression = exp.cast(value, exp.DataType.build(kind, dialect="bigquery"))
    return exp.TryCast(this=value, to=made.args["to"], safe=True) if safe else made


def _either(*conditions: exp.Expression) -> exp.Expression:
    return exp.paren(exp.or_(*conditions))


def _full_match(arguments: list[Any]) -> exp.Expression:
    value, pattern = arguments
    return _call("REGEXP_CONTAINS", value, _text(f"^(?:{pattern.name})$"))


def _split_part(arguments: list[Any]) -> exp.Expression:
    value, separator, number = arguments
    part = exp.Bracket(this=_call("SPLIT", value, separator), expressions=[_number(int(number.name) - 1)])
    part.set("offset", 0)
    part.set("safe", True)
    return exp.Coalesce(this=part, expressions=[_text("")])


def _json(arguments: list[Any]) -> exp.Expression:
    return _call(
        "IF", exp.Is(this=arguments[0], expression=exp.Null()), exp.Null(), _call("TO_JSON_STRING", *arguments)
    )


def _row(arguments: list[Any]) -> exp.Expression:
    named = [exp.alias_(each, f"c{place}") for place, each in enumerate(arguments)]
    return _call("TO_JSON_STRING", _call("STRUCT", *named))


def _finite(arguments: list[Any]) -> exp.Expression:
    value = arguments[0]
    return exp.paren(exp.not_(_either(_call("IS_INF", value), _call("IS_NAN", value.copy()))))


_CALLS: dict[str, Rule] = {
    "epoch_us": lambda a: _call("UNIX_MICROS", *a),
    "make_timestamptz": lambda a: _call("TIMESTAMP_MICROS", *a),
    "regexp_full_match": _full_match,
    "split_part": _split_part,
    "json_extract_string": lambda a: _call("JSON_VALUE", a[0], _text("$")),
    "to_json": _json,
    "row": _row,
    "isfinite": _finite,
    "concat_ws": lambda a: _call("ARRAY_TO_STRING", exp.Array(expressions=a[1:]), a[0]),
}
"""DuckDB's function -> what BigQuery says for it."""


def _at(arguments: list[Any]) -> exp.Expression:
    return _element(arguments[0], arguments[1], 0)


def _nth(arguments: list[Any]) -> exp.Expression:
    """The nth value of a column in its order, nulls left out."""
    said = arguments[0].sql(dialect="bigquery")
    return _element(parse_one(f"ARRAY_AGG({said} IGNORE NULLS ORDER BY {said})", read="bigquery"), arguments[1], 1)


def _element(items: Any, number: Any, first: int) -> exp.Expression:
    return exp.Bracket(this=items, expressions=[number], offset=first, safe=True)


def _unnest(items: Any, name: Any, table: bool) -> exp.Unnest:
    said = exp.TableAlias(columns=[exp.to_identifier(name)]) if table else exp.TableAlias(this=exp.to_identifier(name))
    return exp.Unnest(expressions=[items], alias=said)


def _any(arguments: list[Any]) -> exp.Expression:
    one = exp.select("1").from_(_unnest(arguments[0], "e", True)).where(arguments[1])
    return exp.Exists(this=one)


_CALLS = {
    **_CALLS,
    "cf_at": _at,
    "cf_nth": _nth,
    "cf_any": _any,
    "cf_record": lambda a: _call("STRUCT", *a),
    "cf_append": lambda a: _call("ARRAY_CONCAT", a[0], exp.Array(expressions=[a[1]])),
}
"""And what the generator asks of BigQuery alone."""

_EPOCH = "1970-01-01"
_PARTS = {"e": "cf_exponent", "d": "cf_digits"}
_TYPES = {"INT128": "BIGNUMERIC"}


def translated(sql: str) -> str:
    """The same query in BigQuery's dialect."""
    recursive = sql.startswith("RECURSIVE ")
    tree: Any = parse_one(sql.removeprefix("RECURSIVE "), read="duckdb")
    for node in reversed(list(tree.bfs())):
        found = _node(node)
        if found is not node and node.parent is not None:
            node.replace(found)
    return ("RECURSIVE " if recursive else "") + str(tree.sql(dialect="bigquery"))


def _node(node: Any) -> Any:
    if isinstance(node, exp.Identifier) and _UNSAFE.search(node.name):
        return exp.to_identifier(column_name(node.name), quoted=True)
    if isinstance(node, exp.DataType) and node.this.name in _TYPES:
        return exp.DataType.build(_TYPES[node.this.name], dialect="bigquery")
    if isinstance(node, exp.Dot) and isinstance(node.this, exp.Paren):
        inner = node.this.this
        if isinstance(inner, exp.Anonymous) and inner.name == "cf_canonical":
            return _call(_PARTS[node.expression.name], *inner.expressions)
    if isinstance(node, exp.Ordered) and isinstance(node.find_ancestor(exp.Window, exp.Select), exp.Window):
        # What windows are ordered by is never null, and BigQuery has no word for where nulls go there.
        node.set("nulls_first", True)
    if isinstance(node, exp.Like | exp.Escape):
        return _like(node)
    if isinstance(node, exp.Sum):
        return exp.Sum(this=_cast(node.this, "BIGNUMERIC")) if not isinstance(node.this, exp.Cast) else node
    if isinstance(node, exp.Add) and isinstance(node.this, exp.Cast) and node.this.this.name == _EPOCH:
        return _call("DATE_FROM_UNIX_DATE", node.expression)
    name = _name_of(node)
    return _CALLS[name](_arguments(node)) if name in _CALLS else node


def column_name(name: str) -> str:
    """A column's name, with no other than letters, digits and lines in it."""
    return _UNSAFE.sub("_", name)


def _name_of(node: Any) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    return _KNOWN.get(type(node), "")


def _arguments(node: Any) -> list[Any]:
    if isinstance(node, exp.Anonymous):
        return list(node.expressions)
    return [each for key in node.arg_types for each in _listed(node.args.get(key))]


def _listed(value: Any) -> list[Any]:
    return [] if value is None or isinstance(value, bool) else value if isinstance(value, list) else [value]


def _known() -> dict[type, str]:
    """Functions that sqlglot reads as something of its own."""
    found = {}
    for name in _CALLS:
        node = parse_one(f"{name}(a, 'b', 1)" if name == "split_part" else f"{name}(a, b)", read="duckdb")
        if not isinstance(node, exp.Anonymous):
            found[type(node)] = name
    return found


_KNOWN: dict[type, str] = _known()


def _like(node: Any) -> Any:
    """BigQuery's LIKE has a backslash for an escape and no other: a regular expression says the same."""
    escape = node.expression.name if isinstance(node, exp.Escape) else ""
    like = node.this if isinstance(node, exp.Escape) else node
    if isinstance(node, exp.Like) and isinstance(node.parent, exp.Escape):
        return node
    return _call("REGEXP_CONTAINS", like.this, _text(_regex_of(like.expression.name, escape)))


def _regex_of(pattern: str, escape: str) -> str:
    """What LIKE means by a pattern."""
    found, place = "", 0
    while place < len(pattern):
        letter = pattern[place]
        if letter == escape and escape and place + 1 < len(pattern):
            place += 1
            found += plain_regex(pattern[place])
        else:
            found += {"%": ".*", "_": "."}.get(letter) or plain_regex(letter)
        place += 1
    return f"(?s)^{found}$"
