"""What each operation does, in one table: constants in, a value or an error out, by every evaluator."""

import json
from decimal import Decimal

import pytest

from crossfoot.definition.evaluate import EvalError, evaluate
from crossfoot.definition.expression import Literal, to_json
from crossfoot.definition.number import INT_MAX, INT_MIN, make_decimal
from crossfoot.definition.parse import parse_raw
from crossfoot.definition.sql import to_sql
from tests.unit.definition.trees import plain

D = Decimal
TYPE, RANGE = EvalError("type"), EvalError("range")

TABLE = [
    # Three-valued logic stops at the first false or true; an error met before that is the result.
    ("null and false", False),
    ("null and true", None),
    ("null or true", True),
    ("null or false", None),
    ("not null", None),
    ("false and cast('x' as boolean)", False),
    ("true and cast('x' as boolean)", TYPE),
    ("cast('x' as boolean) or true", TYPE),
    # Comparisons.
    ("1 = 1.00", True),
    ("9007199254740993 = 9007199254740992.0e0", True),
    ("9007199254740993 > 9007199254740992.5", True),
    ("'a' < 'B'", False),
    ("'é' > 'z'", True),
    ("false < true", True),
    ("null = null", None),
    # IN is OR of equals.
    ("1 in (2, null)", None),
    ("1 in (1, null)", True),
    ("1 in (2, 3.0)", False),
    ("null in (1)", None),
    ("1 in (1, cast('x' as integer))", True),
    ("1 in (cast('x' as integer), 1)", TYPE),
    # LIKE.
    ("'日本x' like '__x'", True),
    ("'ab' like 'a_b'", False),
    ("'A' like 'a'", False),
    ("'a%b' like 'a!%b' escape '!'", True),
    ("'axb' like 'a!%b' escape '!'", False),
    ("'' like '%'", True),
    ("null like 'a'", None),
    ("null is null", True),
    ("not 1 is null", True),
    # Arithmetic is exact over integers and decimals.
    ("0.10 + 0.2", D("0.30")),
    ("1 - 0.10", D("0.90")),
    ("1.50 * 2.0", D("3.000")),
    ("0.0000000001 * 0.0000000001", RANGE),
    (f"{INT_MAX} + 1", RANGE),
    (f"{INT_MIN} - 1", RANGE),
    (f"-({INT_MIN})", RANGE),
    ("92233720368547758.07 + 0.01", RANGE),
    ("3000000000 * 3074457346", RANGE),
    ("1 + null", None),
    ("1 + 0.5e0", 1.5),
    ("1e308 * 10", RANGE),
    ("0e0 * -1", 0.0),
    ("7 / 2", 3.5),
    ("1 / 0", None),
    ("1 / 0.00", None),
    ("-7 % 3", -1),
    ("7 % -3", 1),
    ("7 % 0", None),
    (f"{INT_MIN} % -1", 0),
    # CASE and COALESCE evaluate only what they need.
    ("case when null then 1 when true then 2 else 3 end", 2),
    ("case when false then 1 end", None),
    ("case 2 when 1 then 'a' when 2 then 'b' end", "b"),
    ("case when true then 1 else cast('x' as integer) end", 1),
    ("coalesce(null, 2, cast('x' as integer))", 2),
    ("coalesce(null, cast('x' as integer), 2)", TYPE),
    # Texts are code points.
    ("lower('ÀİẞΣ')", "àİßσ"),
    ("upper('àßŉ')", "Àßŉ"),
    ("trim('  a b  ')", "a b"),
    ("trim('\ta\u00a0')", "\ta\u00a0"),
    ("substr('日本語', 2)", "本語"),
    ("substr('日本語', 2, 1)", "本"),
    ("substr('abc', 9)", ""),
    ("substr('abc', 0)", RANGE),
    ("substr('abc', 1, -1)", RANGE),
    (f"substr('abc', 2, {INT_MAX})", "bc"),
    (f"substr('abc', {INT_MAX}, {INT_MAX})", ""),
    ("'a' || 'b' || 'c'", "abc"),
    ("'a' || null", None),
    # Casts.
    ("cast(1.50 as text)", "1.50"),
    ("cast(true as text)", "true"),
    ("cast(-0.05 as text)", "-0.05"),
    ("cast('-12' as integer)", -12),
    ("cast('012' as integer)", TYPE),
    ("cast('1.0' as integer)", TYPE),
    ("cast('9223372036854775808' as integer)", RANGE),
    ("cast(2.00 as integer)", 2),
    ("cast(2.50 as integer)", RANGE),
    ("cast(2e18 as integer)", 2 * 10**18),
    ("cast(9223372036854775807e0 as integer)", RANGE),
    ("cast('2.5' as decimal(0))", D("2")),
    ("cast('3.5' as decimal(0))", D("4")),
    ("cast('-2.5' as decimal(0))", D("-2")),
    ("cast(0.125 as decimal(2))", D("0.12")),
    ("cast(0.375 as decimal(2))", D("0.38")),
    ("cast('12e-1' as decimal(2))", D("1.20")),
    ("cast('1e999999999999' as decimal(2))", RANGE),
    ("cast('1e-999999999999' as decimal(2))", D("0.00")),
    ("cast('92233720368547758.075' as decimal(2))", RANGE),
    ("cast('92233720368547758.065' as decimal(2))", D("92233720368547758.06")),
    ("cast('.5' as decimal(2))", TYPE),
    ("cast('1e400' as float)", RANGE),
    ("cast('-1e-400' as float)", 0.0),
    ("cast('0.1' as float)", 0.1),
    ("cast(0.1 as float)", 0.1),
    ("cast('TRUE' as boolean)", TYPE),
    ("cast('false' as boolean)", False),
    ("cast(null as decimal(2))", None),
]

# Errors of type that no definition passes, since they are seen before any data.
UNTYPED = [
    ("not 1", TYPE),
    ("1 and true", TYPE),
    ("1 = 'a'", TYPE),
    ("true < 1", TYPE),
    ("'a' + 1", TYPE),
    ("true + 1", TYPE),
    ("null + 'a'", None),
    ("1.5 % 2", TYPE),
    ("lower(1)", TYPE),
    ("1 like 'a'", TYPE),
    ("1 || 'a'", TYPE),
    ("substr('a', 1.0)", TYPE),
    ("case when 1 then 2 end", TYPE),
    ("cast(1.5e0 as text)", TYPE),
    ("cast(1.5e0 as decimal(2))", TYPE),
    ("cast(true as integer)", TYPE),
    ("cast(1 as boolean)", TYPE),
]


def shown(value):
    return value.reason if isinstance(value, EvalError) else plain(value)


@pytest.mark.parametrize(("text", "expected"), TABLE + UNTYPED)
def test_in_python(text, expected):
    """The reference evaluator."""
    assert shown(evaluate(parse_raw(text).tree, lambda _: None)) == shown(expected)


@pytest.mark.parametrize(("text", "expected"), TABLE + UNTYPED)
def test_in_the_core(text, expected):
    """The native evaluator."""
    core = pytest.importorskip("crossfoot._core", reason="the native extension is not built (make setup)")
    node = to_json(parse_raw(text).tree, lambda _: 0)
    wanted = ["error", expected.reason] if isinstance(expected, EvalError) else to_json(Literal(expected), lambda _: 0)
    assert json.loads(core.evaluate(json.dumps(node), "[[]]")) == [wanted]


@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_in_sql(database, text, expected):
    """DuckDB."""
    made = to_sql(parse_raw(text).tree, lambda _: pytest.fail("a constant"))
    value, error = database.execute(f"SELECT {made.value}, {made.error or 'NULL'}").fetchone()
    if made.type == "decimal" and value is not None:
        value = make_decimal(value, made.scale)
    assert (error or plain(value)) == shown(expected)
