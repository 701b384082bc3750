"""Between a reader and whoever counts: records pass once the topic was asked for after they came, and is still the one.

A reader goes on in a topic that was deleted and made again, at the old offsets: librdkafka has no word for it. So
nothing is handed over before a question is answered that was asked after it had come.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crossfoot import _core
from crossfoot.clock import Clock
from crossfoot.errors import CrossfootError
from crossfoot.native import core_errors
from crossfoot.sources.kafka_admin import Admin, Asked

_APART_S = 0.05
"""Questions begin so far apart, unless half of the room waits for one: a record behind a pause is asked for at once."""
_APART_PARTITION_S = 0.0005
"""The same for each partition of the topic: an answer names them all, and is read in a twentieth of that time."""
_APART_MOST_S = 1.0
_AFTER_FAILURE_S = 0.2

Blocks = list[tuple[int, bytes, list[bytes]]]
"""Records as a reader hands them over: partition, bytes, columns (ends u32, offsets u64, stamps i64)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one call of a reader has given: blocks, how far each partition was handed over, where logs end."""

    blocks: Blocks
    partitions: Mapping[str, Mapping[str, Any]]
    bytes: int
    size_bytes: int = 0
    """What it takes while it waits."""


@dataclass(slots=True)
class Passed:
    """What may be handed over by now, if anything. `failures` are the reader's, of which nothing waits."""

    taken: Taken | None = None
    failures: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    queued_bytes: int = 0


class Gate:
    """Holds what was taken until it is sure. `check` raises where an id is not the one of what is read."""

    def __init__(self, admin: Admin, check: Callable[[str], None], clock: Clock, bytes_max: int) -> None:
        self._admin, self._check, self._clock, self._bytes_max = admin, check, clock, bytes_max
        self._new: list[Taken] = []
        """Came after the question on its way was asked."""
        self._asked: list[Taken] = []
        self._sure: deque[Taken] = deque()
        self._bytes = 0
        """Of all that waits here."""
        self._question: Asked | None = None
        self._apart_s, self._next_s = _APART_S, 0.0
        self._is_failing = False
        self.reached: dict[int, int] = {}
        """The offset behind what was taken of each partition."""

    def clear(self) -> None:
        """Forget what waits: its reader is closed."""
        self._new, self._asked = [], []
        self._sure.clear()
        self.reached.clear()
        self._bytes = 0

    def take(self, reader: _core.KafkaReader, bytes_max: int, wait_s: float) -> Passed:
        """Hand over about so much of what is sure. Only where nothing is, something is waited for, at most so long."""
        passed = Passed()
        self._settle(0.0, passed)
        self._read(reader, bytes_max, 0.0 if self._sure or self._question else wait_s, passed)
        self._ask()
        if not self._sure:
            self._settle(wait_s, passed)
        if self._sure:
            passed.taken = self._sure.popleft()
            self._bytes -= passed.taken.size_bytes
        passed.queued_bytes += self._bytes
        return passed

    def _read(self, reader: _core.KafkaReader, bytes_max: int, wait_s: float, passed: Passed) -> None:
        if self._new:
            wait_s = min(wait_s, max(0.0, self._next_s - self._clock.elapsed_s()))
        if self._bytes >= self._bytes_max:
            self._admin.wait(wait_s)
            return
        with core_errors():
            said, blocks = reader.take(bytes_max, int(1000 * wait_s))
        handed = json.loads(said)
        passed.failures, passed.queued_bytes = handed["failures"], handed["queued_bytes"]
        if handed["partitions"]:
            size_bytes = sum(len(data) + sum(map(len, columns)) for _, data, columns in blocks)
            self._new.append(Taken(blocks, handed["partitions"], handed["bytes"], size_bytes))
            self._bytes += size_bytes
        for number, part in handed["partitions"].items():
            reached = (self.reached.get(int(number), 0), part["next"], part["end"] or 0)
            self.reached[int(number)] = max(reached)

    def _ask(self) -> None:
        """One question at a time, for all that came before it."""
        if self._question is not None or not self._new:
            return
        now, much = self._clock.elapsed_s(), 2 * self._bytes >= self._bytes_max and not self._is_failing
        if now >= self._next_s or much:
            self._asked, self._new = self._new, []
            self._question, self._next_s = self._admin.ask(), now + self._apart_s

    def _settle(self, wait_s: float, passed: Passed) -> None:
        """Take note of the answer; wait for it, at most so long."""
        if self._question is None:
            return
        try:
            found = self._question(wait_s)
        except CrossfootError as error:  # it is asked again; what lasts is the reader's to say
            self._fail(error, passed)
            return
        if found is None:
            return
        self._check(found.id)
        self._question, self._is_failing = None, False
        self._apart_s = min(_APART_MOST_S, max(_APART_S, _APART_PARTITION_S * len(found.partitions)))
        self._sure.extend(self._asked)
        self._asked = []

    def _fail(self, error: CrossfootError, passed: Passed) -> None:
        """Said once until it works again."""
        self._question = None
        self._new, self._asked = self._asked + self._new, []
        self._next_s = self._clock.elapsed_s() + _AFTER_FAILURE_S
        if not self._is_failing:
            passed.notes.append(f"{error.message}; it is asked again")
        self._is_failing = True
