"""This process's share of a topic: partitions that are its own, read from where they are, committed with what is done.

What is done of a partition stands beside its committed offset, and nowhere else: Kafka commits both at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from crossfoot import _core
from crossfoot.errors import DataError
from crossfoot.native import core_errors
from crossfoot.services.group.begin import Beginning, Begun
from crossfoot.services.group.ends import HINTS, POSITION, Ends
from crossfoot.services.group.member import Calls, Member
from crossfoot.services.group.state import PartitionState
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.sources.kafka import Topic, open_reader
from crossfoot.sources.kafka_admin import LASTING, Admin, Look, NotNowError
from crossfoot.sources.kafka_gate import Gate, Taken
from crossfoot.sources.kafka_lost import Lost


class Held(Protocol):
    """A partition that is ours: what is done of it, and what of that is committed (None: nothing)."""

    committed: PartitionState | None

    @property
    def ledger(self) -> PartitionState:
        """What is done."""
        ...

    @property
    def read_to(self) -> int:
        """What lies before it was taken from the reader."""
        ...


class Work(Protocol):
    """What a service does when its share changes; it keeps what is held."""

    def take(self, begun: Mapping[int, Begun]) -> None:
        """Hold these partitions from now on, each from where it was committed."""

    def leave(self, partitions: list[int], lost: bool) -> None:
        """Hold them no more; unless they are another's already, what is on its way is committed, or forgotten."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A topic that a group shares. `does` is what is done with it, as a message says it."""

    topic: Topic
    admin: Admin
    group: str
    definition_hash: str
    does: str
    queue_bytes: int


@dataclass(frozen=True, slots=True)
class Block:
    """Records of one partition as a reader hands them over: their bytes, ends, offsets and stamps as columns."""

    partition: int
    data: bytes
    ends: bytes
    offsets: bytes
    stamps: bytes


@dataclass(frozen=True, slots=True)
class Handed:
    """What may be worked on, in this order: blocks, ends of logs that were reached; and notes of what is tried again.

    Blocks and ends are made when they are asked for: where the share changes meanwhile, the rest is left out.
    """

    blocks: Iterator[Block]
    notes: Sequence[str]
    ends: Iterator[tuple[int, int]]
    queued_bytes: int


class Share:
    """The member, the reader and the commits of one process. `held` is kept by the service."""

    def __init__(self, shared: Shared, held: Mapping[int, Held], work: Work, settings: Settings, watch: Watch[Any]):
        self._shared, self._held, self._work, self._settings, self._watch = shared, held, work, settings, watch
        self._waiting: set[int] = set()
        """Partitions that are ours, and are not held yet."""
        self._asked: dict[int, PartitionState] = {}
        self.known: dict[int, PartitionState] = {}
        """What this process knows to be committed, also of partitions that it gave up."""
        self._reader: _core.KafkaReader | None = None
        self._topic_id = ""
        self._gate = Gate(shared.admin, self.check_id, watch.clock, shared.queue_bytes // 2)
        self._lost = Lost(shared.topic.topic, shared.admin, self.check_id, self._reached, HINTS)
        calls = Calls(self._waiting.update, self._give_up, self._was_committed, watch.note, self._lost.check)
        self.member = Member(shared.topic, shared.group, calls, settings.connect_seconds)
        self._until = Ends(shared.admin, self.member, watch.clock, settings.idle_seconds)

    # Coming and going.

    def join(self, once: bool) -> None:
        """Ask for a share. `once`: what the logs have now is what has to be done."""
        found = self._shared.admin.describe()
        self._topic_id = found.id
        if once:
            self._until.begin(found.partitions)
        self.member.join()

    def is_done(self) -> bool:
        """Ours are at the ends and committed, those of other processes too."""
        reached = {number: held.ledger.next for number, held in self._held.items()}
        return not self.changed() and self._until.are_reached(reached)

    def close(self) -> None:
        """Leave the group."""
        self._close_reader()
        self.member.close()

    def poll(self) -> None:
        """Let the group speak; while nothing is held, that is waited for. What became ours is held from then on."""
        self.member.poll(0.0 if self._held else self._settings.epoch_seconds / 2)
        if self._waiting:
            self._take_up()

    def _take_up(self) -> None:
        """While the cluster does not answer, it is asked again and again."""
        try:
            self._take(sorted(self._waiting))
        except NotNowError as error:
            self._watch.note(f"{error.message}; it is tried again")
            self.member.poll(self._settings.idle_seconds)

    def _take(self, partitions: list[int]) -> None:
        found = self._shared.admin.describe()
        self.check_id(found.id)
        shared = self._shared
        beginning = Beginning(shared.topic, shared.admin, shared.definition_hash, self.check_id, self._watch.note)
        self._work.take(beginning.of(partitions, self.member, found))
        self._waiting.difference_update(partitions)
        self._close_reader()

    def _give_up(self, partitions: list[int], lost: bool) -> None:
        if lost:
            topic = self._shared.topic.topic
            self._watch.note(f"{topic}: the group has gone on without this process, which joins again")
        self._work.leave(partitions, lost)
        self._waiting.difference_update(partitions)
        self._close_reader()

    def look(self) -> Look | None:
        """What the cluster says of the topic, without waiting; one that was made again is another one."""
        look = self._shared.admin.looked()
        self._shared.admin.start_look(tuple(self._held), self._watch.clock.now_us())
        if look is not None:
            self.check_id(look.state.id)
        return look

    def check_id(self, found: str) -> None:
        """DataError where the topic is not the one that this process began with."""
        if found != self._topic_id:
            topic, group, does = self._shared.topic.topic, self.member.group, self._shared.does
            raise DataError(
                f"the Kafka topic {topic} was deleted and made again since the group {group} {does} it",
                "name another group (group.id) for the new topic, or delete the group's offsets of the old one; "
                + POSITION,
            )

    # Reading.

    def read(self, bytes_max: int, wait_s: float) -> Handed:
        """What the reader has of what is held, as far as it is sure that it is of the topic that is shared."""
        reader = self._reader or self._open_reader()
        passed = self._gate.take(reader, bytes_max, wait_s)
        notes = [*map(self._judge, passed.failures), *map(self._named, passed.notes)]
        taken = passed.taken or Taken([], {}, 0)
        return Handed(self._blocks(reader, taken), notes, self._ends(reader, taken), passed.queued_bytes)

    def _judge(self, failure: Mapping[str, Any]) -> str:
        """A note of what is tried again; what cannot be recovered from is raised."""
        if failure["name"] in LASTING:
            self._lost.stop(failure)
        return self._named(f"{failure['text']}; it is tried again")

    def _named(self, note: str) -> str:
        return f"{self._shared.topic.topic}: {note}"

    def _reached(self, partition: int) -> tuple[str, int]:
        """A partition's name, and what was to be read next of it."""
        held = self._held.get(partition)
        following = max(0 if held is None else held.read_to, self._gate.reached.get(partition, 0))
        return self._shared.topic.partition_name(partition), following

    def _blocks(self, reader: _core.KafkaReader, taken: Taken) -> Iterator[Block]:
        for number, data, columns in taken.blocks:
            if number in self._held and reader is self._reader:
                yield Block(number, data, *columns)

    def _ends(self, reader: _core.KafkaReader, taken: Taken) -> Iterator[tuple[int, int]]:
        """Partitions whose logs end behind what was read of them: there is nothing between."""
        for number, part in taken.partitions.items():
            held = self._held.get(int(number))
            if held is not None and reader is self._reader and (part["end"] or 0) > held.read_to:
                yield int(number), part["end"]

    def _open_reader(self) -> _core.KafkaReader:
        """A reader of what is ours now; what an earlier one has read ahead is read again."""
        topic = self._shared.topic
        reader = open_reader(topic, self.member.group, self._shared.queue_bytes // 2)
        places = [[number, held.read_to, topic.partition_name(number)] for number, held in self._held.items()]
        with core_errors():
            reader.assign(json.dumps(places))
        self._reader = reader
        return reader

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
            self._gate.clear()

    def lineage(self, partition: int) -> dict[str, str]:
        """Where a record of ours is from, as a dead letter says it."""
        topic, definition = self._shared.topic.topic, self._shared.definition_hash
        return {"topic": topic, "partition": str(partition), "definition": definition}

    # Committing.

    def changed(self) -> dict[int, PartitionState]:
        """What is done and not committed."""
        return {number: held.ledger for number, held in self._held.items() if held.ledger != held.committed}

    def commit(self) -> None:
        """Ask for it, unless an earlier answer has not come yet."""
        if not self.member.waits_for_commit and (changed := self.changed()):
            self._asked = changed
            self.member.commit(self._offsets(changed))

    def commit_now(self, partitions: Iterable[int]) -> None:
        """The same for some partitions, at once."""
        changed = self.changed()
        if ours := {number: changed[number] for number in partitions if number in changed}:
            self.member.commit_now(self._offsets(ours))

    def _offsets(self, ledgers: Mapping[int, PartitionState]) -> dict[int, tuple[int, str]]:
        for number, ledger in ledgers.items():
            ledger.check(self._shared.topic.partition_name(number))
        return {number: (ledger.next, ledger.text()) for number, ledger in ledgers.items()}

    def _was_committed(self, offsets: Mapping[int, int]) -> None:
        for number, offset in offsets.items():
            asked, held = self._asked.get(number), self._held.get(number)
            if asked is not None and held is not None and asked.next == offset:
                held.committed = self.known[number] = asked
