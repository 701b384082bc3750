"""What is wrong with a definition, before it is told: a message id, an attribute path, the offending text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeAlias

from crossfoot.definition.messages import MESSAGES
from crossfoot.errors import DefinitionError, Place

At: TypeAlias = tuple[str | int, ...]
"""Where in a definition: keys and places in lists, from the outside in."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `values` fill the message's templates; `near` is the nearest valid name.

    `offset` is the place of `text` inside the value at `at`, where that is known; `on_key` says that a key is meant.
    """

    message_id: str
    at: At
    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    near: str | None = None
    offset: int | None = None
    on_key: bool = False


class Position(NamedTuple):
    """A place in a file, from 1."""

    line: int
    column: int


class BadValueError(ValueError):
    """A text that cannot be read as what it should be: a message id, the offending part, its offset in the text."""

    def __init__(self, message_id: str, text: str, offset: int = 0, near: str | None = None, **values: Any) -> None:
        super().__init__(message_id, text, offset, near, values)
        self.message_id = message_id
        self.text = text
        self.offset = offset
        self.near = near
        self.values = values

    def at(self, at: At) -> Finding:
        """The same, at a place of a definition."""
        return Finding(self.message_id, at, self.text, self.values, self.near, self.offset)


class FoundError(Exception):
    """A finding that ends the reading of the part it is in."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The valid name that was probably meant."""
    known = {known.lower(): known for known in names}
    close = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return known[close[0]] if close else None


def say_at(at: At) -> str:
    """``event.fields.price`` or ``metrics.visits.by[1]``."""
    return "".join([f"[{part}]" if isinstance(part, int) else f".{part}" for part in at]).lstrip(".") or "definition"


class InvalidDefinitionError(DefinitionError):
    """A DefinitionError that still has its findings, so that who knows the file can tell their places."""

    findings: tuple[Finding, ...] = ()


def to_error(
    findings: Iterable[Finding], file: str | None = None, locate: Callable[[Finding], Position] | None = None
) -> InvalidDefinitionError:
    """All findings as one error, in the order of their places (without places: as they were found)."""
    findings = tuple(findings)
    errors = [_error(finding, file, locate(finding) if locate else None) for finding in findings]
    errors.sort(key=lambda error: (error.line or 0, error.column or 0))
    first, *also = errors
    first.also, first.findings = tuple(also), findings
    return first


def _error(finding: Finding, file: str | None, position: Position | None) -> InvalidDefinitionError:
    message = MESSAGES[finding.message_id]
    line, column = position or (None, None)
    values = {"place": say_at(finding.at), "text": finding.text, **finding.values}
    hint = message.hint.format(**{"allowed": "", **values})
    return InvalidDefinitionError(
        message.says.format(**values),
        f"did you mean {finding.near}? {hint}" if finding.near else hint,
        message_id=finding.message_id,
        place=Place(file, line, column, say_at(finding.at)),
        text=finding.text,
        suggestion=finding.near,
    )
