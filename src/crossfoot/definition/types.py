"""What an expression can give: the set of runtime types of its values that are not null, found without any data.

The empty set is an expression that is always null. An expression that can never be right (a text compared with a
number, LOWER of an integer) is a TypeMismatchError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from crossfoot.definition.expression import Call, Cast, Expression, Literal, Reference
from crossfoot.definition.text import render

Kinds: TypeAlias = frozenset[str]
KindsOf: TypeAlias = Callable[[Reference], Kinds]

BOOLEAN: Kinds = frozenset({"boolean"})
INTEGER: Kinds = frozenset({"integer"})
FLOAT: Kinds = frozenset({"float"})
TEXT: Kinds = frozenset({"text"})
EXACT: Kinds = frozenset({"integer", "decimal"})
NUMBER: Kinds = EXACT | FLOAT
ANYTHING: Kinds = NUMBER | BOOLEAN | TEXT
CLASSES: tuple[Kinds, ...] = (NUMBER, BOOLEAN, TEXT)

_LITERALS = {"bool": BOOLEAN, "int": INTEGER, "Decimal": frozenset({"decimal"}), "float": FLOAT, "str": TEXT}
_CASTABLE: Mapping[str, Kinds] = {
    "text": TEXT | EXACT | BOOLEAN,
    "integer": TEXT | NUMBER,
    "decimal": TEXT | EXACT,
    "float": TEXT | NUMBER,
    "boolean": TEXT | BOOLEAN,
}

# What a field's declared type gives to the expressions that read it.
DECLARED: Mapping[str, Kinds] = {
    "any": frozenset({"text", "integer", "boolean"}),
    "text": TEXT,
    "integer": INTEGER,
    "decimal": frozenset({"decimal"}),
    "float": FLOAT,
    "boolean": BOOLEAN,
}

# What an expression may give for a field of a declared type.
ACCEPTED: Mapping[str, Kinds] = {**DECLARED, "integer": EXACT, "decimal": EXACT, "float": NUMBER}


class TypeMismatchError(Exception):
    """`node` can never be evaluated: `message` says why."""

    def __init__(self, node: Expression, message: str) -> None:
        super().__init__(message)
        self.node = node
        self.message = message


def say(kinds: Iterable[str]) -> str:
    """``integer, decimal or float``."""
    names = [name for name in ("text", "integer", "decimal", "float", "boolean") if name in kinds]
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "null"


def infer(node: Expression, kinds_of: KindsOf) -> Kinds:
    """The types that `node` can give; TypeMismatchError at the first part that can never be right."""
    if isinstance(node, Literal):
        return _LITERALS.get(type(node.value).__name__, frozenset())
    if isinstance(node, Cast):
        _want(infer(node.value, kinds_of), _CASTABLE[node.to], node, f"CAST to {node.to}")
        return frozenset({node.to})
    if isinstance(node, Call):
        return _RULES[node.op](node, [infer(argument, kinds_of) for argument in node.args])
    return kinds_of(node)


def _want(found: Kinds, wanted: Kinds, node: Expression, who: str) -> Kinds:
    """The part of `found` that is wanted; always-null passes anywhere."""
    if found and not found & wanted:
        raise TypeMismatchError(node, f"{who} takes {say(wanted)}, and {render(node)!r} gives it {say(found)}")
    return found & wanted


_Rule: TypeAlias = Callable[[Call, list[Kinds]], Kinds]


def _takes(wanted: Kinds, gives: Kinds) -> _Rule:
    """Every argument is of `wanted`."""

    def rule(node: Call, found: list[Kinds]) -> Kinds:
        for kinds in found:
            _want(kinds, wanted, node, node.op.upper())
        return gives

    return rule


def _compare(node: Call, found: list[Kinds]) -> Kinds:
    """Each further argument shares a class (number, text, boolean) with the first."""
    first = _classes(found[0])
    for kinds in found[1:]:
        if first and kinds and not first & _classes(kinds):
            raise TypeMismatchError(node, f"{render(node)!r} compares {say(found[0])} with {say(kinds)}")
    return BOOLEAN


def _classes(kinds: Kinds) -> Kinds:
    return frozenset().union(*[group for group in CLASSES if group & kinds])


def _arithmetic(node: Call, found: list[Kinds]) -> Kinds:
    left, right = (_want(kinds, NUMBER, node, node.op.upper()) for kinds in found)
    return frozenset({_wider(a, b) for a in left for b in right})


def _wider(a: str, b: str) -> str:
    return next(name for name in ("float", "decimal", "integer") if name in (a, b))


def _neg(node: Call, found: list[Kinds]) -> Kinds:
    return _want(found[0], NUMBER, node, "NEG")


def _case(node: Call, found: list[Kinds]) -> Kinds:
    for kinds in found[:-1:2]:
        _want(kinds, BOOLEAN, node, "WHEN")
    return frozenset().union(*found[1::2], found[-1])


def _union(_: Call, found: list[Kinds]) -> Kinds:
    return frozenset().union(*found)


def _substr(node: Call, found: list[Kinds]) -> Kinds:
    _want(found[0], TEXT, node, "SUBSTR")
    for kinds in found[1:]:
        _want(kinds, INTEGER, node, "the place in SUBSTR")
    return TEXT


def _like(node: Call, found: list[Kinds]) -> Kinds:
    for part in node.args[1:]:
        if not (isinstance(part, Literal) and isinstance(part.value, str)):
            raise TypeMismatchError(node, f"the pattern of LIKE is a text in quotes, not {render(part)!r}")
    pattern, escape = ([part.value for part in node.args[1:] if isinstance(part, Literal)] + [""])[:2]
    if not _ends_well(str(pattern), str(escape)):
        raise TypeMismatchError(node, f"the escape of LIKE is one character with another after it, not {escape!r}")
    return _takes(TEXT, BOOLEAN)(node, found)


def _ends_well(pattern: str, escape: str) -> bool:
    """Whether the escape is at most one character, and none stands alone at the pattern's end."""
    if len(escape) != 1:
        return not escape
    return not pattern.replace(escape * 2, "").endswith(escape)


_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(("and", "or", "not"), _takes(BOOLEAN, BOOLEAN)),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "in"), _compare),
    **dict.fromkeys(("add", "sub", "mul"), _arithmetic),
    **dict.fromkeys(("lower", "upper", "trim", "concat"), _takes(TEXT, TEXT)),
    "like": _like,
    "is_null": _takes(ANYTHING, BOOLEAN),
    "div": _takes(NUMBER, FLOAT),
    "mod": _takes(INTEGER, INTEGER),
    "neg": _neg,
    "case": _case,
    "coalesce": _union,
    "substr": _substr,
}
