"""Values of data as texts that stay data: in a terminal, in CSV, in a table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from typing import Any, TextIO

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTED = re.compile(r'[",\r\n]|^$')


def write_csv(names: Iterable[str], rows: Iterable[tuple[Any, ...]], out: TextIO) -> None:
    """CSV that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe in front.

    An empty text stands between quotes; null is nothing at all.
    """
    for row in chain([names], rows):
        out.write(",".join(map(_field, row)) + "\n")


def _field(value: Any) -> str:
    text = str(safe_cell(value))
    if value is not None and _QUOTED.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def safe_cell(value: Any) -> Any:
    """A value of a CSV cell that stays data."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or not value.startswith(_FORMULA) or _is_number(value):
        return value
    return f"'{value}"


def _is_number(text: str) -> bool:
    """Decimals are texts here, and a negative one is no formula."""
    return text[1:].replace(".", "", 1).isdecimal() and text[0] == "-"


def safe_text(value: Any) -> str:
    """A value as text that cannot move the cursor, change colours or break a line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
