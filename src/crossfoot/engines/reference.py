"""The reference engine: the rules of counting, one event at a time, without cleverness. It is slow and keeps no files.

Read `_judge` first: a record is prepared, the clock moves, and the accounts are asked in their order. Section numbers
are those of docs/rules.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crossfoot import identity
from crossfoot.calendar import Window, window_of
from crossfoot.definition.compile import namespace_key
from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US, OTHER, SECOND_US, Definition, Grain, Metric, TimeSpec
from crossfoot.engines import measures
from crossfoot.engines.continuation import continued
from crossfoot.errors import CallError, DataError, InternalError
from crossfoot.event import (
    SIDE_ACCOUNTS,
    Account,
    CellTable,
    Event,
    LedgerRow,
    PartitionStatus,
    PositionedRecord,
    Prepared,
    Record,
    Refusal,
    SideEntry,
    Status,
    Value,
    records_of,
)
from crossfoot.prepare import is_block, prepare, truth

_ACCOUNTS = tuple(Account)
_AGES = ((SECOND_US, "under_1s"), (MINUTE_US, "under_1m"), (HOUR_US, "under_1h"), (DAY_US, "under_1d"))


@dataclass(slots=True)
class _Partition:
    live: bool = False
    joined_us: int | None = None
    """J: the clock when it joined."""
    last_t_us: int | None = None
    newest_us: int | None = None
    """The largest min(event time, received time) that passed the time rule."""
    first: int = 0
    position: int = 0
    """The first position that was consumed, and the next one: what lies between is `records` and `gaps`."""
    is_begun: bool = False
    records: int = 0
    gaps: int = 0
    exploded: int = 0
    """Events beyond one of each record."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What is kept with an id: `version` is that of the field list whose digest this is."""

    event_us: int
    digest: int
    version: int


@dataclass(frozen=True, slots=True)
class _Place:
    """A record, and the place in its list where it is exploded; in a recount, the t that was recorded here."""

    record: Record
    element: int | None
    recorded_us: int | None = None


@dataclass(frozen=True, slots=True)
class _Times:
    """a and t (section 4)."""

    received_us: int
    t_us: int


@dataclass(slots=True)
class _Row:
    records: int = 0
    digest: int = 0


@dataclass(frozen=True, slots=True)
class _RowKey:
    partition: str
    minute_us: int | None
    account: Account
    reason: str
    part: str


@dataclass(slots=True)
class _Cell:
    states: list[measures.State]
    events: int = 0


_Dimensions = tuple[tuple[int, Value], ...]
_OTHER: tuple[int, Value] = (6, None)
"""Of every dimension of the row `(other)`: no value has this place in the order of `_ordered`."""
_Table = dict[tuple[_Dimensions, Window], _Cell]


@dataclass(slots=True)
class _State:
    """Everything that an epoch keeps."""

    epoch: int = 0
    version: int = 0
    clock_us: int | None = None
    forgotten_us: int | None = None
    watermark_us: int | None = None
    partitions: dict[str, _Partition] = field(default_factory=lambda: defaultdict(_Partition))
    remembered: dict[int, list[_Remembered]] = field(default_factory=lambda: defaultdict(list))
    cells: dict[tuple[str, tuple[str, ...], str], _Table] = field(default_factory=lambda: defaultdict(dict))
    kept: dict[tuple[str, tuple[str, ...]], set[_Dimensions]] = field(default_factory=lambda: defaultdict(set))
    ledger: dict[_RowKey, _Row] = field(default_factory=lambda: defaultdict(_Row))
    side: list[SideEntry] = field(default_factory=list)


class ReferenceEngine:
    """Counts in memory. `previous` is the engine whose store is gone on with, under a definition that may be raised."""

    def __init__(self, definition: Definition, previous: ReferenceEngine | None = None) -> None:
        self.definition = definition
        self._state = _State()
        self._open = False
        """Whether something was consumed since the last epoch."""
        if previous is not None:
            self._state = previous._state  # noqa: SLF001 - of the same class
            self.definition = continued(previous.definition, definition)
            self._state.version += previous.definition.event.fields != definition.event.fields
        self._key = namespace_key(definition.namespace)

    # Inputs.

    def register(self, partitions: Sequence[str]) -> None:
        """Join: an epoch of its own, with J = C (section 4)."""
        joining = [name for name in partitions if not self._is_live(name)]
        if joining:
            self.commit()
            self._join(dict.fromkeys(joining, self._state.clock_us))

    def rejoin(self, partitions: Sequence[tuple[str, str, int | None]]) -> None:
        """Join in a recount, with the recorded J."""
        joining = {name: joined_us for name, _, joined_us in partitions if not self._is_live(name)}
        if joining:
            self.commit()
            self._join(joining)

    def _join(self, joining: Mapping[str, int | None]) -> None:
        for name, joined_us in joining.items():
            partition = self._state.partitions[name]
            partition.live, partition.joined_us = True, joined_us
        self._open = True
        self.commit()

    def feed(self, partition: str, data: bytes, now_us: int, start_record: int | None = None) -> None:
        """Count whole lines. Blank lines are no records; a CR before the LF belongs to the line end."""
        received = self.definition.event.received
        if received is not None and not isinstance(received, TimeSpec):
            raise CallError(f"lines have no stamp beside them, which received: {received} needs", "feed records")
        if not self._is_live(partition):
            self.register([partition])
        expected = self._state.partitions[partition].position
        if start_record not in (None, expected):
            raise CallError(f"{partition} goes on at record {expected}, not {start_record}", "feed what follows")
        *ended, rest = data.split(b"\n")
        for line in [*(line.removesuffix(b"\r") for line in ended), rest]:
            if line.strip(b" \t\r"):
                self._judge(Record(partition, self._state.partitions[partition].position, line), now_us)

    def feed_records(self, partition: str, records: Sequence[PositionedRecord], now_us: int) -> None:
        """Count records at their positions; what lies between them is a gap (section 5)."""
        if not self._is_live(partition):
            self.register([partition])
        for record in records:
            self.skip_to(partition, record.offset)
            beside = (record.stamp_us, record.received_us, record.recorded_us)
            self._judge(Record(partition, record.offset, record.data, *beside), now_us)

    def recount_block(
        self, partition: str, data: bytes, columns: tuple[bytes, bytes, bytes, bytes], recorded: bytes, now_us: int
    ) -> None:
        """Count records of an archive by columns."""
        self.feed_records(partition, records_of(data, columns, recorded), now_us)

    def skip_to(self, partition: str, offset: int) -> None:
        """What lies before this position is behind: a gap, or, the first time, where counting begins."""
        state = self._state.partitions[partition]
        if not state.is_begun:
            state.first = state.position = offset
            state.is_begun = self._open = True
        if offset < state.position:
            raise CallError(f"{partition} goes on at {state.position}, not {offset}", "feed what follows")
        self._open |= offset > state.position
        state.gaps += offset - state.position
        state.position = offset

    def heartbeat(self, partition: str, t_us: int) -> None:
        """Move an idle partition's time. Without stamps there is no such time."""
        if not self._is_live(partition):
            raise CallError(f"{partition} is not live", "register it first")
        if self.definition.event.received is not None:
            self._move_clock(self._state.partitions[partition], t_us)
            self._open = True

    def finish(self, partition: str) -> None:
        """A finished partition holds back neither the watermark nor the clock."""
        if partition not in self._state.partitions:
            raise CallError(f"{partition} is not known", "register it first")
        if self._is_live(partition):
            self._observe_watermark()
            self._state.partitions[partition].live = False
            self._advance_clock()
            self._open = True

    # One record.

    def _judge(self, record: Record, now_us: int) -> None:
        """Every event of a record, one account each; all but exploded records are one event."""
        self._open = True
        partition = self._state.partitions[record.partition]
        found = prepare(record, self.definition, now_us)
        partition.records, partition.position = partition.records + 1, record.ordinal + 1
        partition.is_begun = True
        if isinstance(found, Refusal):
            self._enter(_Place(record, None), found)
            return
        partition.exploded += len(found) - 1
        is_list = self.definition.explode is not None or self._is_block(record)
        for place, prepared in enumerate(found):
            recorded_us = record.recorded_us if place == len(found) - 1 else None
            self._judge_one(_Place(record, place if is_list else None, recorded_us), prepared)

    def _is_block(self, record: Record) -> bool:
        return self.definition.format.name == "prepared" and is_block(record.data)

    def _judge_one(self, place: _Place, prepared: Prepared) -> None:
        """Sections 4 and 5: the one account in which a record, or one of its elements, ends."""
        if isinstance(prepared, Refusal):
            self._enter(place, prepared)
            return
        partition = self._state.partitions[place.record.partition]
        times = self._times(partition, prepared, place.recorded_us)
        verdict = self._untimely(prepared, times)
        if verdict is None:
            seen_us = prepared.event_us if times is None else min(prepared.event_us, times.received_us)
            partition.newest_us = _latest(partition.newest_us, seen_us)
            verdict = self._copy(prepared, None if times is None else times.t_us)
        if verdict is None:
            self._count(prepared)
            verdict = Refusal(Account.COUNTED)
        self._enter(place, verdict, prepared, times)

    def _times(self, partition: _Partition, event: Event, recorded_us: int | None) -> _Times | None:
        """On ordered inputs a = t; a carried a stays as it is. None: there are no stamps."""
        if event.stamp_us is None:
            return None
        t_us = self._move_clock(partition, event.stamp_us, recorded_us)
        return _Times(t_us if event.received_us is None else event.received_us, t_us)

    def _move_clock(self, partition: _Partition, stamp_us: int, recorded_us: int | None = None) -> int:
        """t = max(stamp, last t, J), and in a recount not before what was recorded.

        That is the t of a record that had reached the time rule, and no stamp of such a record is after it. Of any
        other it is the last t of then, and its own stamp may be later. C and G move before the record is judged.
        """
        partition.last_t_us = _latest(stamp_us, partition.last_t_us, partition.joined_us, recorded_us)
        self._advance_clock()
        assert partition.last_t_us is not None
        return partition.last_t_us

    def _advance_clock(self) -> None:
        """C = max(C, the least last t of the live partitions); G = the largest C - H so far."""
        state, horizon_us = self._state, self.definition.accept.horizon_us
        state.clock_us = _latest(state.clock_us, _least(partition.last_t_us for partition in self._live()))
        if state.clock_us is not None and horizon_us is not None:
            state.forgotten_us = _latest(state.forgotten_us, state.clock_us - horizon_us)

    def _untimely(self, event: Event, times: _Times | None) -> Refusal | None:
        """The acceptance rule. On ordered inputs t - a is 0."""
        if times is None:
            return None
        accept, forgotten_us = self.definition.accept, self._state.forgotten_us
        if event.event_us > times.received_us + accept.future_us:
            return Refusal(Account.FUTURE)
        if accept.lateness_us is not None and times.received_us - event.event_us > accept.lateness_us:
            return Refusal(Account.TOO_LATE, "lateness")
        if times.t_us - times.received_us > accept.transport_us:
            return Refusal(Account.TOO_LATE, "transport")
        if forgotten_us is not None and event.event_us < forgotten_us:
            return Refusal(Account.TOO_LATE, "forgotten")
        return None

    def _copy(self, event: Event, t_us: int | None) -> Refusal | None:
        """Section 3: duplicate or conflict with what is remembered under the same id."""
        known = [kept for kept in self._state.remembered.get(event.uuid, ()) if self._matches(kept, t_us)]
        same_time = [kept for kept in known if kept.event_us == event.event_us]
        if any(kept.digest == event.digest or kept.version != self._state.version for kept in same_time):
            return Refusal(Account.DUPLICATE, _age(event.event_us, t_us))
        if known:
            return Refusal(Account.CONFLICT, "content" if same_time else "time")
        return None

    def _matches(self, kept: _Remembered, t_us: int | None) -> bool:
        """Whether a remembered id still speaks: never decided by whether its memory was freed already."""
        horizon_us = self.definition.accept.horizon_us
        if t_us is None or horizon_us is None:
            return True
        return t_us <= self._bucket_end(kept) + horizon_us and not self._is_forgotten(kept)

    def _is_forgotten(self, kept: _Remembered) -> bool:
        return self._state.forgotten_us is not None and self._bucket_end(kept) < self._state.forgotten_us

    def _bucket_end(self, kept: _Remembered) -> int:
        width_us = self.definition.accept.bucket_us
        return (kept.event_us // width_us + 1) * width_us

    def _count(self, event: Event) -> None:
        """Remember the id and change every cell that the event belongs to."""
        self._state.remembered[event.uuid].append(_Remembered(event.event_us, event.digest, self._state.version))
        for metric in self.definition.metrics:
            if metric.where is None or truth(metric.where, event.values) is True:
                for by in metric.sets:
                    dimensions = self._row(event, metric, by)
                    for grain in metric.grains:
                        self._fold(event, metric, self._state.cells[metric.name, by, grain.text], (dimensions, grain))

    def _row(self, event: Event, metric: Metric, by: tuple[str, ...]) -> _Dimensions:
        """The dimension values that came first have rows of their own, for good; further ones share `(other)`."""
        own = tuple(_ordered(event.values[name]) for name in by)
        kept = self._state.kept[metric.name, by]
        if metric.values_max is not None and by and own not in kept:
            if len(kept) == metric.values_max:
                return (_OTHER,) * len(by)
            kept.add(own)
        return own

    def _fold(self, event: Event, metric: Metric, table: _Table, at: tuple[_Dimensions, Grain]) -> None:
        place = (at[0], window_of(at[1], event.event_us))
        cell = table.setdefault(place, _Cell([measures.empty(measure) for measure in metric.measures]))
        cell.events += 1
        cell.states = [
            measures.add(measure, state, event.values)
            for measure, state in zip(metric.measures, cell.states, strict=True)
        ]

    def _enter(self, place: _Place, verdict: Refusal, event: Event | None = None, times: _Times | None = None) -> None:
        """The ledger, by the minute of t, else of the partition's last t; and the side log."""
        record = place.record
        minute_us = self._state.partitions[record.partition].last_t_us if times is None else times.t_us
        minute_us = None if minute_us is None else minute_us // MINUTE_US * MINUTE_US
        account = (verdict.account, verdict.reason, verdict.part)
        row = self._state.ledger[_RowKey(record.partition, minute_us, *account)]
        row.records += 1
        row.digest = (row.digest + self._member(place, event)) & identity.MASK_128
        if verdict.account in SIDE_ACCOUNTS:
            stamps = (None, None) if times is None else (times.received_us, times.t_us)
            event_us, uuid = (None, None) if event is None else (event.event_us, event.uuid)
            raw = b"" if self._has_no_raw(place) else record.data
            kept = (event_us, *stamps, uuid, raw, place.element)
            self._state.side.append(SideEntry(record.partition, record.ordinal, *account, *kept))

    def _has_no_raw(self, place: _Place) -> bool:
        """A block is not kept; a record that is several events is kept with the first of them that is refused."""
        if place.element is None:
            return False
        last = self._state.side[-1] if self._state.side else None
        is_kept = last is not None and (last.partition, last.record) == (place.record.partition, place.record.ordinal)
        return is_kept or self._is_block(place.record)

    def _member(self, place: _Place, event: Event | None) -> int:
        """What a record adds to its account's digest."""
        if event is not None:
            return identity.ledger_digest(self._key, event.uuid)
        uuid = identity.position_uuid(self._key, place.record.partition, place.record.ordinal)
        return uuid if place.element is None else identity.element_uuid(self._key, uuid, place.element)

    # The epoch.

    def commit(self) -> int:
        """Section 7, without the disk: check what must hold, then let it be seen."""
        if self._open:
            self._observe_watermark()
            self._assert_balance()
            self._assert_limits()
            self._forget()
            self._state.epoch += 1
            self._open = False
        return self._state.epoch

    def _observe_watermark(self) -> None:
        """The least of the live partitions' watermarks; never back, never past the clock (I9).

        Only a carried received time may lie beyond the clock: another machine has stamped it.
        """
        state = self._state
        least_us = _least(self._watermark(each) for each in self._live())
        if least_us is not None and state.clock_us is not None:
            least_us = min(least_us, state.clock_us)
        state.watermark_us = _latest(state.watermark_us, least_us)

    def _watermark(self, partition: _Partition) -> int | None:
        """The lower bound of the event times that are still expected in a partition."""
        accept, t_us, newest_us = self.definition.accept, partition.last_t_us, partition.newest_us
        seen_us = None if newest_us is None else newest_us - accept.out_of_order_us
        if t_us is None or accept.lateness_us is None:
            return seen_us
        return _latest(seen_us, t_us - accept.lateness_us - accept.transport_us)

    def _assert_balance(self) -> None:
        """I2: the accounts add up to the records, and records and gaps to the positions, per partition."""
        accounted: dict[str, int] = defaultdict(int)
        for key, row in self._state.ledger.items():
            accounted[key.partition] += row.records
        for name, each in self._state.partitions.items():
            for what, found, wanted in (
                ("accounts", accounted[name], each.records + each.exploded),
                ("positions", each.records + each.gaps, each.position - each.first),
            ):
                if found != wanted:
                    raise InternalError(f"the {what} of {name} hold {found} of {wanted} records", "report this")

    def _assert_limits(self) -> None:
        limits = self.definition.limits
        cells = sum(len(table) for table in self._state.cells.values())
        ids = sum(len(entries) for entries in self._state.remembered.values())
        for what, number, limit in (("cells", cells, limits.cells_max), ("ids", ids, limits.ids_max)):
            if number > limit:
                raise DataError(f"more {what} than limits.{what}_max = {limit}", "raise it, or bound values_max")

    def _forget(self) -> None:
        """Free what can match no more; no verdict depends on it."""
        kept = {
            uuid: [entry for entry in entries if not self._is_forgotten(entry)]
            for uuid, entries in self._state.remembered.items()
        }
        self._state.remembered = defaultdict(list, {uuid: entries for uuid, entries in kept.items() if entries})

    # Answers.

    def cells(self) -> list[CellTable]:
        """Every table of the definition, without the windows that retention no longer keeps."""
        self._assert_committed()
        return [
            self._table(metric, by, grain)
            for metric in self.definition.metrics
            for by in metric.sets
            for grain in metric.grains
        ]

    def _table(self, metric: Metric, by: tuple[str, ...], grain: Grain) -> CellTable:
        table = self._state.cells.get((metric.name, by, grain.text), {})
        rows, expired = [], 0
        for (dimensions, window), cell in sorted(
            table.items(), key=lambda item: (item[0][0], item[0][1].start_us or 0)
        ):
            if self._is_expired(grain, window):
                expired += cell.events
                continue
            shown = zip(metric.measures, cell.states, strict=True)
            rows.append(
                {"window": window.start_us}
                | dict(zip(by, (value for _, value in dimensions), strict=True))
                | ({OTHER: dimensions[0] == _OTHER} if metric.bounds(by) else {})
                | {measure.name: measures.present(measure, state) for measure, state in shown}
            )
        return CellTable(metric.name, by, grain.text, tuple(rows), expired)

    def _is_expired(self, grain: Grain, window: Window) -> bool:
        watermark_us = self._state.watermark_us
        if watermark_us is None or grain.retain_us is None or window.end_us is None:
            return False
        return window.end_us <= watermark_us - grain.retain_us

    def ledger(self) -> list[LedgerRow]:
        """By partition, minute and account."""
        self._assert_committed()
        rows = [
            LedgerRow(key.partition, key.minute_us, key.account, key.reason, key.part, row.records, row.digest)
            for key, row in self._state.ledger.items()
        ]
        return sorted(
            rows, key=lambda r: (r.partition, _ordered(r.minute_us), _ACCOUNTS.index(r.account), r.reason, r.part)
        )

    def side_log(self) -> list[SideEntry]:
        """By partition and position."""
        self._assert_committed()
        return sorted(self._state.side, key=lambda entry: (entry.partition, entry.record, entry.element or 0))

    def status(self) -> Status:
        """Final: every partition is finished."""
        self._assert_committed()
        state = self._state
        partitions = {
            name: PartitionStatus(
                "live" if each.live else "finished", each.last_t_us, each.records, each.gaps, each.exploded
            )
            for name, each in state.partitions.items()
        }
        final = bool(partitions) and not self._live()
        return Status(state.epoch, state.clock_us, state.forgotten_us, state.watermark_us, final, partitions)

    def _assert_committed(self) -> None:
        if self._open:
            raise CallError("what was fed since the last epoch is not counted yet", "commit first")

    def _is_live(self, name: str) -> bool:
        return name in self._state.partitions and self._state.partitions[name].live

    def _live(self) -> list[_Partition]:
        return [partition for partition in self._state.partitions.values() if partition.live]


def _latest(*times_us: int | None) -> int | None:
    """The largest of those that are known."""
    return max((time_us for time_us in times_us if time_us is not None), default=None)


def _least(times_us: Iterable[int | None]) -> int | None:
    """The least, known only if all are."""
    known = list(times_us)
    return None if None in known else min((time_us for time_us in known if time_us is not None), default=None)


def _age(event_us: int, t_us: int | None) -> str:
    """The class of t - e of a copy."""
    if t_us is None:
        return "unknown"
    return next((name for limit_us, name in _AGES if t_us - event_us < limit_us), "over_1d")


def _ordered(value: Value) -> tuple[int, Value]:
    """A value with the place of its type, so that null, true, 1 and "1" are four values with an order."""
    kinds = ("NoneType", "bool", "int", "Decimal", "float", "str")
    return kinds.index(type(value).__name__), value
