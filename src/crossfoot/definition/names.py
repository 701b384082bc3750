"""Names, raw paths, types, patterns of times and regular expressions: the small texts of a definition."""

from __future__ import annotations

import re
from typing import get_args

from crossfoot.definition.findings import BadValueError, nearest
from crossfoot.definition.model import FieldType, RawPath, TypeName
from crossfoot.definition.number import SCALE_MAX
from crossfoot.definition.patterns import unlike
from crossfoot.definition.text import quote_name

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_PART = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')
_DECIMAL = re.compile(r"decimal\s*\(\s*([0-9]{1,2})\s*\)")
_TYPES: dict[str, TypeName] = {name: name for name in get_args(TypeName)}
_OTHER_TYPES = {
    "string": "text",
    "str": "text",
    "varchar": "text",
    "int": "integer",
    "bigint": "integer",
    "long": "integer",
    "number": "decimal(2)",
    "numeric": "decimal(2)",
    "decimal": "decimal(2)",
    "double": "float",
    "bool": "boolean",
}
_DIRECTIVES = frozenset("YmdbHMSfz%")


def parse_path(text: str) -> RawPath:
    """The keys of a path: `geo.country`, `geo."country.code"`. A key may hold anything but a dot or a quote."""
    parts: list[str] = []
    at = 0
    while match := _PART.match(text, at):
        parts.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        at = match.end()
        if at == len(text):
            return tuple(parts)
        if text[at] != ".":
            break
        at += 1
    raise BadValueError("CF1114", text)


def render_path(parts: RawPath) -> str:
    """The path as `parse_path` reads it, and expressions too."""
    return ".".join([quote_name(part) for part in parts])


def parse_type(text: str) -> FieldType:
    """A field's type."""
    if match := _DECIMAL.fullmatch(text):
        if int(match[1]) <= SCALE_MAX:
            return FieldType("decimal", int(match[1]))
        raise BadValueError("CF1108", text)
    if text in _TYPES and text != "decimal":
        return FieldType(_TYPES[text])
    raise BadValueError("CF1108", text, near=_OTHER_TYPES.get(text.lower()) or nearest(text, _TYPES))


def render_type(declared: FieldType) -> str:
    """The type as it could have been written."""
    return f"decimal({declared.scale})" if declared.name == "decimal" else declared.name


def checked_pattern(text: str) -> str:
    """A time's pattern whose directives are known and give a date."""
    found = re.findall(r"%(.?)", text, re.DOTALL)
    unknown = next((letter for letter in found if letter not in _DIRECTIVES or not letter), None)
    if unknown is not None:
        raise BadValueError("CF1110", text, problem=f"unknown directive %{unknown}")
    missing = [
        words for words, letters in (("%Y", "Y"), ("%m or %b", "mb"), ("%d", "d")) if not set(letters) & set(found)
    ]
    if missing:
        raise BadValueError("CF1110", text, problem=f"{missing[0]} is missing")
    return text


def regex_groups(text: str) -> tuple[str, ...]:
    """The named groups of a regular expression that all engines read alike."""
    problem = unlike(text)
    if problem is not None:
        raise BadValueError("CF1111", text, problem=problem)
    try:
        groups = re.compile(text).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        raise BadValueError("CF1111", text, problem=str(error)) from error
    if not groups:
        raise BadValueError("CF1111", text, problem="it has no named groups")
    return tuple(groups)
