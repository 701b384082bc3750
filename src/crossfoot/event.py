"""The values that pass between the steps, and what an engine answers: records, events, accounts, cells. No I/O.

Times are integer microseconds since the epoch, UTC; a name that ends in ``_us`` says so.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import accumulate
from typing import Literal, TypeAlias

ABSENT_US = -(1 << 63)
"""Stands in a column of times where a record has none: before every clock."""

Value: TypeAlias = None | bool | int | Decimal | float | str
"""A declared field's value. A decimal is a `Decimal` with its declared scale; a float is finite and never -0."""


class Account(StrEnum):
    """The one place where a record ends, in the order in which the accounts are asked."""

    MALFORMED = "malformed"
    FILTERED = "filtered"
    INVALID = "invalid"
    FUTURE = "future"
    TOO_LATE = "too_late"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    COUNTED = "counted"


SIDE_ACCOUNTS = frozenset({Account.CONFLICT, Account.FUTURE, Account.TOO_LATE, Account.INVALID, Account.MALFORMED})
"""The accounts whose records are kept, with their bytes, in the side log."""


@dataclass(frozen=True, slots=True)
class PositionedRecord:
    """A record of a live source: its bytes, its position in the partition, and what comes beside it.

    `stamp_us` is the broker's append time, the stamp of our own log, or where stamps are carried that of the hop that
    counts; `received_us` is the carried one. A message is one record, whatever its bytes are. In a recount
    `recorded_us` is the t that the archive has of it.
    """

    data: bytes
    offset: int
    stamp_us: int | None = None
    received_us: int | None = None
    recorded_us: int | None = None


def ends_of(records: Iterable[bytes]) -> array[int]:
    """Where each of some records ends, one behind the other (u32)."""
    return array("I", accumulate(map(len, records)))


def records_of(
    data: bytes, columns: tuple[bytes, bytes, bytes, bytes], recorded: bytes = b""
) -> list[PositionedRecord]:
    """The records of a block: ends (u32), positions (u64), stamps, received and recorded times (i64).

    The least of all numbers, or an empty column: none.
    """
    ends, positions = array("I", columns[0]), array("Q", columns[1])
    times = ([_time(at) for at in array("q", each)] or [None] * len(ends) for each in (*columns[2:], recorded))
    starts = [0, *ends[:-1]] if ends else []
    places = zip(starts, ends, positions, *times, strict=True)
    return [PositionedRecord(data[start:end], at, *beside) for start, end, at, *beside in places]


def _time(at_us: int) -> int | None:
    return None if at_us == ABSENT_US else at_us


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes of a source, without their line end, at a position. Lines are counted from 0.

    The stamps are those of `PositionedRecord`.
    """

    partition: str
    ordinal: int
    data: bytes
    stamp_us: int | None = None
    received_us: int | None = None
    recorded_us: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that is no event. `part` says which part of it an ``invalid`` speaks of."""

    account: Account
    reason: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A record that was decoded, remapped and given an id and an event time.

    `stamp_us` moves the partition's time, None where the definition has no received time; `received_us` is the received
    time where it was carried. `values` holds every declared field, `digest` is the digest of them.
    """

    uuid: int
    event_us: int
    stamp_us: int | None
    values: Mapping[str, Value]
    digest: int
    received_us: int | None = None


Prepared: TypeAlias = Event | Refusal


@dataclass(frozen=True, slots=True)
class CellTable:
    """The cells of one metric, dimension set and grain.

    A row is ``{"window": start or None, dimensions…, measures…}``, rows are ordered by dimensions, then window.
    `expired` counts the events of windows that retention no longer keeps.
    """

    metric: str
    by: tuple[str, ...]
    grain: str
    rows: tuple[dict[str, Value], ...]
    expired: int = 0


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Records of one partition, minute of t and account; `digest` is the sum modulo 2**128 of their keyed hashes."""

    partition: str
    minute_us: int | None
    account: Account
    reason: str
    part: str
    records: int
    digest: int


@dataclass(frozen=True, slots=True)
class SideEntry:
    """A record that could not be counted. Times and uuid are None where the record did not get so far.

    `element` is the place in the list of a record that was exploded.
    """

    partition: str
    record: int
    account: Account
    reason: str
    part: str
    event_us: int | None
    received_us: int | None
    t_us: int | None
    uuid: int | None
    raw: bytes
    element: int | None = None


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """How far a partition is: positions consumed = `records` + `gaps`; the accounts add up to `records` + `exploded`.

    `gaps` are positions that the source never handed out, `exploded` is the number of events beyond one of a record.
    """

    state: Literal["live", "finished"]
    last_t_us: int | None
    records: int
    gaps: int = 0
    exploded: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """The clocks of an engine: C (`clock_us`), G (`forgotten_us`), the watermark of the whole."""

    epoch: int
    clock_us: int | None
    forgotten_us: int | None
    watermark_us: int | None
    final: bool
    partitions: Mapping[str, PartitionStatus]
