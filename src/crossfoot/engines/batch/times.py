"""A raw value -> an instant in microseconds: numbers in a unit, ISO texts, texts by a pattern, local times."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from crossfoot.definition.durations import TIME_MAX_US, TIME_MIN_US
from crossfoot.definition.model import DAY_US, TimeSpec
from crossfoot.definition.sql_parts import Sql, case
from crossfoot.definition.text import quote_text
from crossfoot.engines.batch.literals import NUMBER_GRAMMAR, VALUE, WHOLE
from crossfoot.engines.batch.scripts import scripted
from crossfoot.engines.batch.sql import plain_regex, texts

EARLIEST_US, LATEST_US = TIME_MIN_US, TIME_MAX_US + DAY_US - 1
ByText: TypeAlias = Callable[[str, str, TimeSpec], Sql]
_POWERS = {"s": 6, "ms": 3, "us": 0, "ns": -3}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OFFSET = "Z|[+-][0-9]{2}(?::?[0-9]{2})?"
_ISO = (
    "(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})(?:[T ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    rf"(?::(?P<second>[0-9]{{2}})(?:\.(?P<fraction>[0-9]+))?)?(?P<zone>{_OFFSET})?)?"
)
_PARTS = {"m": "month", "d": "day", "H": "hour", "M": "minute", "S": "second"}
_USUAL = "[0-9]{3}[1-9]-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-5][0-9](?:[.][0-9]{1,6})?Z"
_DIRECTIVES = {
    "Y": "(?P<year>[0-9]{4})",
    **{letter: f"(?P<{part}>[0-9]{{2}})" for letter, part in _PARTS.items()},
    "b": f"(?P<named>{'|'.join(_MONTHS)})",
    "f": "(?P<fraction>[0-9]{1,9})",
    "z": "(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})",
    "%": "%",
}


def instant(kind: str, said: str, spec: TimeSpec, untyped: bool, by_text: ByText) -> Sql:
    """Microseconds, and the error: missing, type, range or zone."""
    there = f"{kind} IS NOT NULL AND {kind} <> 'NULL'"
    read = by_text(kind, said, spec) if spec.unit in ("iso", "pattern") else _by_number(kind, said, spec, untyped)
    inside = f"{VALUE} BETWEEN {EARLIEST_US} AND {LATEST_US}"
    error = case((inside, "NULL"), (f"NOT ({there})", "'missing'"), *_branch(read), otherwise="'range'")
    return Sql(read.value, "time", 0, error)


def _branch(read: Sql) -> list[tuple[str, str]]:
    return [(f"({read.error}) IS NOT NULL", str(read.error))]


def _by_number(kind: str, said: str, spec: TimeSpec, untyped: bool) -> Sql:
    power = _POWERS[spec.unit]
    whole, number = f"{kind} IN ({', '.join(WHOLE)})", f"{kind} = 'DOUBLE'"
    if untyped:
        number += f" OR ({kind} = 'VARCHAR' AND regexp_full_match({said}, '{NUMBER_GRAMMAR}'))"
    integer = f"TRY_CAST({said} AS BIGINT)"
    if power >= 0:
        scaled = f"TRY_CAST(CAST({integer} AS HUGEINT) * {10**power} AS BIGINT)"
    else:
        rest = f"({integer} % {10**-power})"
        floored = f"(({integer} - {rest}) // {10**-power} - CASE WHEN {rest} < 0 THEN 1 ELSE 0 END)"
        scaled = f"coalesce({floored}, TRY_CAST(cf_floor({said}, {power}) AS BIGINT))"
    value = case((whole, scaled), (number, f"TRY_CAST(cf_floor({said}, {power}) AS BIGINT)"))
    return Sql(value, "time", 0, case((f"NOT ({whole} OR {number})", "'type'")))


def by_parts(kind: str, said: str, spec: TimeSpec) -> Sql:
    """The usual ISO text goes a short way; every other one is cut into its parts."""
    grammar = _ISO if spec.pattern is None else _grammar(spec.pattern)
    names = re.findall(r"\(\?P<(\w+)>", grammar)
    follows = f"{kind} = 'VARCHAR' AND regexp_full_match({said}, {quote_text(grammar)})"
    cut = f"regexp_extract({said}, {quote_text('^' + grammar + '$')}, {texts(names)})"
    parts = f"list_transform([{cut}], lambda p: {_assembled(names, spec.zone)})[1]"
    usual = f"{kind} = 'VARCHAR' AND regexp_full_match({said}, '{_USUAL}')"
    short = [(usual, f"epoch_us(TRY_CAST({said}[:-2] AS TIMESTAMP))")] if spec.pattern is None else []
    value = case(*short, (follows, parts))
    errors = [(usual, "NULL")] if short else []
    errors.append((f"NOT ({follows})", "'type'"))
    if spec.zone is None:
        without = f"({cut}).zone = ''" if "zone" in names else "TRUE"
        there = f"list_transform([{cut}], lambda p: {_wall(names)})[1] IS NOT NULL"
        errors.append((f"{without} AND {there}", "'zone'"))
    return Sql(value, "time", 0, case(*errors))


def by_functions(kind: str, said: str, spec: TimeSpec) -> Sql:
    """The same, where functions cut the text into its parts."""
    grammar = _ISO if spec.pattern is None else _grammar(spec.pattern)
    follows = f"{kind} = 'VARCHAR' AND regexp_full_match({said}, {quote_text(grammar)})"
    written = quote_text(scripted(grammar))
    wall, shift = f"cf_wall({said}, {written})", f"cf_shift_said({said}, {written})"
    local = f"cf_local({wall}, {quote_text(spec.zone)})" if spec.zone else "NULL"
    moved = case((f"{shift} = ''", local), otherwise=f"{wall} - TRY_CAST({shift} AS BIGINT)")
    errors = [(f"NOT ({follows})", "'type'")]
    if spec.zone is None:
        errors.append((f"{shift} = '' AND {wall} IS NOT NULL", "'zone'"))
    return Sql(case((follows, moved)), "time", 0, case(*errors))


def _grammar(pattern: str) -> str:
    """The regular expression of a pattern like ``%d/%b/%Y:%H:%M:%S %z``."""
    pieces = re.findall(r"%(.)|([^%]+)", pattern, re.DOTALL)
    return "".join([_DIRECTIVES[letter] if letter else plain_regex(text) for letter, text in pieces])


def _wall(names: list[str]) -> str:
    """The digits of a date and a clock as microseconds, as if they were UTC; null where there is no such moment."""

    def part(name: str, default: str) -> str:
        return f"coalesce(nullif(p.{name}, ''), '{default}')" if name in names else f"'{default}'"

    month = f"lpad(CAST(list_position({texts(_MONTHS)}, p.named) AS VARCHAR), 2, '0')" if "named" in names else ""
    date = [part("year", "1970"), month or part("month", "01"), part("day", "01")]
    clock = [part("hour", "00"), part("minute", "00"), part("second", "00"), part("fraction", "0")]
    return f"cf_wall({', '.join([*date, *clock])})"


def _assembled(names: list[str], zone: str | None) -> str:
    wall = _wall(names)
    local = f"cf_local({wall}, {quote_text(zone)})" if zone else "NULL"
    if "zone" not in names:
        return local
    digits = "rpad(replace(p.zone[2:], ':', ''), 4, '0')"
    minutes = f"CAST({digits}[1:2] AS BIGINT) * 60 + CAST({digits}[3:4] AS BIGINT)"
    fits = f"{digits}[1:2] <= '23' AND {digits}[3:4] <= '59'"
    shifted = (
        f"CASE WHEN {fits} THEN {wall} - CASE WHEN p.zone[1] = '-' THEN -1 ELSE 1 END * ({minutes}) * 60000000 END"
    )
    return case(("p.zone = ''", local), ("p.zone = 'Z'", wall), otherwise=shifted)
