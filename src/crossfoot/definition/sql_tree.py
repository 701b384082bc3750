"""SQL text -> tree. sqlglot reads the SQL; only the constructs of the subset pass, each other one is named.

Two steps: the tokens are checked and every word that is no keyword here becomes a plain name (so `timestamp`, `user`
and `a.end` are names, whatever SQL thinks of them); then sqlglot's tree is converted, node by node, by a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError

from crossfoot.definition import number, words
from crossfoot.definition.expression import Call, Cast, CastName, Expression, Literal, Reference
from crossfoot.definition.number import NumberError
from crossfoot.definition.parse import ExpressionError

Name = Callable[[tuple[str, ...], int], Reference]
"""The parts of a name, and where it stands -> what it refers to."""

_CAST_NAMES: Mapping[str, CastName] = {
    "TEXT": "text",
    "VARCHAR": "text",
    "INT": "integer",
    "BIGINT": "integer",
    "DECIMAL": "decimal",
    "FLOAT": "float",
    "DOUBLE": "float",
    "BOOLEAN": "boolean",
}


def read_sql(text: str, name: Name) -> Expression:
    """The tree of an expression; ExpressionError where it is none of ours."""
    return _Reader(text, name).read(_sqlglot_tree(text))


def _sqlglot_tree(text: str) -> exp.Expression:
    dialect, tree = Dialect.get_or_raise(""), None
    try:
        tokens = words.checked_tokens(dialect.tokenize(text), text)
        with suppress(IndexError):  # of a keyword that stands alone
            tree = dialect.parser().parse(tokens, text)[0]
    except TokenError as error:
        raise ExpressionError("CF1201", 0, text, what="a quote or comment is not closed") from error
    except ParseError as error:
        raise _located(error, text) from error
    if not isinstance(tree, exp.Expression):
        raise ExpressionError("CF1201", 0, text, what=f"unexpected {text!r}")
    return tree


def _located(error: ParseError, text: str) -> ExpressionError:
    """sqlglot's error in our words, at our offset."""
    first = error.errors[0]
    here = str(first["highlight"])
    lines = text.splitlines(keepends=True)
    offset = sum(len(line) for line in lines[: int(first["line"]) - 1]) + int(first["col"]) - len(here)
    description = str(first["description"])
    if description.startswith("The number of provided arguments"):
        return ExpressionError("CF1209", max(offset, 0), here)
    known = {"Required keyword": f"something is missing near {here!r}", "Expect": f"the end is missing after {here!r}"}
    what = next((said for start, said in known.items() if description.startswith(start)), f"unexpected {here!r}")
    return ExpressionError("CF1201", max(offset, 0), here, what=what)


class _Reader:
    """sqlglot's nodes -> ours."""

    def __init__(self, text: str, name: Name) -> None:
        self.text = text
        self.name = name

    def read(self, node: exp.Expression) -> Expression:
        convert = _CONVERTERS.get(type(node))
        if convert is None:
            raise self.refused(node)
        return convert(self, node)

    def refused(self, node: exp.Expression, message_id: str = "CF1202", **values: str) -> ExpressionError:
        """An error about the part of the text that the node was read from; about all of it where that is not known."""
        start = _offset(node)
        end = max((int(inner.meta["end"]) for inner in node.walk() if "end" in inner.meta), default=len(self.text))
        return ExpressionError(message_id, start, self.text[start : end + 1], **values)

    def call(self, op: str, *nodes: exp.Expression) -> Expression:
        return Call(op, tuple([self.read(node) for node in nodes]))


def _offset(node: exp.Expression) -> int:
    """The first place that sqlglot remembers inside the node."""
    return min((int(inner.meta["start"]) for inner in node.walk() if "start" in inner.meta), default=0)


def _parts(node: exp.Expression) -> list[exp.Expression]:
    if isinstance(node, exp.Dot):
        return [*_parts(node.this), node.expression]
    if isinstance(node, exp.Column):
        return [node.args[key] for key in ("catalog", "db", "table", "this") if node.args.get(key)]
    return [node]


def _reference(reader: _Reader, node: exp.Expression) -> Expression:
    parts = _parts(node)
    if not all(isinstance(part, exp.Identifier) for part in parts):
        raise reader.refused(node)
    return reader.name(tuple(str(part.this) for part in parts), _offset(node))


def _literal(_: _Reader, node: exp.Expression) -> Expression:
    return Literal(str(node.this)) if node.is_string else _number(str(node.this), _offset(node))


def _number(text: str, offset: int) -> Literal:
    """Digits are an integer, a point makes a decimal with the places written, an exponent a float."""
    try:
        if "e" in text.lower():
            return Literal(number.float_from_literal(text))
        whole, point, fraction = text.lstrip("-").partition(".")
        scaled = int(whole + fraction) if len(whole + fraction) <= 60 else number.INT_MAX + 1
        scaled = -scaled if text.startswith("-") else scaled
        return Literal(number.make_decimal(scaled, len(fraction)) if point else number.checked(scaled))
    except NumberError as error:
        raise ExpressionError("CF1204", offset, text) from error


def _neg(reader: _Reader, node: exp.Expression) -> Expression:
    inner = node.this
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return _number(f"-{inner.this}", _offset(inner))
    return reader.call("neg", inner)


def _chain(op: str) -> Callable[[_Reader, exp.Expression], Expression]:
    """`a op b op c` as one call; sqlglot nests it to the left, and parentheses stay calls of their own."""

    def convert(reader: _Reader, node: exp.Expression) -> Expression:
        kind, operands = type(node), []
        while type(node) is kind:
            operands.append(node.expression)
            node = node.this
        return reader.call(op, node, *reversed(operands))

    return convert


def _binary(op: str) -> Callable[[_Reader, exp.Expression], Expression]:
    return lambda reader, node: reader.call(op, node.this, node.expression)


def _unary(op: str) -> Callable[[_Reader, exp.Expression], Expression]:
    return lambda reader, node: reader.call(op, node.this)


def _in(reader: _Reader, node: exp.Expression) -> Expression:
    members = node.args.get("expressions")
    if not members:
        raise reader.refused(node, "CF1201", what="IN needs a list of values")
    return reader.call("in", node.this, *members)


def _between(reader: _Reader, node: exp.Expression) -> Expression:
    value, low, high = (reader.read(node.args[key]) for key in ("this", "low", "high"))
    return Call("and", (Call("ge", (value, low)), Call("le", (value, high))))


def _like(reader: _Reader, node: exp.Expression, *escape: exp.Expression) -> Expression:
    for pattern in (node.expression, *escape):
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            raise reader.refused(pattern, "CF1205")
    call = reader.call("like", node.this, node.expression, *escape)
    return Call("not", (call,)) if node.args.get("negate") else call


def _escape(reader: _Reader, node: exp.Expression) -> Expression:
    return _like(reader, node.this, node.expression) if isinstance(node.this, exp.Like) else _refuse(reader, node)


def _refuse(reader: _Reader, node: exp.Expression) -> Expression:
    raise reader.refused(node)


def _is(reader: _Reader, node: exp.Expression) -> Expression:
    if not isinstance(node.expression, exp.Null):
        raise reader.refused(node)
    return reader.call("is_null", node.this)


def _case(reader: _Reader, node: exp.Expression) -> Expression:
    base = reader.read(node.this) if node.args.get("this") else None
    args: list[Expression] = []
    for branch in node.args["ifs"]:
        condition = reader.read(branch.this)
        args += [condition if base is None else Call("eq", (base, condition)), reader.read(branch.args["true"])]
    otherwise = node.args.get("default")
    return Call("case", (*args, reader.read(otherwise) if otherwise else Literal(None)))


def _substr(reader: _Reader, node: exp.Expression) -> Expression:
    if not node.args.get("start"):
        raise reader.refused(node, "CF1209")
    return reader.call("substr", *[node.args[key] for key in ("this", "start", "length") if node.args.get(key)])


def _listed(op: str) -> Callable[[_Reader, exp.Expression], Expression]:
    return lambda reader, node: reader.call(op, *filter(None, [node.args.get("this")]), *node.expressions)


def _cast(reader: _Reader, node: exp.Expression) -> Expression:
    target = node.args["to"]
    name, parameters = _CAST_NAMES.get(target.this.name), [parameter.sql() for parameter in target.expressions]
    places = parameters[0] if parameters else "0"
    fits = places.isdecimal() and int(places) <= number.SCALE_MAX
    if name is None or len(parameters) != (1 if name == "decimal" else 0) or not fits:
        raise reader.refused(node, "CF1206")
    return Cast(reader.read(node.this), name, int(places))


_CONVERTERS: Mapping[type[exp.Expression], Callable[[_Reader, exp.Expression], Expression]] = {
    exp.Paren: lambda reader, node: reader.read(node.this),
    exp.Column: _reference,
    exp.Dot: _reference,
    exp.Literal: _literal,
    exp.Boolean: lambda _, node: Literal(bool(node.this)),
    exp.Null: lambda _, __: Literal(None),
    exp.Neg: _neg,
    exp.And: _chain("and"),
    exp.Or: _chain("or"),
    exp.DPipe: _chain("concat"),
    exp.Not: _unary("not"),
    exp.EQ: _binary("eq"),
    exp.NEQ: _binary("ne"),
    exp.LT: _binary("lt"),
    exp.LTE: _binary("le"),
    exp.GT: _binary("gt"),
    exp.GTE: _binary("ge"),
    exp.Add: _binary("add"),
    exp.Sub: _binary("sub"),
    exp.Mul: _binary("mul"),
    exp.Div: _binary("div"),
    exp.Mod: _binary("mod"),
    exp.In: _in,
    exp.Between: _between,
    exp.Like: _like,
    exp.Escape: _escape,
    exp.Is: _is,
    exp.Case: _case,
    exp.Coalesce: _listed("coalesce"),
    exp.Concat: _listed("concat"),
    exp.Lower: _unary("lower"),
    exp.Upper: _unary("upper"),
    exp.Trim: _unary("trim"),
    exp.Substring: _substr,
    exp.Cast: _cast,
}
