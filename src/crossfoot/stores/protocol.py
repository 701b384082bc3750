"""What the query side asks of a store, wherever its cells are."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Scan:
    """One question to one stored table; `metric`, `set` and `grain` are indices of the plan.

    `dims` are positions in the set, `into` is a coarser grain (as plans have it), `where` an expression as lists over
    the positions of the set. Only windows that start in [since_us, until_us) are read.
    """

    metric: int
    set: int
    grain: int
    dims: tuple[int, ...] = ()
    into: dict[str, Any] | None = None
    since_us: int | None = None
    until_us: int | None = None
    where: list[Any] | None = None

    def request(self) -> str:
        """As the core takes it."""
        return json.dumps({name: getattr(self, name) for name in _ASKED})


_ASKED = tuple(field.name for field in fields(Scan))


class CellStore(Protocol):
    """A store at one epoch, whole; `refresh` goes on to the newest."""

    @property
    def path(self) -> Path | None:
        """The store's folder, where it has one: beside it may be what a batch has settled."""
        ...

    @property
    def meta(self) -> dict[str, Any]:
        """Epoch, plan, clocks and partitions. The same object as long as nothing is new."""
        ...

    def refresh(self) -> None:
        """Go on to the newest epoch."""

    def scan(self, scan: Scan) -> pa.Table:
        """`window`, the dimensions, the measures, `__events`; ordered by dimensions, then window."""
        ...

    def expired(self, metric: int, by: int, grain: int) -> int:
        """Events in windows of a stored table that retention no longer keeps."""
        ...

    def ledger(self) -> pa.Table:
        """partition, minute, account, reason, part, records, digest (hex)."""
        ...

    def side_log(self, limit: int) -> pa.Table:
        """The records that could not be counted, with times, reason and bytes (`raw`)."""
        ...
