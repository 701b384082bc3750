"""What the demo tells, as values; the command line decides what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Heading:
    """A part begins."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A line."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table."""

    names: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Command:
    """A command to type."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """A statement that was checked."""

    holds: bool
    text: str


Item = Heading | Text | Rows | Command | Check


def equal(what: str, got: int, expected: int) -> Check:
    """The check that a number is the expected one."""
    return Check(got == expected, f"{what} {got:,}" + ("" if got == expected else f", not {expected:,}"))
