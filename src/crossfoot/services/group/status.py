"""How far a topic is done, and its ledger, as the group's committed offsets say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossfoot.services.group.member import committed_by
from crossfoot.services.group.state import PartitionState, Totals, state_of
from crossfoot.sources.kafka import Topic


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
    """All partitions of a topic, for one group; `to` is where they go."""

    topic: str
    to: str
    group: str
    partitions: tuple[PartitionLine, ...]

    @property
    def totals(self) -> Totals:
        """Of all partitions."""
        return sum((line.state.totals for line in self.partitions if line.state is not None), Totals())


def committed_status(topic: Topic, to: str, group: str, timeout_s: float) -> Status:
    """How far a group has come, read without joining it."""
    found = committed_by(topic, group, timeout_s)
    states = {part: state_of(*offset) for part, offset in found.offsets.items()}
    names = {part: topic.partition_name(part) for part in found.ends}
    return Status(topic.topic, to, found.group, lines_of(names, states, found.ends))


def lines_of(
    names: Mapping[int, str], states: Mapping[int, PartitionState | None], ends: Mapping[int, int]
) -> tuple[PartitionLine, ...]:
    """The lines, in the order of the partitions."""
    return tuple([PartitionLine(names[part], states.get(part), ends[part]) for part in sorted(names)])
