"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crossfoot.cli.places import STORE
from crossfoot.errors import CallError

StoreFolder = Annotated[Path, Parameter(help="The folder of the store.")]
DEFAULT_STORE = Path(STORE)
AnyStore = Annotated[str, Parameter(help="The folder of the store, or bigtable:PROJECT/INSTANCE/TABLE.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Range:
    """Which events are asked for."""

    since: Annotated[str | None, Parameter(help="Only windows from this time on: 2015-09-12T10:00Z.")] = None
    until: Annotated[str | None, Parameter(help="Only windows that begin before this time.")] = None
    where: Annotated[str | None, Parameter(help="A condition over dimensions, as in SQL: \"country = 'FR'\".")] = None
    live: Annotated[bool, Parameter(negative="", help="Only what the store counts, not what a batch has settled.")] = (
        False
    )
    tz: Annotated[str | None, Parameter(help="The zone of times that are given and shown; UTC unless named.")] = None


def some(limit: int, what: str) -> int:
    """A `--limit` that is none below zero."""
    if limit < 0:
        raise CallError(f"--limit cannot be negative: {limit}", f"leave it out, or name how many {what} to show")
    return limit


def names(text: str | None) -> list[str]:
    """`a,b` as names."""
    return [part for part in (part.strip() for part in (text or "").split(",")) if part]


def joined(parts: Sequence[str]) -> str:
    """Names as one option."""
    return ",".join(parts)
