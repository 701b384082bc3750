"""Where a shared topic's logs begin and end: what may be gone on with, and when all that was there is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from crossfoot.clock import Clock
from crossfoot.errors import ServiceError
from crossfoot.services.group.member import Member
from crossfoot.sources.kafka_admin import Admin, Hints

_AGAIN = (
    "nothing was skipped: bring the lost records back, or say where to go on by setting the offset of the group with "
    "Kafka's own tool (kafka-consumer-groups --reset-offsets); a new ledger begins there"
)
POSITION = (
    "with `id: position` give the source another name too (name: NAME): the new events would have uuids of the old ones"
)
HINTS = Hints(_AGAIN, f"{_AGAIN}; {POSITION}")


class Ends:
    """Whether what the logs had at the start is done, by us or by others of the group."""

    def __init__(self, admin: Admin, member: Member, clock: Clock, every_s: float) -> None:
        self._admin, self._member, self._clock, self._every_s = admin, member, clock, every_s
        self._until: dict[int, int] = {}
        self._asked_s = clock.elapsed_s()
        self._is_done_elsewhere = False

    def begin(self, partitions: Iterable[int]) -> None:
        """What is there now is what has to be done."""
        wanted = tuple(partitions)
        begins, ends = self._admin.begins(wanted), self._admin.ends(wanted)
        self._until = {part: end for part, end in ends.items() if end > begins[part]}

    def are_reached(self, ours: Mapping[int, int]) -> bool:
        """`ours`: how far our partitions are committed. Those of other processes are asked for now and then."""
        behind = [part for part, end in self._until.items() if ours.get(part, -1) < end]
        if any(part in ours for part in behind):
            return False
        return not behind or self._are_done_elsewhere(behind)

    def _are_done_elsewhere(self, partitions: Iterable[int]) -> bool:
        now = self._clock.elapsed_s()
        if now - self._asked_s >= self._every_s:
            self._asked_s = now
            with suppress(ServiceError):  # it is asked again
                found = self._member.committed(partitions)
                self._is_done_elsewhere = all(found.get(part, (-1, ""))[0] >= self._until[part] for part in partitions)
        return self._is_done_elsewhere
