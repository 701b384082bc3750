"""What cannot be gone on with: offsets that a log does not hold, and what a reader's failure means that lasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from crossfoot.errors import DataError, ServiceError
from crossfoot.sources.kafka_admin import HINTS, MISSING, OUT_OF_RANGE, Admin, Hints, failure_of


def check_place(name: str, following: int, log: tuple[int, int], hints: Hints = HINTS) -> None:
    """A partition can be gone on with at an offset; DataError where its log (begin, end) does not hold that."""
    begin, end = log
    if following < begin:
        raise DataError(f"offset {following} of {name} is gone: its log begins at {begin}", hints.gone)
    if following > end:
        raise DataError(f"{name} was cut: offset {following} was reached, its log ends at {end}", hints.cut)


@dataclass(frozen=True, slots=True)
class Lost:
    """Says what has become of a topic while it is read. `check_id` raises where it is another one.

    `place` gives the name of a partition and the offset that was to be read next.
    """

    topic: str
    admin: Admin
    check_id: Callable[[str], None]
    place: Callable[[int], tuple[str, int]]
    hints: Hints = HINTS

    def check(self) -> None:
        """Ask the cluster for the topic's id."""
        with suppress(ServiceError):
            self.check_id(self.admin.describe().id)

    def stop(self, failure: Mapping[str, Any]) -> NoReturn:
        """Ask the cluster once, and say what a start would say; where it does not answer, what the reader said."""
        name, text, partition = failure["name"], failure["text"], failure["partition"]
        if name in MISSING | OUT_OF_RANGE:
            self.check()
        if name in OUT_OF_RANGE and partition is not None:
            where, following = self.place(partition)
            with suppress(ServiceError):
                log = self.admin.begins([partition])[partition], self.admin.ends([partition])[partition]
                check_place(where, following, log, self.hints)
            raise DataError(f"offset {following} of {where} or one soon after it is gone: {text}", self.hints.gone)
        raise failure_of(name, text, self.topic)
