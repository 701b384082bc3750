"""Random expressions without regard to types, and random raw values: what no definition should say, but records do."""

from hypothesis import strategies as st

from crossfoot.definition.expression import ARITY, Call, Cast, Expression, Literal, Path
from crossfoot.definition.number import JSON_NUMBER, NumberLiteral
from tests.unit.definition.trees import values

PATHS = [Path((name,)) for name in "abcd"]
_SCALARS = [
    values("integer"),
    values("decimal", 2),
    values("decimal", 18),
    values("float"),
    values("text"),
    st.booleans(),
]
_NUMBERS = st.from_regex(JSON_NUMBER, fullmatch=True) | st.sampled_from(
    ["-0", "1.0", "1e0", "150e-2", "1e400", "-1e-400", "9223372036854775808", "-9223372036854775808.0", "1e18", "1e-18"]
)

RAW = st.none() | st.booleans() | values("text") | _NUMBERS.map(NumberLiteral)
ROWS = st.lists(st.tuples(*[RAW] * len(PATHS)), min_size=1, max_size=4)

_LEAVES = st.sampled_from(PATHS) | st.none().map(Literal) | st.one_of(_SCALARS).map(Literal)
_CASTS = ["text", "integer", "float", "boolean", "decimal"]
# Few arguments: most errors lie in pairs.
_EXTRA = 2


def trees(depth: int = 3) -> st.SearchStrategy[Expression]:
    """Any operation of anything."""
    if depth == 0:
        return _LEAVES
    inner = st.deferred(lambda: trees(depth - 1))
    calls = st.sampled_from(sorted(ARITY)).flatmap(lambda op: _call(op, inner))
    casts = st.builds(_cast, inner, st.sampled_from(_CASTS), st.integers(0, 18))
    return st.sampled_from(range(6)).flatmap(lambda place: [_LEAVES, casts, calls][min(place, 2)])


def _cast(tree: Expression, to, scale: int) -> Expression:
    return Cast(tree, to, scale if to == "decimal" else 0)


def _call(op: str, inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    if op == "like":
        pattern = st.text("a%_!", max_size=4).map(lambda text: Literal(text.rstrip("!") + "%"))
        return st.tuples(inner, pattern, st.just(Literal("!"))).map(lambda found: Call("like", found))
    least, most = ARITY[op]
    many = st.sampled_from([3, 5]) if op == "case" else st.integers(least, least + _EXTRA if most is None else most)
    return many.flatmap(lambda count: st.tuples(*[inner] * count)).map(lambda found: Call(op, found))
