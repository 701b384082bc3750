"""Where partitions that became ours go on: at their committed offsets, with what stands beside those."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from crossfoot.services.group.ends import HINTS
from crossfoot.services.group.member import Member
from crossfoot.services.group.state import PartitionState, state_of
from crossfoot.sources.kafka import Topic
from crossfoot.sources.kafka_admin import Admin, TopicState
from crossfoot.sources.kafka_lost import check_place


@dataclass(frozen=True, slots=True)
class Begun:
    """A partition: the state that it goes on with, what of that is committed (None: nothing), the end of its log."""

    state: PartitionState
    committed: PartitionState | None
    end: int


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is asked, and whom to tell; `check_id` raises where a topic's id is not the one that is shared."""

    topic: Topic
    admin: Admin
    definition_hash: str
    check_id: Callable[[str], None]
    note: Callable[[str], None]

    def of(self, partitions: list[int], member: Member, topic: TopicState) -> dict[int, Begun]:
        """Each partition, once it is sure that its log holds what follows."""
        known = member.committed(topic.partitions)
        states = {part: state_of(*found) for part, found in known.items()}
        begins, ends = self.admin.begins(partitions), self.admin.ends(partitions)
        begun = {}
        for part in partitions:
            name, state = self.topic.partition_name(part), states.get(part)
            if state is None:
                state = self._new(part, known.get(part), (topic.id, begins[part]), states)
            else:
                self.check_id(state.topic_id)
            check_place(name, state.next, (begins[part], ends[part]), HINTS)
            if state.definition != self.definition_hash:
                self.note(f"{name}: the definition has changed; what follows is done by the new one")
            begun[part] = Begun(replace(state, definition=self.definition_hash), states.get(part), ends[part])
        return begun

    def _new(
        self,
        part: int,
        set_by_hand: tuple[int, str] | None,
        log: tuple[str, int],
        states: Mapping[int, PartitionState | None],
    ) -> PartitionState:
        """A partition without state joins: J is the least last t of those that have one."""
        times = [state.last_t_us for other, state in states.items() if state is not None and other != part]
        joined_us = min((time_us for time_us in times if time_us is not None), default=None)
        topic_id, first = log
        if set_by_hand is not None:
            first = set_by_hand[0]
            name = self.topic.partition_name(part)
            self.note(f"{name}: its offset {first} was set by another tool; a new ledger begins")
        joined_us = None if None in times else joined_us
        return PartitionState(topic_id, self.definition_hash, first, first, joined_us=joined_us)
