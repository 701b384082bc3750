"""The steps of decoding where one function in JavaScript reads a whole record: as `decode`, with the same columns.

A record is a text here; what was no UTF-8 is null. `wrong` says why a record is malformed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from crossfoot.definition.engines import Lack
from crossfoot.definition.model import Definition
from crossfoot.definition.patterns import ascii_pattern
from crossfoot.definition.text import quote_text
from crossfoot.engines.batch.decode import RECORD, Paths
from crossfoot.engines.batch.scripts import CUTS, scripted

_PART, _ROW, _ = (f"CHR({code})" for code in CUTS)
_REASONS = ("utf8", "syntax", "depth", "members", "not_object")


def _texts(definition: Definition) -> tuple[str, str]:
    limit = definition.limits.record_bytes_max
    large = f"coalesce(length, BYTE_LENGTH(record)) > {limit}"
    columns = ", ".join(RECORD)
    return "texts", f"SELECT {columns}, length, record AS text, {large} AS is_large FROM raw WHERE kind = 'record'"


def _cut(call: str, separator: str, nothing: str = "''") -> str:
    return f"SPLIT(CASE WHEN NOT is_large AND text IS NOT NULL THEN {call} ELSE {nothing} END, {separator})"


def _column(place: int, name: str, parts: str = "parts") -> str:
    return f"cf_part(cf_at({parts}, {place})) AS {name}"


def _columns(numbers: list[int], parts: str = "parts", first: int = 2) -> list[str]:
    found = []
    for place, number in enumerate(numbers):
        found += [_column(first + 2 * place, f"k{number}", parts), _column(first + 2 * place + 1, f"s{number}", parts)]
    return found


def of_json(paths: Paths, definition: Definition) -> list[tuple[str, str]]:
    """One function reads all paths, strictly."""
    outer, inner = paths.of(element=False), paths.of(element=True)
    spec = {
        "depth": definition.limits.depth_max,
        "members": definition.limits.members_max,
        "outer": outer,
        "inner": [paths.rest(path) for path in inner],
        "explode": paths.explode,
    }
    call = f"cf_decode(text, {quote_text(json.dumps(spec))})"
    numbers = [paths.number(path) for path in outer]
    head = [_column(0, "wrong"), _column(1, "root"), *_columns(numbers)]
    if paths.explode is None:
        cut = f"SELECT *, {_cut(call, _PART)} AS parts FROM texts"
        return [_texts(definition), ("looked", f"SELECT * EXCLUDE (parts), {', '.join(head)} FROM ({cut})")]
    nothing = f"concat({_ROW}, 'e')"
    cut = f"SELECT *, {_cut(call, _ROW, nothing)} AS lines FROM texts"
    head.append(_column(2 + 2 * len(outer), "list_kind"))
    outside = f"SELECT *, SPLIT(cf_at(lines, 0), {_PART}) AS parts FROM ({cut})"
    rest = [f"TRY_CAST({_column(1, 'place').removesuffix(' AS place')} AS BIGINT) AS place"]
    rest += _columns([paths.number(path) for path in inner])
    rows = f"SELECT *, {', '.join(head)} FROM ({outside})"
    unnested = f"({rows}) AS w CROSS JOIN UNNEST(w.lines) AS u(line) WHERE starts_with(line, 'e')"
    each = f"SELECT w.* EXCLUDE (parts, lines), SPLIT(line, {_PART}) AS parts FROM {unnested}"
    return [
        _texts(definition),
        ("looked_outside", each),
        ("looked", f"SELECT * EXCLUDE (parts), {', '.join(rest)} FROM looked_outside"),
    ]


def of_lines(paths: Paths, definition: Definition, pattern: str) -> list[tuple[str, str]]:
    """A line that follows the pattern, by its groups."""
    names = json.dumps([path[0] for path in paths.paths])
    call = f"cf_line(text, {quote_text(scripted(ascii_pattern(pattern)))}, {quote_text(names)})"
    head = [_column(0, "wrong"), _column(1, "root"), *_columns(list(range(len(paths.paths))))]
    cut = f"SELECT *, {_cut(call, _PART)} AS parts FROM texts"
    return [_texts(definition), ("looked", f"SELECT * EXCLUDE (parts), {', '.join(head)} FROM ({cut})")]


def malformed(_: Definition) -> list[tuple[str, str]]:
    """Conditions and reasons, in their order."""
    found = [("is_large", "malformed size"), ("text IS NULL", "malformed utf8")]
    return [*found, *[(f"wrong = '{reason}'", f"malformed {reason}") for reason in _REASONS]]


def lacks(definition: Definition) -> Iterator[Lack]:
    """Patterns of lines that JavaScript reads otherwise, or not at all."""
    pattern = ascii_pattern(definition.format.regex or "")
    if re.search(r"\(\?(?!P<|:|=|!|<)|\(\?P=|\\[AzZpP]|[*+?}]\+|&&|\[\[:|\[\^?\]", pattern):
        yield Lack("source.format", "this part of a pattern is read otherwise by BigQuery: flags, classes by name")
