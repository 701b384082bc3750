"""Which format a sample has, and its records."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from crossfoot.definition.model import Format
from crossfoot.definition.number import NumberLiteral
from crossfoot.definition.patterns import ascii_pattern
from crossfoot.definition.sample.columns import Record
from crossfoot.errors import DataError

_LOOK = 100
_ENOUGH = 0.8
_UNEVEN_MAX = 0.5
_FIELD = r"(?:[^\"\\]|\\.)*"
_COMMON = (
    r"(?P<ip>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "
    rf'"(?:(?P<method>[A-Z]+) (?P<path>\S+)(?: (?P<protocol>[^"]+))?|{_FIELD})" '
    r"(?P<status>[0-9]+) (?:(?P<bytes>[0-9]+)|-)"
)
# Name -> the regular expression of a line.
LOGS = {
    "a combined access log": rf'{_COMMON} "(?P<referer>{_FIELD})" "(?P<agent>{_FIELD})"',
    "a common access log": _COMMON,
}
LOG_TIME = "%d/%b/%Y:%H:%M:%S %z"
_CLOUDEVENT = ("specversion", "id", "source", "type", "time")
_DECODER = json.JSONDecoder(parse_int=NumberLiteral, parse_float=NumberLiteral)


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample's records, their format, and why it was taken to be that. `unread` lines are none of the format."""

    format: Format
    reason: str
    records: tuple[Record, ...]
    unread: int = 0


def read_sample(data: bytes, form: Format | None = None) -> Sample:
    """The records of the beginning of a file; DataError where no format fits. `form` says it instead of a guess.

    Records of a Parquet file are passed as the JSON lines that its source makes.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    lines = _whole_lines(text)
    if not lines:
        raise DataError("the sample is empty", "give a file with at least one record")
    if form is not None:
        return _table(_rows(text), form) if form.name == "csv" else _of_format(lines, form)
    found = _json(lines) or _log(lines)
    if found is not None:
        return found
    rows = _rows(text)
    lacks = _lacks(rows)
    if lacks is not None:
        raise _nothing_fits(lines, lacks)
    return _csv(rows)


def _whole_lines(text: str) -> list[str]:
    """Lines that are not blank; the last one only if it has an end or is the only one."""
    lines = text.split("\n")
    if len(lines) > 1 and lines[-1]:
        lines = lines[:-1]
    return [line.removesuffix("\r") for line in lines if line.strip()]


def _of_format(lines: list[str], form: Format) -> Sample:
    if form.regex is not None:
        return _matched(lines, form, "a line is a record")
    return _objects(lines, form, "a line is a JSON object")


def _parsed(line: str) -> Record | None:
    try:
        value = _DECODER.decode(line)
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _share(lines: Sequence[str], fits: Sequence[object]) -> bool:
    """Whether most of the first lines fit."""
    return sum(found is not None for found in fits) >= _ENOUGH * len(lines)


def _json(lines: list[str]) -> Sample | None:
    first = lines[:_LOOK]
    objects = [_parsed(line) for line in first]
    if not _share(first, objects):
        return None
    cloud = _share(first, [found if found and all(key in found for key in _CLOUDEVENT) else None for found in objects])
    name, reason = ("cloudevents", "have the attributes of CloudEvents") if cloud else ("json", "are JSON objects")
    return _objects(lines, Format("cloudevents" if name == "cloudevents" else "json"), f"the lines {reason}")


def _objects(lines: list[str], form: Format, reason: str) -> Sample:
    found = [_parsed(line) for line in lines]
    records = tuple([record for record in found if record is not None])
    return Sample(form, reason, records, len(found) - len(records))


def _log(lines: list[str]) -> Sample | None:
    first = lines[:_LOOK]
    for name, regex in LOGS.items():
        if _share(first, [re.fullmatch(regex, line) for line in first]):
            return _matched(lines, Format("regex", regex), f"the lines are those of {name}")
    return None


def _matched(lines: list[str], form: Format, reason: str) -> Sample:
    compiled = re.compile(ascii_pattern(form.regex or ""), re.ASCII)
    found = [compiled.fullmatch(line) for line in lines]
    records = tuple([match.groupdict() for match in found if match is not None])
    return Sample(form, reason, records, len(found) - len(records))


def _lacks(rows: list[list[str]]) -> tuple[str, str] | None:
    """Why the rows are no CSV with a header, and what would make them one; None where they are."""
    header, first = (rows or [[]])[0], rows[1 : _LOOK + 1]
    if len(header) < 2 or header[0].lstrip()[:1] in ("[", "{"):
        return "", ""
    uneven = sum(len(row) != len(header) for row in first)
    if uneven > _UNEVEN_MAX * len(first):
        told = f"{uneven} of {len(first)} rows have another number of cells"
        return told, "quote the cells of a CSV that hold commas"
    if not all(re.search(r"[^\W\d]", name) for name in header if name):
        return "it does not name the columns", "begin a CSV with the names of its columns"
    if not first:
        return "it is a header without rows", "give a CSV with at least one row"
    return None


def _csv(rows: list[list[str]]) -> Sample:
    twice = [name for name in rows[0] if name and rows[0].count(name) > 1]
    if twice:
        raise DataError(f"the first line names more than one column {twice[0]}", "give each column a name of its own")
    return _table(rows, Format("csv"))


def _table(rows: list[list[str]], form: Format) -> Sample:
    """The rows with as many cells as the first one, which names them; several cells without a name are no fields."""
    header, *others = rows or [[]]
    named = [(name, at) for at, name in enumerate(header) if name or header.count("") == 1]
    records = [{name: row[at] for name, at in named} for row in others if len(row) == len(header)]
    reason = f"the rows are of the {len(header)} columns that the first line names"
    return Sample(form, reason, tuple(records), len(others) - len(records))


def _rows(text: str) -> list[list[str]]:
    """The rows as counting reads them, the header first; the last one only if it has an end or is the only record."""
    before = csv.field_size_limit(len(text) + 1)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    finally:
        csv.field_size_limit(before)
    rows = [row for row in rows if len(row) == len(rows[0]) or any(cell.strip(" \t") for cell in row)]
    return rows if len(rows) < 3 or text.endswith(("\n", "\r")) else rows[:-1]


def _nothing_fits(lines: list[str], lacks: tuple[str, str]) -> DataError:
    first = lines[0].lstrip()
    if first.startswith("["):
        return DataError("the file is one JSON array", "write one record a line: jq -c '.[]' FILE")
    if first.startswith("{"):
        return DataError("the file is JSON over several lines", "write one record a line: jq -c . FILE")
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if first.count(sign) > 1:
            return DataError(f"the columns are separated by {name}", "write them with commas")
    told, step = (f"; as CSV, {lacks[0]}", f"{lacks[1]}; or ") if lacks[0] else ("", "")
    hint = f"{step}write a definition with format: {{regex: '(?P<name>…) …'}}, one named group for each value"
    return DataError(f"no format fits the first line: {first[:80]!r}{told}", hint)
