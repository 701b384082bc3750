"""Golden folders as a subscription holds them: prepared in the order of their log, received times carried on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Literal

from crossfoot.definition.limits import default_bucket_us, default_horizon_us
from crossfoot.definition.model import DAY_US, Acceptance, Definition, Format, KafkaSource, PubSubSource
from crossfoot.event import PositionedRecord
from tests.engines import Feed, FeedRecords, Heartbeat, Redefine
from tests.golden.folders import Golden
from tests.preparing import Prepared, prepare, step
from tests.times import us

TRANSPORT_US = 30_000 * DAY_US
"""Folders are of the past, and the clock of whoever counts is today's."""
_EVER_US = 3_000_000 * DAY_US
_UNSTAMPED_US = us("2024-06-01T00:00:00Z")

Form = Literal["single", "block"]


@dataclass(frozen=True, slots=True)
class Carried:
    """The definition of whoever counts, its messages, and the accounts of what was refused before them."""

    definition: Definition
    messages: tuple[bytes, ...]
    refused: Counter[str]


def carried(golden: Golden, form: Form = "single") -> Carried:
    """A folder whose records are prepared already is taken as it is. AssertionError for what has no such form."""
    reading = reading_of(golden.definition)
    if golden.definition.format.name == "prepared":
        return Carried(reading, tuple(record.data for _, record, _ in _records(golden) if record), Counter())
    messages: list[bytes] = []
    refused = Counter[str]()
    for made in _prepared(golden, form):
        messages += made.messages
        for account, reason, part, records, *_ in made.summary["accounts"]:
            refused[" ".join(filter(None, (account, reason, part)))] += records
    return Carried(reading, tuple(messages), refused)


def expected_of(golden: Golden, made: Carried) -> tuple[Any, dict[str, int]]:
    """Cells, and the accounts of whoever counts when each message is delivered twice.

    What was counted is a duplicate the second time; any other record is what it was.
    """
    ledger = Counter(without_ages(golden.expected["ledger"]))
    assert ledger >= made.refused
    ledger -= made.refused
    twice = {account: 2 * records for account, records in ledger.items() if account != "counted"}
    twice["duplicate"] = twice.get("duplicate", 0) + ledger["counted"]
    return golden.expected["cells"], +Counter(twice | {"counted": ledger["counted"]})


def without_ages(totals: dict[str, int]) -> dict[str, int]:
    """Copies are of one age."""
    sums: Counter[str] = Counter()
    for name, records in totals.items():
        sums["duplicate" if name.startswith("duplicate") else name] += records
    return dict(sorted(sums.items()))


def reading_of(definition: Definition) -> Definition:
    """What counts the folder's events when they come from a subscription."""
    event = replace(definition.event, received="carried")
    source = PubSubSource("project", "subscription", Format("prepared"))
    return replace(definition, event=event, accept=_accept(definition), sources=(source,))


def _accept(definition: Definition) -> Acceptance:
    """The way may last long. What has no received time has no limits that need one."""
    accept = replace(definition.accept, transport_us=TRANSPORT_US)
    if definition.event.received is None:
        accept = replace(accept, lateness_us=None, future_us=_EVER_US)
    horizon_us = default_horizon_us(accept.lateness_us, TRANSPORT_US)
    return replace(accept, horizon_us=horizon_us, bucket_us=default_bucket_us(horizon_us))


def _prepared(golden: Golden, form: Form) -> Iterator[Prepared]:
    """What is made of the records, of many at a time in a block, with the last t of their partition before them."""
    made = step(_stamped(golden.definition), form=form)
    last_t: dict[str, int | None] = {}
    for partition, records, now_us in _runs(golden, form):
        if not records:
            last_t[partition] = max(last_t.get(partition) or now_us, now_us)
            continue
        found = prepare(made, records, (last_t.get(partition), None), now_us, partition)
        last_t[partition] = found.summary["last_t_us"]
        yield found


def _runs(golden: Golden, form: Form) -> Iterator[tuple[str, list[PositionedRecord], int]]:
    """Records of a partition that are prepared together; none are a heartbeat."""
    runs: dict[str, tuple[list[PositionedRecord], int]] = {}
    for partition, record, now_us in _records(golden):
        run = runs.get(partition)
        if run is not None and (record is None or form == "single" or run[1] != now_us):
            yield partition, *runs.pop(partition)
        if record is None:
            yield partition, [], now_us
        else:
            runs.setdefault(partition, ([], now_us))[0].append(record)
    for partition, run in runs.items():
        yield partition, *run


def _stamped(definition: Definition) -> Definition:
    """Whoever prepares stamps what has no received time of its own."""
    if definition.event.received is not None:
        return definition
    event, topic = replace(definition.event, received="broker"), (("bootstrap.servers", "h"),)
    sources = (KafkaSource("raw", topic, definition.format),)
    return replace(definition, event=event, accept=_accept(definition), sources=sources)


def _records(golden: Golden) -> Iterator[tuple[str, PositionedRecord | None, int]]:
    """Partition, record and reading clock; without a record: a heartbeat's t."""
    stamp_us = _UNSTAMPED_US if golden.definition.event.received is None else None
    ordinals: dict[str, Iterator[int]] = {}
    for each in golden.steps:
        assert not isinstance(each, Redefine), "one job counts under one definition"
        if isinstance(each, Heartbeat):
            yield each.partition, None, each.t_us
        elif isinstance(each, FeedRecords):
            for record in each.messages:
                yield each.partition, record, each.now_us
        elif isinstance(each, Feed):
            places = ordinals.setdefault(each.partition, count())
            for line in filter(bytes.strip, each.data.splitlines()):
                yield each.partition, PositionedRecord(line, next(places), stamp_us), each.now_us
