"""Pieces of SQL that all steps write."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from crossfoot.definition.text import quote_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def name(text: str) -> str:
    """An identifier."""
    return '"' + text.replace('"', '""') + '"'


def texts(values: Iterable[str]) -> str:
    """A list of texts."""
    return "[" + ", ".join(map(quote_text, values)) + "]"


def micros(moment: datetime) -> int:
    """An aware time as microseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def field_column(field: str) -> str:
    """The column that holds a declared field."""
    return name(f"field {field}")


def floor(value: str, unit: int) -> str:
    """The largest multiple of `unit` that is not above."""
    return f"({value} - (({value} % {unit}) + {unit}) % {unit})"


def plain_regex(text: str) -> str:
    """A regular expression that matches the text only."""
    return "".join([letter if letter.isalnum() else rf"\x{{{ord(letter):x}}}" for letter in text])
