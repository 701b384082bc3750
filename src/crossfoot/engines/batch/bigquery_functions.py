"""The temporary functions of BigQuery that rendered SQL calls: the counterparts of the macros of DuckDB."""

from __future__ import annotations

import re
from functools import cache

from crossfoot.definition.sql_macros import letters_of
from crossfoot.engines.batch.scripts import functions
from crossfoot.engines.batch.variation import Rounding

_DAY_US = 86_400_000_000
_TAKEN = """
if (joined === null) return null;
let from = 0;
const taken = () => {
  const start = from, end = joined.indexOf(String.fromCharCode(28), from);
  from = end + 1;
  return joined.slice(start, end);
};
"""
_NEAR_US = 108_000_000_000
# Name -> parameters and body, in BigQuery's SQL.
_SQL: dict[str, tuple[str, str]] = {
    "cf_part": (
        "x STRING",
        (
            "CASE WHEN STARTS_WITH(x, '=') THEN REPLACE(REPLACE(REPLACE(SUBSTR(x, 2), CONCAT(CHR(29), 'c'), CHR(31)),"
            " CONCAT(CHR(29), 'b'), CHR(30)), CONCAT(CHR(29), 'a'), CHR(29)) END"
        ),
    ),
    "cf_exponent": ("t STRING", "SAFE_CAST(cf_exponent_said(t) AS INT64)"),
    "cf_integral": ("t STRING", "cf_exponent(t) >= 0"),
    "cf_integer": ("t STRING", "SAFE_CAST(cf_integer_said(t) AS INT64)"),
    "cf_floor": ("t STRING, power INT64", "SAFE_CAST(cf_floor_said(t, CAST(power AS STRING)) AS INT64)"),
    "cf_fraction": ("t STRING", "SAFE_CAST(cf_fraction_said(t) AS BIGNUMERIC)"),
    "cf_decimal": ("t STRING, places INT64", "SAFE_CAST(cf_decimal_said(t, CAST(places AS STRING)) AS INT64)"),
    "cf_half_even": (
        "v BIGNUMERIC, unit BIGNUMERIC",
        "SAFE_CAST(cf_half_even_said(CAST(v AS STRING), CAST(unit AS STRING)) AS BIGNUMERIC)",
    ),
    "cf_text": (
        "v BIGNUMERIC, places INT64",
        "cf_text_said(CAST(v AS STRING), CAST(places AS STRING))",
    ),
    "cf_double": (
        "t STRING",
        (
            "CASE WHEN NOT IS_INF(SAFE_CAST(t AS FLOAT64)) AND NOT IS_NAN(SAFE_CAST(t AS FLOAT64))"
            " THEN SAFE_CAST(t AS FLOAT64) + 0.0 END"
        ),
    ),
    "cf_substr": (
        "t STRING, first INT64, many INT64",
        "CASE WHEN first >= 1 AND many >= 0 THEN SUBSTR(t, LEAST(first, 4294967295), LEAST(many, 4294967295)) END",
    ),
    "cf_json": ("t STRING", "CASE WHEN t IS NOT NULL THEN TO_JSON_STRING(t) END"),
    "cf_wall": ("text STRING, grammar STRING", "SAFE_CAST(cf_wall_said(text, grammar) AS INT64)"),
    # What the other functions of zones have in common: how far clocks are before UTC at an instant.
    "cf_offset": (
        "us INT64, zone STRING",
        "UNIX_MICROS(TIMESTAMP(FORMAT_TIMESTAMP('%Y-%m-%d %H:%M:%E6S', TIMESTAMP_MICROS(us), zone))) - us",
    ),
    "cf_day": (
        "us INT64, zone STRING",
        (
            f"DIV((us + cf_offset(us, zone) - MOD(MOD(us + cf_offset(us, zone), {_DAY_US}) + {_DAY_US}, {_DAY_US})),"
            f" {_DAY_US})"
        ),
    ),
    "cf_local": (
        "wall INT64, zone STRING",
        (
            "(SELECT CASE WHEN o.a = o.b OR cf_offset(wall - o.a, zone) = o.a THEN wall - o.a"
            " WHEN cf_offset(wall - o.b, zone) = o.b THEN wall - o.b ELSE wall - o.a END"
            f" FROM UNNEST([STRUCT(0 + cf_offset(wall - {_NEAR_US}, zone) AS a,"
            f" 0 + cf_offset(wall + {_NEAR_US}, zone) AS b)])"
            " AS o)"
        ),
    ),
    "cf_begins": ("us INT64, day INT64, zone STRING", "cf_day(us, zone) >= day AND cf_day(us - 1, zone) < day"),
    "cf_edge": (
        "day INT64, zone STRING",
        (
            "(SELECT CASE WHEN o.a = o.b THEN o.a"
            " WHEN cf_begins(o.a, day, zone)"
            " THEN LEAST(o.a, CASE WHEN cf_begins(o.b, day, zone) THEN o.b ELSE o.a END)"
            " WHEN cf_begins(o.b, day, zone) THEN o.b ELSE o.a END"
            f" FROM UNNEST([STRUCT(day * {_DAY_US} - cf_offset(day * {_DAY_US} - {_NEAR_US}, zone) AS a,"
            f" day * {_DAY_US} - cf_offset(day * {_DAY_US} + {_NEAR_US}, zone) AS b)]) AS o)"
        ),
    ),
    "cf_day_of": (
        "us INT64, zone STRING",
        "cf_day(us, zone) + CASE WHEN cf_edge(cf_day(us, zone) + 1, zone) <= us THEN 1 ELSE 0 END",
    ),
}


@cache
def made(rounding: Rounding) -> dict[str, str]:
    """Name -> the statement that makes the function."""
    found: dict[str, str] = {}
    for name, (parameters, body) in functions(rounding).items():
        found |= _scripted(name, parameters.split(), body)
    for name, (parameters, body) in {**_SQL, **_cases()}.items():
        found[name] = f"CREATE TEMP FUNCTION {name}({parameters}) AS ({body})"
    return found


def _scripted(name: str, parameters: list[str], body: str) -> dict[str, str]:
    """A function in JavaScript, which takes one text; several are one with cuts between, the free one at its end."""
    first, *others = parameters
    if not others:
        return {name: f'CREATE TEMP FUNCTION {name}({first} STRING) RETURNS STRING LANGUAGE js AS """{body}"""'}
    parts = "".join(f"const {each} = taken(); " for each in others)
    script = f"{_TAKEN} {parts} const {first} = joined.slice(from);{body}"
    typed = ", ".join(f"{each} STRING" for each in parameters)
    cut = ", ".join([f"{each}, CHR(28)" for each in others])
    return {
        f"{name}_of": f'CREATE TEMP FUNCTION {name}_of(joined STRING) RETURNS STRING LANGUAGE js AS """{script}"""',
        name: f"CREATE TEMP FUNCTION {name}({typed}) AS ({name}_of(CONCAT({cut}, {first})))",
    }


def _cases() -> dict[str, tuple[str, str]]:
    """LOWER and UPPER by a table of all letters, since BigQuery follows its own version of Unicode."""
    return {f"cf_{way}": ("t STRING", f"TRANSLATE(t, {a}, {b})") for way, (a, b) in letters_of().items()}


def prelude(sql: str, rounding: Rounding = "half_even") -> tuple[str, ...]:
    """The statements that make the functions which `sql` calls, each behind those that it calls itself."""
    all_made = made(rounding)
    found: dict[str, str] = {}

    def add(text: str) -> None:
        for name in dict.fromkeys(re.findall(r"\b(cf_\w+)\(", text)):
            if name in all_made and name not in found:
                add(all_made[name].partition("(")[2])
                found[name] = all_made[name]

    add(sql)
    return tuple(found.values())
