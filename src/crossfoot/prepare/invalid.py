"""Why a decoded record is no event."""

from __future__ import annotations

from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["missing", "type", "range", "stamp", "zone", "definition"]


class Invalid(Exception):  # noqa: N818 - an account, caught by `prepare`
    """A part of the record has no value that can be used."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
