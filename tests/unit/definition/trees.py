"""Random well-typed expressions over a fixed table, and random rows of it."""

from decimal import Decimal

from hypothesis import strategies as st

from crossfoot.definition.expression import Call, Cast, Expression, FieldRef, Literal, Path
from crossfoot.definition.number import INT_MAX, INT_MIN, make_decimal

# Name -> (type, scale).
COLUMNS: dict[str, tuple[str, int]] = {
    "i": ("integer", 0),
    "n": ("integer", 0),
    "d": ("decimal", 2),
    "m": ("decimal", 6),
    "f": ("float", 0),
    "g": ("float", 0),
    "t": ("text", 0),
    "u": ("text", 0),
    "b": ("boolean", 0),
}

_EDGES = [0, 1, -1, 5, 10, 25, 100, 5000, 15_000, -25_000, 10**9, 2**53 + 1, INT_MAX, INT_MIN, INT_MAX - 1]
_INTEGERS = st.sampled_from(_EDGES) | st.integers(-200, 200) | st.integers(INT_MIN, INT_MAX)
_FLOATS = st.sampled_from([0.0, 0.5, -1.5, 1e18, 2.0**63, -(2.0**63), 1e300, 5e-324]) | st.floats(
    allow_nan=False, allow_infinity=False
).map(lambda value: value + 0.0)
_LETTERS = "aAbZ \t\n\u00a0%_!ßİΣſǅé日𐐀ᾳʼnɤ"
_NUMBER_WORDS = """
    0 -0 12 -7 007 1.5 -0.005 2.675 0.125 1e2 1E+3 12e-4 1e999 -1e-999 1e-20 1e .5 5. 1_0 true false TRUE NaN
    9223372036854775807 9223372036854775808 999999999999999999.995 92233720368547758.07 92233720368547758.075
    0e99999999999999999999 1e00000000000002
"""
_NUMBER_TEXTS = _NUMBER_WORDS.split()
_TEXTS = st.sampled_from([*_NUMBER_TEXTS, "", " 1"]) | st.text(_LETTERS, max_size=6) | st.text("a%_ß", max_size=3)
_GRAMMAR = st.from_regex(r"-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


def values(kind: str, scale: int = 0) -> st.SearchStrategy:
    """Values of a type that are not null."""
    return {
        "integer": _INTEGERS,
        "decimal": _INTEGERS.map(lambda scaled: make_decimal(scaled, scale)),
        "float": _FLOATS,
        "text": _TEXTS | _GRAMMAR,
        "boolean": st.booleans(),
    }[kind]


ROWS = st.fixed_dictionaries({name: st.none() | values(*kind) for name, kind in COLUMNS.items()})
_COMPARISONS = st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"])
_LIKES = st.text("a%_!ß", max_size=4)


def _literals(kind: str, scale: int) -> st.SearchStrategy[Expression]:
    return values(kind, scale).map(Literal)


def _references(kind: str, scale: int, reference: type) -> st.SearchStrategy[Expression]:
    names = [name for name, declared in COLUMNS.items() if declared == (kind, scale)]
    return st.sampled_from([FieldRef(name) if reference is FieldRef else Path((name,)) for name in names])


def expressions(kind: str, scale: int = 0, depth: int = 3, reference: type = FieldRef) -> st.SearchStrategy[Expression]:
    """Trees whose values are of one static type."""
    literals = _literals(kind, scale)
    named = (kind, scale) in COLUMNS.values()
    leaves = _one_of([literals, *[_references(kind, scale, reference)] * 2] if named else [literals])
    if depth == 0:
        return leaves
    return _one_of([leaves, *[st.deferred(lambda: _one_of(_calls(kind, scale, depth - 1, reference)))] * 3])


def _one_of(strategies: list[st.SearchStrategy]) -> st.SearchStrategy:
    """Each with the same chance; `st.one_of` would flatten what is nested, and then casts crowd out the rest."""
    return st.sampled_from(range(len(strategies))).flatmap(lambda place: strategies[place])


def _calls(kind: str, scale: int, depth: int, reference: type) -> list[st.SearchStrategy[Expression]]:
    def sub(other: str, places: int = 0) -> st.SearchStrategy[Expression]:
        return expressions(other, places, depth, reference)

    def call(op: str, *args: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        return st.tuples(*args).map(lambda found: Call(op, found))

    same, boolean = sub(kind, scale), sub("boolean")
    either = [
        call("case", boolean, same, same),
        call("case", boolean, same, boolean, same, st.just(Literal(None))),
        call("coalesce", same, same),
        call("coalesce", same, st.just(Literal(None)), same),
    ]
    return either + {
        "integer": _integer_calls,
        "decimal": _decimal_calls,
        "float": _float_calls,
        "text": _text_calls,
        "boolean": _boolean_calls,
    }[kind](scale, sub, call)


def _casts(kind, scale, sub, sources):
    """Any of the sources, twice as often as another operation."""
    return [_one_of([sub(*source) for source in sources]).map(lambda tree: Cast(tree, kind, scale))] * 2


def _integer_calls(scale, sub, call):
    two = (sub("integer"), sub("integer"))
    operations = [call(op, *two) for op in ("add", "sub", "mul", "mod")]
    sources = [("text",), ("integer",), ("decimal", 2), ("float",)]
    return [*operations, call("neg", two[0]), *_casts("integer", 0, sub, sources)]


def _decimal_calls(scale, sub, call):
    one, integer = sub("decimal", scale), sub("integer")
    sums = [call(op, *pair) for op in ("add", "sub") for pair in ((one, one), (one, integer), (integer, one))]
    products = [call("mul", one, integer)] + ([call("mul", sub("decimal", 2), sub("decimal", scale - 2))] * (scale > 2))
    sources = [("text",), ("integer",), ("decimal", 2), ("decimal", 6)]
    return [*sums, *products, call("neg", one), *_casts("decimal", scale, sub, sources)]


def _float_calls(scale, sub, call):
    any_number = _one_of([sub("float"), sub("integer"), sub("decimal", 2)])
    mixed = [call(op, sub("float"), any_number) for op in ("add", "sub", "mul")]
    sources = [("text",), ("integer",), ("decimal", 2), ("decimal", 6), ("float",)]
    return [*mixed, call("div", any_number, any_number), call("neg", sub("float")), *_casts("float", 0, sub, sources)]


def _text_calls(scale, sub, call):
    text, place = sub("text"), _one_of([sub("integer"), st.integers(-1, 6).map(Literal)])
    own = [call(op, text) for op in ("lower", "upper", "trim")]
    parts = [call("substr", text, place), call("substr", text, place, place)]
    sources = [("text",), ("integer",), ("decimal", 2), ("boolean",)]
    return [*own, *parts, call("concat", text, text), call("concat", text), *_casts("text", 0, sub, sources)]


def _boolean_calls(scale, sub, call):
    boolean, text = sub("boolean"), sub("text")
    number = _one_of([sub("integer"), sub("decimal", 2), sub("decimal", 6), sub("float")])
    sides = (number, text, boolean)
    pairs = _one_of([st.tuples(side, side) for side in sides])
    members = _one_of([st.lists(side, min_size=2, max_size=4) for side in sides])
    operations = [call(op, *[boolean] * many) for op in ("and", "or") for many in (2, 3)]
    return [
        *operations,
        call("not", boolean),
        *[st.builds(Call, _COMPARISONS, pairs)] * 3,
        members.map(lambda found: Call("in", tuple(found))),
        st.builds(lambda tree, pattern: Call("like", (tree, Literal(pattern))), text, _LIKES),
        st.builds(_escaped, text, _LIKES),
        _one_of([number, text, boolean]).map(lambda tree: Call("is_null", (tree,))),
        *_casts("boolean", 0, sub, [("text",), ("boolean",)]),
    ]


def _escaped(tree: Expression, pattern: str) -> Expression:
    """A LIKE whose escape never stands alone at the pattern's end."""
    return Call("like", (tree, Literal(pattern.rstrip("!") + "!%"), Literal("!")))


def any_expression(depth: int = 3, reference: type = FieldRef) -> st.SearchStrategy[Expression]:
    """A well-typed tree of any type."""
    kinds = sorted(set(COLUMNS.values()))
    return _one_of([expressions(kind, scale, depth, reference) for kind, scale in kinds])


def plain(value: object) -> tuple[str, str] | None:
    """A value with its type, so that 1, 1.0 and true differ; None for null."""
    if value is None:
        return None
    return type(value).__name__, format(value, "f") if isinstance(value, Decimal) else str(value)
