"""Values of data as texts that stay data: in a terminal, in CSV, in a table."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any, TextIO

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(names: Iterable[str], rows: Iterable[tuple[Any, ...]], out: TextIO) -> None:
    """CSV that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe in front."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in names])
    writer.writerows([safe_cell(value) for value in row] for row in rows)


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
