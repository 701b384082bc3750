"""How far a topic is prepared, and its ledger, as the group's committed offsets say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossfoot.services.preprocess.state import PartitionState, Totals


@dataclass(frozen=True, slots=True)
class PartitionLine:
    """A partition: its committed state (None: nothing is committed by us), the end of its log."""

    name: str
    state: PartitionState | None
    end: int

    @property
    def lag(self) -> int:
        """Positions between what is committed and the end of the log."""
        return self.end if self.state is None else self.end - self.state.next


@dataclass(frozen=True, slots=True)
class Status:
    """All partitions of a topic, for one group."""

    topic: str
    group: str
    partitions: tuple[PartitionLine, ...]

    @property
    def totals(self) -> Totals:
        """Of all partitions."""
        return sum((line.state.totals for line in self.partitions if line.state is not None), Totals())


def lines_of(
    names: Mapping[int, str], states: Mapping[int, PartitionState | None], ends: Mapping[int, int]
) -> tuple[PartitionLine, ...]:
    """The lines, in the order of the partitions."""
    return tuple([PartitionLine(names[part], states.get(part), ends[part]) for part in sorted(names)])
