"""The macros of the batch engine: careful ways for JSON that the plain functions of DuckDB take too lightly.

DuckDB reads the first of equal keys, the digits of a fraction as a float, and takes NaN and a trailing comma. A record
in which that could matter is found by one regular expression (`decode.odd`), and only it goes the careful way.
"""

from __future__ import annotations

from crossfoot.definition.number import INT_MAX
from crossfoot.definition.sql_macros import PLAIN, letter_cases
from crossfoot.engines.batch.variation import Rounding

_STRING = r'"(?:[^"\\]|\\.)*"'

_HEX = "[0-9a-fA-F]"
# Letters and escapes that are whole, and an escape of half a code point that the other half does not follow.
_WHOLE = (
    rf"(?:[^\\]|\\[^u]|\\u(?:[0-9abcefABCEF]{_HEX}{{3}}|[dD][0-7]{_HEX}{{2}})"
    rf"|\\u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}})*"
)
_HALF = (
    rf"\\u[dD](?:[c-fC-F]{_HEX}{{2}}|[89abAB]{_HEX}{{2}}(?:[^\\]|\\[^u]"
    r"|\\u(?:[^dD]|[dD](?:[^c-fC-F]|[c-fC-F](?:[^0-9a-fA-F]|[0-9a-fA-F][^0-9a-fA-F])))))"
)

# Which way half a unit goes, by what is left, a half, and the whole.
_UP = {
    "half_even": "r.rest > r.half OR (r.rest = r.half AND r.whole % 2 = 1)",
    "half_up": "r.rest >= r.half",
    "truncate": "FALSE",
}
_UP_UNIT = {
    "half_even": "(abs(v) % unit) * 2 > unit OR ((abs(v) % unit) * 2 = unit AND (abs(v) // unit) % 2 = 1)",
    "half_up": "(abs(v) % unit) * 2 >= unit",
    "truncate": "FALSE",
}

# The value of the last of equal keys, as JSON.
_MEMBER = """
CREATE OR REPLACE TEMP MACRO cf_member(j, k) AS CASE WHEN json_type(j) = 'OBJECT' THEN
  json_extract(j, '$.*')[len(json_keys(j)) + 1 - nullif(list_position(list_reverse(json_keys(j)), k), 0)] END
"""
_WALK = """
CREATE OR REPLACE TEMP MACRO cf_walk(j, path) AS
  list_reduce(list_concat([CAST(j AS VARCHAR)], path), lambda a, k: CAST(cf_member(a, k) AS VARCHAR))
"""
# Every number outside of a text in quotes, so that its digits stay. The 0 at the end lets the last match begin outside
# of a text too; it is cut off again.
_QUOTED = rf"""
CREATE OR REPLACE TEMP MACRO cf_quoted(t) AS
  regexp_replace(t || ' 0', '((?:{_STRING}|[^"0-9\-])*)(-?[0-9][0-9.eE+\-]*)', '\1"\2"', 'g')[:-4]
"""
# What DuckDB takes and JSON does not know.
_LENIENT = rf"""
CREATE OR REPLACE TEMP MACRO cf_lenient(t) AS
  regexp_matches(regexp_replace(t, '{_STRING}', '""', 'g'), '(?i)nan|inf|,\s*[}}\]]')
"""
# A number's sign, digits without zeros at either end, and the power of ten of the last of them: beyond a billion only
# its sign matters, but to ids.
_CANONICAL = r"""
CREATE OR REPLACE TEMP MACRO cf_canonical(t) AS list_transform(list_transform(list_transform(
  [{'m': regexp_extract(t, '^-?([0-9.]+)', 1), 'e': regexp_extract(t, '[eE]([+-]?[0-9]+)$', 1)}],
  lambda a: {'d': ltrim(replace(a.m, '.', ''), '0'),
             'e': CASE WHEN a.e = '' THEN 0 ELSE greatest(-1000000000, least(1000000000, coalesce(
                    TRY_CAST(a.e AS INTEGER), CASE WHEN a.e[1] = '-' THEN -1000000000 ELSE 1000000000 END))) END
                  - length(regexp_extract(a.m, '\.([0-9]+)$', 1))}),
  lambda b: {'d': rtrim(b.d, '0'), 'e': b.e + length(b.d) - length(rtrim(b.d, '0'))}),
  lambda c: CASE WHEN c.d = '' THEN {'s': '', 'd': '0', 'e': 0}
    ELSE {'s': CASE WHEN t[1] = '-' THEN '-' ELSE '' END, 'd': c.d, 'e': CAST(c.e AS INTEGER)} END)[1]
"""
# What a number's exponent has beyond a billion; of more than 19 digits only its sign matters.
_BEYOND = rf"""
CREATE OR REPLACE TEMP MACRO cf_beyond(t) AS list_transform(list_transform(
  [ltrim(regexp_extract(t, '[eE][+-]?([0-9]+)$', 1), '0')],
  lambda d: CASE WHEN length(d) > 19 THEN CAST({INT_MAX} AS HUGEINT) ELSE CAST('0' || d AS HUGEINT) END),
  lambda e: greatest(e - 1000000000, 0) * CASE WHEN regexp_matches(t, '[eE]-') THEN -1 ELSE 1 END)[1]
"""
# An id's number: one text for 1, 1.0 and 1e0.
_NUMBER = """
CREATE OR REPLACE TEMP MACRO cf_number(t) AS list_transform([cf_canonical(t)],
  lambda c: c.s || CASE WHEN c.e >= 0 AND length(c.d) + c.e <= 20 THEN c.d || repeat('0', c.e)
    WHEN c.d <> '0' AND abs(c.e) > 500000000 THEN c.d || 'e' || (c.e + cf_beyond(t))
    ELSE c.d || 'e' || c.e END)[1]
"""
_INTEGRAL = "CREATE OR REPLACE TEMP MACRO cf_integral(t) AS (cf_canonical(t)).e >= 0"
_INTEGER = """
CREATE OR REPLACE TEMP MACRO cf_integer(t) AS list_transform([cf_canonical(t)],
  lambda c: CASE WHEN c.e >= 0 AND length(c.d) + c.e <= 19 THEN TRY_CAST(c.s || c.d || repeat('0', c.e) AS BIGINT)
    WHEN c.d = '0' THEN 0 END)[1]
"""
# The floor of a number times 10**power; NULL where it has more than 19 digits.
_FLOOR = """
CREATE OR REPLACE TEMP MACRO cf_floor(t, power) AS list_transform([cf_canonical(t)], lambda c: CASE
    WHEN c.d = '0' THEN 0
    WHEN length(c.d) + c.e + power > 19 THEN NULL
    WHEN c.e + power >= 0 THEN CAST(c.s || c.d || repeat('0', c.e + power) AS HUGEINT)
    ELSE CASE WHEN c.s = '-' THEN -1 ELSE 1 END
      * CAST('0' || left(c.d, greatest(length(c.d) + c.e + power, 0)) AS HUGEINT) - CAST(c.s = '-' AS HUGEINT)
    END)[1]
"""
# How many brackets are open at once, at most, in a text without quoted parts.
_DEPTH = r"""
CREATE OR REPLACE TEMP MACRO cf_depth(t) AS list_reduce(list_concat([{'d': 0, 'm': 0}],
  list_transform(regexp_extract_all(t, '[\[\]{}]'),
    lambda b: {'d': CASE WHEN b IN ('[', '{') THEN 1 ELSE -1 END, 'm': 1})),
  lambda a, x: {'d': a.d + x.d, 'm': greatest(a.m, a.d + x.d)}).m
"""
# How many characters of a quoted text stand before the first half of a code point that lacks the other half.
_LONE = rf"""
CREATE OR REPLACE TEMP MACRO cf_lone(s) AS
  nullif(length(regexp_extract(s || repeat('"', 4), '(?s)^({_WHOLE}){_HALF}', 1)), 0)
"""
# What a parser that reads from the left meets first of too many brackets, too many members, and half a code point; it
# is a fault of syntax if what stands before it is no beginning of JSON. `open` closes what is open.
_FAULT = r"""
CREATE OR REPLACE TEMP MACRO cf_fault(t, deep, many) AS list_transform([list_reduce(list_concat(
  [{'token': '', 'at': 0, 'open': '', 'members': 0, 'key': FALSE, 'why': ''}],
  list_transform(regexp_extract_all(t, '(?s)"(?:[^"\\]|\\.)*"?|[{}\[\],]|[^"{}\[\],]+'),
    lambda x: {'token': x, 'at': 0, 'open': '', 'members': 0, 'key': FALSE, 'why': ''})),
  lambda a, x: CASE
    WHEN a.why <> '' THEN a
    WHEN x.token IN ('{', '[') AND length(a.open) = deep THEN struct_update(a, why := 'depth')
    WHEN x.token[1] = '"' AND a.key AND a.members >= many THEN struct_update(a, why := 'members')
    WHEN x.token[1] = '"' AND cf_lone(x.token) IS NOT NULL
      THEN struct_update(a, why := 'utf8', at := CAST(a.at + cf_lone(x.token) AS INTEGER))
    ELSE {'token': '', 'at': CAST(a.at + length(x.token) AS INTEGER),
      'open': CASE x.token WHEN '{' THEN '}' || a.open WHEN '[' THEN ']' || a.open WHEN '}' THEN a.open[2:]
        WHEN ']' THEN a.open[2:] ELSE a.open END,
      'members': a.members + CAST(x.token[1] = '"' AND a.key AS INTEGER),
      'key': CASE WHEN x.token = '{' OR (x.token = ',' AND a.open[1] = '}') THEN TRUE
        ELSE a.key AND x.token[1] NOT IN ('"', '[', '}', ']', ',') END, 'why': ''}
    END)],
  lambda f: list_transform([left(t, f.at) || CASE f.why WHEN 'depth' THEN 'null' WHEN 'members' THEN '"":null'
    ELSE '"' || CASE WHEN f.key THEN ':null' ELSE '' END END || f.open],
    lambda begun: CASE WHEN f.why = '' THEN NULL WHEN json_valid(begun) AND NOT cf_lenient(begun) THEN f.why
      ELSE 'syntax' END)[1])[1]
"""
# A fraction, with 18 places.
_FRACTION = """
CREATE OR REPLACE TEMP MACRO cf_fraction(t) AS list_transform([cf_canonical(t)],
  lambda c: CAST(c.s || c.d || repeat('0', greatest(18 + c.e, 0)) AS HUGEINT))[1]
"""
# The offset of a zone at an instant, in microseconds; both are microseconds since the epoch.
_OFFSET = """
CREATE OR REPLACE TEMP MACRO cf_offset(us, zone) AS
  epoch_us(make_timestamptz(us) AT TIME ZONE zone) - us
"""
_DAY = """
CREATE OR REPLACE TEMP MACRO cf_day(us, zone) AS
  CAST(make_timestamptz(us) AT TIME ZONE zone AS DATE) - DATE '1970-01-01'
"""
# The instant at which clocks show a wall time: in a gap the later one, in a fold the earlier one.
_LOCAL = """
CREATE OR REPLACE TEMP MACRO cf_local(wall, zone) AS list_transform([
  {'before': cf_offset(wall - 108000000000, zone), 'after': cf_offset(wall + 108000000000, zone)}],
  lambda o: CASE
    WHEN o.before = o.after OR cf_offset(wall - o.before, zone) = o.before THEN wall - o.before
    WHEN cf_offset(wall - o.after, zone) = o.after THEN wall - o.after
    ELSE wall - o.before END)[1]
"""
# The first instant whose local date is a day (counted from 1970-01-01) or later.
_EDGE = """
CREATE OR REPLACE TEMP MACRO cf_edge(day, zone) AS list_transform([
  {'before': day * 86400000000 - cf_offset(day * 86400000000 - 108000000000, zone),
   'after': day * 86400000000 - cf_offset(day * 86400000000 + 108000000000, zone)}],
  lambda o: CASE
    WHEN o.before = o.after THEN o.before
    WHEN cf_day(o.before, zone) >= day AND cf_day(o.before - 1, zone) < day THEN least(o.before,
      CASE WHEN cf_day(o.after, zone) >= day AND cf_day(o.after - 1, zone) < day THEN o.after ELSE o.before END)
    WHEN cf_day(o.after, zone) >= day AND cf_day(o.after - 1, zone) < day THEN o.after
    ELSE o.before END)[1]
"""
# The day that holds an instant: where clocks go back over midnight the later one has begun already.
_DAY_OF = """
CREATE OR REPLACE TEMP MACRO cf_day_of(us, zone) AS
  cf_day(us, zone) + CASE WHEN cf_edge(cf_day(us, zone) + 1, zone) <= us THEN 1 ELSE 0 END
"""
# A moment from its digits, as if they were UTC: further digits of the second are cut off.
_WALL = """
CREATE OR REPLACE TEMP MACRO cf_wall(y, m, d, h, mi, s, f) AS CASE WHEN y >= '0001' AND h <= '23' AND s <= '59' THEN
  epoch_us(TRY_CAST(y || '-' || m || '-' || d || ' ' || h || ':' || mi || ':' || s || '.' || left(f, 6)
    AS TIMESTAMP)) END
"""
_ZONES = (_WALL, _OFFSET, _DAY, _LOCAL, _EDGE, _DAY_OF)
_BATCH_MACROS = (
    *_ZONES,
    _DEPTH,
    _LENIENT,
    _LONE,
    _FAULT,
    _MEMBER,
    _WALK,
    _QUOTED,
    _CANONICAL,
    _FRACTION,
    _BEYOND,
    _NUMBER,
    _INTEGRAL,
    _INTEGER,
    _FLOOR,
)

_HALF_EVEN = """
CREATE OR REPLACE TEMP MACRO cf_half_even(v, unit) AS
  (CASE WHEN v < 0 THEN -1 ELSE 1 END) * (abs(v) // unit + CASE WHEN {} THEN 1 ELSE 0 END)
"""


def prelude(sql: str, rounding: Rounding = "half_even") -> tuple[str, ...]:
    """The statements that make the macros that `sql` calls; `rounding` is that of decimals."""
    cases = letter_cases() if "cf_lower(" in sql or "cf_upper(" in sql else ()
    if rounding == "half_even":
        return (*cases, *PLAIN, *_BATCH_MACROS)
    plain = [made.replace(_UP["half_even"], _UP[rounding]) for made in PLAIN if "cf_half_even" not in made]
    return (*cases, *plain, _HALF_EVEN.format(_UP_UNIT[rounding]), *_BATCH_MACROS)
