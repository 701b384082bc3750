"""The error tree.

::

    CrossfootError
    ├── CallError         2   the call is wrong: change the arguments
    ├── DefinitionError   3   the definition is wrong: fix the file at the place that is named
    ├── DataError         4   the data is wrong: fix or leave out the input that is named
    ├── StoreError        5   the store is held, damaged or of another definition: free or repair it
    │   └── HeldError         another process holds it: wait for that one, or stop it
    ├── ServiceError      6   a service cannot be reached: retry
    └── InternalError    70   a fault of ours: report it

The number is the exit code of the command line. Exit code 1, a check that did not hold, is an answer and no error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class CrossfootError(Exception):
    """Anything that Crossfoot raises on purpose: what happened (`message`) and the next step (`hint`)."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class CallError(CrossfootError):
    """The call is wrong: an unknown metric, an option that does not fit."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a definition. `line` and `column` count from 1; a definition built in Python has only its `path`."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: str = ""
    """The attribute: ``event.fields.price``."""

    def __str__(self) -> str:
        if self.line is None:
            return self.path or (self.file or "")
        return f"{self.file or '<text>'}:{self.line}:{self.column}"


class DefinitionError(CrossfootError):
    """The definition is wrong at a place that is named.

    `text` is the offending text, `suggestion` the nearest valid name. `also` holds the further errors that were found
    in the same definition.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        message_id: str = "",
        place: Place | None = None,
        text: str = "",
        suggestion: str | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.message_id = message_id
        self.place = place or Place()
        self.text = text
        self.suggestion = suggestion
        self.also: tuple[DefinitionError, ...] = ()

    @property
    def all(self) -> tuple[DefinitionError, ...]:
        """This error and the further ones, in the order of their places."""
        return (self, *self.also)

    @property
    def file(self) -> str | None:
        """The definition's file."""
        return self.place.file

    @property
    def line(self) -> int | None:
        """The line, from 1."""
        return self.place.line

    @property
    def column(self) -> int | None:
        """The column, from 1."""
        return self.place.column

    @property
    def path(self) -> str:
        """The attribute."""
        return self.place.path

    @property
    def page(self) -> str:
        """The page of the docs that explains the message."""
        return f"docs/reference/messages/{self.message_id}.md" if self.message_id else ""

    def __str__(self) -> str:
        return ": ".join([part for part in (str(self.place), self.message_id, self.message) if part])


class DataError(CrossfootError):
    """The data is wrong: a missing file, a damaged archive, a file that was rewritten since it was counted."""

    exit_code = 4


class StoreError(CrossfootError):
    """The store is held by another process, damaged, of another definition or of a newer version."""

    exit_code = 5


class HeldError(StoreError):
    """Another process holds what one process at a time may hold."""


class ServiceError(CrossfootError):
    """A service cannot be reached."""

    exit_code = 6


class InternalError(CrossfootError):
    """A fault of ours: an invariant did not hold."""

    exit_code = 70
