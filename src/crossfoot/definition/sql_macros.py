"""The DuckDB macros that rendered expressions call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache

from crossfoot.definition import letters
from crossfoot.definition.number import INT_MAX, INT_MIN
from crossfoot.definition.text import quote_text

# A text without other than ASCII letters is as long in bytes as in code points; the others go through a whole table,
# because DuckDB's own mapping follows another version of Unicode.
_CASE = """
CREATE OR REPLACE TEMP MACRO cf_{0}(t) AS
  CASE WHEN strlen(t) = length(t) THEN {0}(t) ELSE translate(t, {1}, {2}) END
"""

# SUBSTR beyond any text's end is empty; DuckDB refuses places over 32 bits.
_SUBSTR = """
CREATE OR REPLACE TEMP MACRO cf_substr(t, first, many) AS
  CASE WHEN first >= 1 AND many >= 0 THEN substr(t, least(first, 4294967295), least(many, 4294967295)) END
"""

# A scaled integer as text with all its places.
_TEXT = """
CREATE OR REPLACE TEMP MACRO cf_text(v, places) AS CASE WHEN places = 0 THEN CAST(v AS VARCHAR)
  ELSE CASE WHEN v < 0 THEN '-' ELSE '' END || CAST(abs(v) // CAST(1 || repeat('0', places) AS HUGEINT) AS VARCHAR)
    || '.' || lpad(CAST(abs(v) % CAST(1 || repeat('0', places) AS HUGEINT) AS VARCHAR), places, '0') END
"""

# v / unit, rounded half to even.
_HALF_EVEN = """
CREATE OR REPLACE TEMP MACRO cf_half_even(v, unit) AS
  (CASE WHEN v < 0 THEN -1 ELSE 1 END) * (abs(v) // unit + CASE
    WHEN (abs(v) % unit) * 2 > unit THEN 1
    WHEN (abs(v) % unit) * 2 = unit AND (abs(v) // unit) % 2 = 1 THEN 1
    ELSE 0 END)
"""

# A number's text as integer scaled by 10**places, rounded half to even; NULL where it does not fit 64 bits. Steps:
# mantissa and power; digits without leading zeros, and how many of them are kept; the kept ones and the rest.
_DECIMAL = rf"""
CREATE OR REPLACE TEMP MACRO cf_decimal(t, places) AS list_transform(list_transform(list_transform(
  [{{'m': regexp_extract(t, '^-?([0-9.]+)', 1), 'e': regexp_extract(t, '[eE]([+-]?[0-9]+)$', 1)}}],
  lambda a: {{'d': ltrim(replace(a.m, '.', ''), '0'),
             'shift': places - length(regexp_extract(a.m, '\.([0-9]+)$', 1))
               + CASE WHEN a.e = '' THEN 0 ELSE coalesce(
                   TRY_CAST(a.e AS INTEGER), CASE WHEN a.e[1] = '-' THEN -1000000000 ELSE 1000000000 END) END}}),
  lambda b: {{'d': b.d, 'kept': length(b.d) + b.shift}}),
  lambda c: CASE
    WHEN c.d = '' OR c.kept < 0 THEN 0
    WHEN c.kept > 19 THEN NULL
    ELSE list_transform(
      [{{'whole': CAST(CASE WHEN c.kept = 0 THEN '0' ELSE rpad(c.d, CAST(c.kept AS INTEGER), '0') END AS HUGEINT),
        'rest': substr(c.d, c.kept + 1),
        'half': rpad('5', greatest(CAST(length(c.d) - c.kept AS INTEGER), 1), '0')}}],
      lambda r: list_transform(
        [CASE WHEN t[1] = '-' THEN -1 ELSE 1 END * (r.whole + CASE
          WHEN r.rest > r.half OR (r.rest = r.half AND r.whole % 2 = 1) THEN 1 ELSE 0 END)],
        lambda v: CASE WHEN v BETWEEN {INT_MIN} AND {INT_MAX} THEN v END)[1])[1]
    END)[1]
"""

_DOUBLE = """
CREATE OR REPLACE TEMP MACRO cf_double(t) AS
  CASE WHEN isfinite(TRY_CAST(t AS DOUBLE)) THEN TRY_CAST(t AS DOUBLE) + 0.0e0 END
"""


def _letters(mapped: Callable[[str], str]) -> tuple[str, str]:
    """Every code point that is mapped, and what it is mapped to."""
    points = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]
    pairs = [(point, mapped(point)) for point in points if mapped(point) != point]
    return quote_text("".join([a for a, _ in pairs])), quote_text("".join([b for _, b in pairs]))


@cache
def letters_of() -> dict[str, tuple[str, str]]:
    """`lower` and `upper`: every letter that is mapped, and what it is mapped to, as SQL."""
    return {"lower": _letters(letters.lower), "upper": _letters(letters.upper)}


@cache
def letter_cases() -> tuple[str, ...]:
    """The macros of LOWER and UPPER, which hold a table of all letters."""
    return tuple(_CASE.format(name, *both) for name, both in letters_of().items())


PLAIN = (_SUBSTR, _TEXT, _HALF_EVEN, _DECIMAL, _DOUBLE)


def prelude() -> tuple[str, ...]:
    """The statements that make the macros, once per connection."""
    return (*letter_cases(), *PLAIN)
