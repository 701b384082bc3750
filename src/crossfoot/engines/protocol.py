"""What every engine offers. The reference and the embedded engine have these methods; tests drive both through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from crossfoot.event import CellTable, LedgerRow, PositionedRecord, SideEntry, Status


class Engine(Protocol):
    """Counts records in epochs. What is asked for is the newest epoch: commit first."""

    def register(self, partitions: Sequence[str]) -> None:
        """Name the partitions before the first record. A later one joins, in an epoch of its own, at the clock."""

    def rejoin(self, partitions: Sequence[tuple[str, str, int | None]]) -> None:
        """Let partitions join as it was recorded, each with its identity and its J: in a recount."""

    def feed(self, partition: str, data: bytes, now_us: int, start_record: int | None = None) -> None:
        """Count whole lines; `now_us` is the reading clock, `start_record` the expected ordinal of the first one.

        A partition that is not live joins first.
        """

    def feed_records(self, partition: str, records: Sequence[PositionedRecord], now_us: int) -> None:
        """Count records at their positions, in order; positions that are left out are gaps.

        The first record of a partition says where it begins. A partition that is not live joins first.
        """

    def recount_block(
        self, partition: str, data: bytes, columns: tuple[bytes, bytes, bytes, bytes], recorded: bytes, now_us: int
    ) -> None:
        """The same by columns, in a recount: ends (u32), positions (u64), stamps and received times, and the t that was
        recorded of each (i64; the least of all, or an empty column: none). The partition is live.
        """

    def skip_to(self, partition: str, offset: int) -> None:
        """What lies before this position was handed out, or never will be; the first call says where that begins."""

    def heartbeat(self, partition: str, t_us: int) -> None:
        """An idle partition says that its time has reached `t_us`."""

    def finish(self, partition: str) -> None:
        """A known partition is at its end; once more changes nothing."""

    def commit(self) -> int:
        """Make an epoch of everything since the last one; its number."""
        ...

    def cells(self) -> list[CellTable]:
        """All kept cells: a table for every metric, dimension set and grain, in the definition's order."""
        ...

    def ledger(self) -> list[LedgerRow]:
        """The accounts, by partition and minute."""
        ...

    def side_log(self) -> list[SideEntry]:
        """The records that could not be counted, each partition in its order."""
        ...

    def status(self) -> Status:
        """Epoch, clocks and partitions."""
        ...
