"""The questions asked of a side, and their answers put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crossfoot.definition.model import Definition, Monitor
from crossfoot.errors import CallError, DataError
from crossfoot.monitor import sql
from crossfoot.monitor.report import Counts, Report
from crossfoot.monitor.sides import Side
from crossfoot.query.times import show_time

SPANS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Times in microseconds; None: from the first raw event, to the last one. `monitor` has span and limits."""

    monitor: Monitor
    since_us: int | None = None
    until_us: int | None = None


def measure(side: Side, definition: Definition, asked: Asked) -> Report:
    """The figures of a side. DataError where it has no raw events, CallError where it has none in that time."""
    monitor = asked.monitor
    first_us, last_us = _extent(side, asked)
    since_us = first_us - first_us % monitor.span_us
    until_us = last_us + 1 if asked.until_us is None else asked.until_us
    until_us += -until_us % monitor.span_us
    if (spans := (until_us - since_us) // monitor.span_us) > SPANS_MAX:
        what = f"that are {spans:,} spans: from {show_time(since_us)} to {show_time(until_us)}"
        raise CallError(what, f"ask for at most {SPANS_MAX:,}: name a longer --span, --since or --until")
    accept = definition.accept
    limits = (monitor.late_after_us, accept.lateness_us, accept.horizon_us)
    scope = sql.Scope(since_us, until_us, monitor.span_us, *limits)
    side.narrow(scope.from_us, scope.reach_us)
    return _Gathering(side, scope).report()


def _extent(side: Side, asked: Asked) -> tuple[int, int]:
    """The time that is asked for, as far as there is anything."""
    found = side.extent()
    if not found.raw:
        raise DataError(f"{side.about} has no raw events", side.hint)
    if found.nameless or found.first_us is None or found.last_us is None:
        what = f"raw events of {side.about} have no uuid, or no time: {found.nameless or 0:,}"
        raise DataError(what, f"was {side.names.raw} changed? it has the columns that `crossfoot feed` gave it")
    first_us, last_us = found.first_us, found.last_us
    begins_late = asked.since_us is not None and asked.since_us > last_us
    if begins_late or (asked.until_us is not None and asked.until_us <= first_us):
        when = f"it has some from {show_time(first_us)} to {show_time(last_us)}"
        raise CallError(f"{side.about} has no raw events in that time", f"{when}: name another --since or --until")
    return (first_us if asked.since_us is None else max(first_us, asked.since_us)), last_us


class _Gathering:
    def __init__(self, side: Side, scope: sql.Scope) -> None:
        self._side, self._scope = side, scope
        starts = range(scope.since_us, scope.until_us, scope.span_us)
        self._spans = {start_us: Counts() for start_us in starts}
        self._partitions: dict[tuple[str | None, str], Counts] = {}
        self._total = Counts()

    def report(self) -> Report:
        """All questions, one after the other."""
        for row in self._rows(sql.raw):
            for counts in self._all(row["span"], row["source"], row["partition"]):
                _add(counts, row)
        for row in self._rows(sql.accounts):
            source = next((source for source, name in self._partitions if name == row["partition"]), None)
            for counts in self._all(row["span"], source, row["partition"]):
                counts.accounts[row["account"]] += int(row["n"])
        if self._side.has_counted:
            self._counted()
        scope, side = self._scope, self._side
        ordered = sorted(self._partitions.items(), key=lambda found: (found[0][0] or "", found[0][1]))
        return Report(
            side.about,
            scope.since_us,
            scope.until_us,
            scope.span_us,
            self._total,
            tuple(self._spans.items()),
            tuple((source, name, counts) for (source, name), counts in ordered),
            notes=side.notes,
        )

    def _rows(self, question: Any) -> Iterator[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._side.query(question(self._side.names, self._scope)).to_pylist()
        yield from rows

    def _all(self, span_us: int | None, source: str | None, partition: str) -> Iterator[Counts]:
        """Where a row belongs; one without a span, as in a ledger without stamps, belongs to no span."""
        if span_us in self._spans:
            yield self._spans[span_us]
        yield self._partitions.setdefault((source, partition), Counts())
        yield self._total

    def _counted(self) -> None:
        everywhere = (self._total, *self._spans.values())
        for counts in everywhere:
            counts.counted = counts.doubled = 0
        for row in self._rows(sql.left):
            for counts in (self._total, self._spans[row["span"]]):
                counts.counted = (counts.counted or 0) + int(row["counted"])
                counts.doubled = (counts.doubled or 0) + int(row["doubled"])
                counts.unseen += int(row["unseen"])


def _add(counts: Counts, row: dict[str, Any]) -> None:
    n = int(row["n"])
    counts.raw += n
    if row["account"] != "event":
        return
    counts.events += n
    counts.late += n if row["is_late"] else 0
    if row["cause"] is not None:
        counts.causes[row["cause"]] += n
        counts.ages[row["age"]] += n if row["cause"] != sql.CONFLICT else 0
