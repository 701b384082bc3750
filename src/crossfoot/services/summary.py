"""What a run says at its end: its accounts, what the store holds, and what a person should look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from crossfoot.definition.model import DAY_US, Definition
from crossfoot.seen.state import SinkState
from crossfoot.stores.embedded import EmbeddedStore

# The middle of the events, by share, and how many times its length lies "far outside".
_MIDDLE = 0.98
_FAR = 10
_FAR_LEAST_US = 30 * DAY_US


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one pass over the inputs did. `accounts` are this pass's records."""

    accounts: dict[str, int]
    bytes: int
    seconds: float
    partitions: int
    unchanged: int
    joined: tuple[str, ...]
    absent: tuple[str, ...]
    stopped: bool
    sinks: tuple[SinkState, ...] = ()

    @property
    def records(self) -> int:
        """Records consumed by this pass."""
        return sum(self.accounts.values())

    def and_then(self, later: Outcome) -> Outcome:
        """What both passes did, one after the other."""
        names = {*self.accounts, *later.accounts}
        return replace(
            later,
            accounts={name: self.accounts.get(name, 0) + later.accounts.get(name, 0) for name in names},
            bytes=self.bytes + later.bytes,
            seconds=self.seconds + later.seconds,
            joined=tuple(sorted({*self.joined, *later.joined})),
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """Records of the store outside of the account `counted`, by reason."""

    account: str
    reason: str
    part: str
    records: int


@dataclass(frozen=True, slots=True)
class Outliers:
    """Events far outside the times of the rest."""

    events: int
    first_us: int
    last_us: int
    middle: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's outcome, and the whole store after it."""

    outcome: Outcome
    epoch: int
    totals: dict[str, int]
    refused: tuple[Refused, ...]
    unaccounted: int
    outliers: Outliers | None
    hints: tuple[str, ...]


def summarise(definition: Definition, folder: Path, outcome: Outcome) -> Summary:
    """Read the newest epoch and say what stands out."""
    store = EmbeddedStore(folder)
    rows = store.accounts()
    totals: dict[str, int] = {}
    reasons: dict[tuple[str, str, str], int] = {}
    for _, account, reason, part, records in rows:
        totals[account] = totals.get(account, 0) + records
        if account != "counted":
            key = account, reason, part
            reasons[key] = reasons.get(key, 0) + records
    refused = tuple(Refused(*reason, records) for reason, records in sorted(reasons.items()))
    consumed = sum(partition["records"] + partition["exploded"] for partition in store.meta["partitions"])
    return Summary(
        outcome=outcome,
        epoch=store.meta["epoch"],
        totals=totals,
        refused=refused,
        unaccounted=consumed - sum(totals.values()),
        outliers=outliers(definition, store),
        hints=tuple(_hints(definition, outcome, refused, _spoilt(rows))),
    )


def _spoilt(rows: list[tuple[str, str, str, str, int]]) -> list[str]:
    """Partitions of which every record is malformed."""
    good = {partition for partition, account, *_ in rows if account != "malformed"}
    return sorted({partition for partition, *_ in rows} - good)


def _hints(definition: Definition, outcome: Outcome, refused: tuple[Refused, ...], spoilt: list[str]) -> list[str]:
    hints = []
    if spoilt:
        hints.append(f"every record of {_some(spoilt)} is malformed: is it really {definition.format.name}?")
    if outcome.accounts.get("too_late") and outcome.joined:
        hints.append(
            f"{_some(outcome.joined)} joined a store that was running already: its older events are too late there; "
            "count old files into a store of their own, or all files from the start into a new one"
        )
    if outcome.absent:
        hints.append(f"{_some(outcome.absent)} was begun in an earlier run and is not finished: the store waits for it")
    for sink in outcome.sinks:
        if sink.behind:
            why = f" ({sink.failing})" if sink.failing else ""
            hints.append(f"{sink.name} has the cells of epoch {sink.epoch} only{why}: the next run goes on with it")
    invalid = outcome.accounts.get("invalid", 0)
    if invalid and not outcome.accounts.get("counted") and invalid == max(outcome.accounts.values()):
        hints.append(_nothing_counted(invalid, [row for row in refused if row.account == "invalid"]))
    return hints


def _nothing_counted(invalid: int, rows: list[Refused]) -> str:
    """Of this run; the reasons are of the whole store."""
    worst = max(rows, key=lambda row: row.records)
    most = "" if len(rows) == 1 else "most often "
    return f"nothing was counted: {invalid:,} {_are(invalid)} invalid ({most}{worst.part}: {worst.reason})"


def _are(records: int) -> str:
    return "record is" if records == 1 else "records are"


def _some(names: list[str] | tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def outliers(definition: Definition, store: EmbeddedStore) -> Outliers | None:
    """Events far outside the rest, by the windows of the coarsest grain of the smallest table that has windows."""
    tables = [
        (len(by), -_length(grain.unit, grain.n), at, place, number)
        for at, metric in enumerate(definition.metrics)
        for place, by in enumerate(metric.sets)
        for number, grain in enumerate(metric.grains)
        if grain.unit != "all"
    ]
    if not tables:
        return None
    _, _, metric, place, number = min(tables)
    windows = store.windows(metric, place, number)
    return far_outside(windows, _length(definition.metrics[metric].grains[number].unit, 1))


def _length(unit: str, n: int) -> int:
    return n * {"m": DAY_US // 1440, "h": DAY_US // 24, "d": DAY_US, "w": 7 * DAY_US, "mo": 31 * DAY_US}.get(unit, 0)


def far_outside(windows: list[tuple[int, int]], length_us: int) -> Outliers | None:
    """Windows (start, events), in order, that lie many times the length of the middle away from it."""
    total = sum(events for _, events in windows)
    edge, seen, middle = (1 - _MIDDLE) / 2, 0, []
    for start, events in windows:
        if seen + events > total * edge and seen < total * (1 - edge):
            middle.append(start)
        seen += events
    if not middle:
        return None
    first, last = middle[0], middle[-1] + length_us
    far = max(_FAR * (last - first), _FAR_LEAST_US)
    outside = [(start, events) for start, events in windows if start < first - far or start >= last + far]
    if not outside:
        return None
    return Outliers(sum(events for _, events in outside), outside[0][0], outside[-1][0], (first, last))
