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
from crossfoot.definition.sample.columns import Record
from crossfoot.errors import DataError

_LOOK = 100
_ENOUGH = 0.8
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
    lines = _whole_lines(data)
    if not lines:
        raise DataError("the sample is empty", "give a file with at least one record")
    if form is not None:
        return _of_format(lines, form)
    for guess in (_json, _log, _csv):
        found = guess(lines)
        if found is not None:
            return found
    raise _nothing_fits(lines)


def _whole_lines(data: bytes) -> list[str]:
    """Lines that are not blank; the last one only if it has an end or is the only one."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    lines = text.split("\n")
    if len(lines) > 1 and lines[-1]:
        lines = lines[:-1]
    return [line.removesuffix("\r") for line in lines if line.strip()]


def _of_format(lines: list[str], form: Format) -> Sample:
    if form.regex is not None:
        return _matched(lines, form, "a line is a record")
    if form.name == "csv":
        return Sample(form, "a line is a record", _rows(lines))
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
    compiled = re.compile(form.regex or "")
    found = [compiled.fullmatch(line) for line in lines]
    records = tuple([match.groupdict() for match in found if match is not None])
    return Sample(form, reason, records, len(found) - len(records))


def _csv(lines: list[str]) -> Sample | None:
    header, *rows = csv.reader(lines[:_LOOK])
    named = len(header) > 1 and len(set(header)) == len(header) and all(re.search(r"[^\W\d]", name) for name in header)
    if not named or not rows or sum(len(row) == len(header) for row in rows) < _ENOUGH * len(rows):
        return None
    return Sample(Format("csv"), f"the first line names {len(header)} columns", _rows(lines))


def _rows(lines: list[str]) -> tuple[Record, ...]:
    reader = csv.DictReader(io.StringIO("\n".join(lines)))
    return tuple([{name: value for name, value in row.items() if isinstance(value, str)} for row in reader])


def _nothing_fits(lines: list[str]) -> DataError:
    first = lines[0].lstrip()
    if first.startswith("["):
        return DataError("the file is one JSON array", "write one record a line: jq -c '.[]' FILE")
    if first.startswith("{"):
        return DataError("the file is JSON over several lines", "write one record a line: jq -c . FILE")
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if first.count(sign) > 1:
            return DataError(f"the columns are separated by {name}", "write them with commas")
    hint = "write a definition with format: {regex: '(?P<name>…) …'}, one named group for each value"
    return DataError(f"no format fits the first line: {first[:80]!r}", hint)
