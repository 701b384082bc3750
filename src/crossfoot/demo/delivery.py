"""What an at-least-once pipeline does to events, from a seed: delays, copies, other orders, several files, garbage.

The same lines and faults give the same bytes everywhere. Nothing is lost, and a line is changed in one way only: its
received time is put in front.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN = 15 * MINUTE


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong. Times are milliseconds; shares are of the edits."""

    seed: int = 20150912
    partitions: int = 4
    copies: float = 0.08
    stale_copies: int = 120
    """Copies that come after the allowed lateness."""
    offline: float = 0.03
    """Edits that are sent minutes or hours after they were made."""
    replayed: float = 0.1
    """Copies that come minutes or hours after the first delivery, not seconds."""
    disorder: int = 30 * SECOND
    """How far a record may be from its place in the order of received times."""
    lateness: int = 6 * HOUR
    garbage: int = 60


@dataclass(frozen=True, slots=True)
class Arrival:
    """One delivery of one edit. Times are milliseconds since the epoch."""

    edit: int
    event: int
    received: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """The files as lines, and what was done."""

    partitions: tuple[tuple[bytes, ...], ...]
    edits: int
    copies: int
    stale_copies: int
    garbage: int
    late: int
    """Edits whose first delivery came after their hour was over."""
    latest: int
    """The longest way of a first delivery, in milliseconds."""

    @property
    def records(self) -> int:
        """Lines in all files."""
        return sum(map(len, self.partitions))


def deliver(lines: Sequence[bytes], faults: Faults) -> Delivery:
    """Deliver JSON lines that have a `time`."""
    rng = Random(faults.seed)
    firsts = first_arrivals(lines, faults, rng)
    again = copies_of(firsts, faults, rng)
    partitions = spread([*firsts, *again], lines, faults, rng)
    for spoilt in garbage(lines, faults.garbage, rng):
        partition = rng.choice(partitions)
        partition.insert(rng.randrange(len(partition) + 1), spoilt)
    return Delivery(
        partitions=tuple(map(tuple, partitions)),
        edits=len(firsts),
        copies=len(again),
        stale_copies=min(faults.stale_copies, len(again)),
        garbage=faults.garbage,
        late=sum(first.received >= hour_end(first.event) for first in firsts),
        latest=max((first.received - first.event for first in firsts), default=0),
    )


def first_arrivals(lines: Sequence[bytes], faults: Faults, rng: Random) -> list[Arrival]:
    """Each edit once: most within seconds, some after hours, all well inside the allowed lateness."""
    offline = set(rng.sample(range(len(lines)), round(len(lines) * faults.offline)))
    found = []
    for edit, line in enumerate(lines):
        event = event_ms(line)
        way = rng.randrange(5 * MINUTE, faults.lateness - 2 * _MARGIN) if edit in offline else _seconds(rng)
        found.append(Arrival(edit, event, event + way))
    return found


def copies_of(firsts: Sequence[Arrival], faults: Faults, rng: Random) -> list[Arrival]:
    """Second deliveries: retries after seconds, replays after hours, and a known number after the allowed lateness."""
    chosen = rng.sample(firsts, round(len(firsts) * faults.copies))
    found = []
    for number, first in enumerate(chosen):
        limit = first.event + faults.lateness
        if number < faults.stale_copies:
            received = limit + rng.randrange(HOUR, 24 * HOUR)
        elif rng.random() < faults.replayed:
            received = rng.randrange(first.received + 1, limit - _MARGIN)
        else:
            received = first.received + _seconds(rng)
        found.append(Arrival(first.edit, first.event, received))
    return found


def spread(arrivals: Sequence[Arrival], lines: Sequence[bytes], faults: Faults, rng: Random) -> list[list[bytes]]:
    """The arrivals in several files, each roughly in the order of received times; a copy may be in another file."""
    placed: list[list[tuple[int, bytes]]] = [[] for _ in range(faults.partitions)]
    for arrival in arrivals:
        line = stamped(lines[arrival.edit], arrival.received)
        rng.choice(placed).append((arrival.received + rng.randrange(faults.disorder), line))
    return [[line for _, line in sorted(partition)] for partition in placed]


def garbage(lines: Sequence[bytes], count: int, rng: Random) -> Iterator[bytes]:
    """Lines that are no events: cut records, answers of a proxy, bytes that are no text, other JSON."""
    for number in range(count):
        whole = rng.choice(lines)
        kinds = (
            whole[: len(whole) // 2],
            b"<html><body>502 Bad Gateway</body></html>",
            b"\xff\xfe\x00garbage",
            b"[1,2]",
        )
        yield kinds[number % len(kinds)]


def stamped(line: bytes, received: int) -> bytes:
    """The line with its received time in front; everything else stays as it is."""
    return b'{"received":"%s",%s' % (iso(received).encode(), line[1:])


def event_ms(line: bytes) -> int:
    """The event time of a line."""
    return (datetime.fromisoformat(json.loads(line)["time"]) - _EPOCH) // timedelta(milliseconds=1)


def hour_end(event: int) -> int:
    """The end of the hour of an event."""
    return event - event % HOUR + HOUR


def iso(at: int) -> str:
    """Milliseconds since the epoch as ISO text."""
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(rng: Random) -> int:
    """The usual way: two seconds in the mean, at most a minute."""
    return min(40 + int(rng.expovariate(1 / (2 * SECOND))), MINUTE)
