"""What a definition costs before anything runs: cells per event, ids and their bytes, which engines can run it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crossfoot.definition.durations import render_duration, say_duration
from crossfoot.definition.engines import Lack, beam_lacks, run_lacks
from crossfoot.definition.model import DAY_US, SECOND_US, Acceptance, Definition, Metric
from crossfoot.definition.paths import read_fields

# 28 bytes of id (16), time and digest, and 6 in an index that is filled to 31-88 %, 54 % on average.
BYTES_PER_ID = 40

_LATER = (("flink", "not in this build: no job is made for Apache Flink yet"),)


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """`folded` sets are changed by each event; `derived` ones, and coarser grains, are added up from them."""

    name: str
    folded: tuple[tuple[str, ...], ...]
    derived: tuple[tuple[str, ...], ...]
    grains: tuple[str, ...]

    @property
    def cells_per_event(self) -> int:
        """The cells that an event changes in the end: one of each set and grain."""
        return (len(self.folded) + len(self.derived)) * len(self.grains)


@dataclass(frozen=True, slots=True)
class IdPlan:
    """Ids at the given rate. `live` and `live_bytes` are None where ids are never forgotten."""

    horizon: str
    bucket: str
    live: int | None
    live_bytes: int | None
    per_day: int
    bytes_per_day: int
    full_after: str | None
    """How long until limits.ids_max or limits.memory_bytes_max is reached; None: never at this rate."""


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """Whether an engine can run the definition, and what it is for or why not."""

    name: str
    runs: bool
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole report."""

    rate_per_second: float
    metrics: tuple[MetricPlan, ...]
    ids: IdPlan
    engines: tuple[EngineAnswer, ...]
    notes: tuple[str, ...]

    @property
    def cells_per_event(self) -> int:
        """Over all metrics, for an event that passes all of their conditions."""
        return sum(metric.cells_per_event for metric in self.metrics)

    @property
    def folds_per_event(self) -> int:
        """The additions that are made for each event; the other cells are derived at commit."""
        return sum(len(metric.folded) for metric in self.metrics)


def plan(definition: Definition, rate_per_second: float = 1000.0, batch_lacks: Iterable[Lack] = ()) -> Plan:
    """The cost report at a rate of accepted events per second (copies not counted).

    `batch_lacks`: what the batch engine says that it cannot express.
    """
    metrics = tuple([_metric(metric) for metric in definition.metrics])
    ids = _ids(definition, rate_per_second)
    return Plan(rate_per_second, metrics, ids, _engines(definition, batch_lacks), tuple(_notes(definition, ids)))


def _engines(definition: Definition, batch_lacks: Iterable[Lack]) -> tuple[EngineAnswer, ...]:
    """Each engine, with what it is for or everything that it cannot run yet."""
    lacking = "; ".join(map(str, run_lacks(definition)))
    unsaid = "; ".join(map(str, batch_lacks))
    alone = "; ".join(map(str, beam_lacks(definition)))
    return (
        EngineAnswer("reference", True, "plain Python, one event at a time: for tests and small files"),
        EngineAnswer("embedded", not lacking, lacking or "one machine, durable epochs: what `crossfoot run` uses"),
        EngineAnswer("batch", not unsaid, unsaid or "SQL over raw records: an independent recount"),
        EngineAnswer("beam", not alone, alone or "Apache Beam, more than one machine: `crossfoot beam run`"),
        *[EngineAnswer(name, False, why) for name, why in _LATER],
    )


def _metric(metric: Metric) -> MetricPlan:
    bounded = metric.values_max is not None
    folded = tuple([names for names in metric.sets if bounded or not _inside_another(names, metric.sets)])
    derived = tuple([names for names in metric.sets if names not in folded])
    return MetricPlan(metric.name, folded, derived, tuple([grain.text for grain in metric.grains]))


def _inside_another(names: tuple[str, ...], sets: tuple[tuple[str, ...], ...]) -> bool:
    return any(set(names) < set(other) for other in sets)


def _ids(definition: Definition, rate: float) -> IdPlan:
    accept, limits = definition.accept, definition.limits
    live = _live(accept, rate)
    most = min(limits.ids_max, limits.memory_bytes_max // BYTES_PER_ID)
    per_day = round(rate * DAY_US / SECOND_US)
    reached = live is None or live > most
    return IdPlan(
        horizon=render_duration(accept.horizon_us),
        bucket=render_duration(accept.bucket_us),
        live=live,
        live_bytes=None if live is None else live * BYTES_PER_ID,
        per_day=per_day,
        bytes_per_day=per_day * BYTES_PER_ID,
        full_after=_say_roughly(most / rate) if reached and rate > 0 else None,
    )


def _live(accept: Acceptance, rate: float) -> int | None:
    """An id is remembered until the horizon after the end of its bucket."""
    if accept.horizon_us is None:
        return None
    return round(rate * (accept.horizon_us + accept.bucket_us) / SECOND_US)


def _say_roughly(seconds: float) -> str:
    """Two units are enough: `3d 4h`."""
    return " ".join(say_duration(round(seconds) * SECOND_US).split()[:2])


def _notes(definition: Definition, ids: IdPlan) -> list[str]:
    accept, notes = definition.accept, []
    if definition.event.received is None:
        notes.append("without a received time nothing is too late, and ids are kept for the life of the store")
    if accept.horizon_us is None:
        notes.append(f"no id is ever forgotten: {ids.bytes_per_day / 1e6:,.1f} MB more every day at this rate")
    if definition.event.id.kind == "position":
        notes.append("id: position removes redeliveries only; a sender's own copies are counted again")
    if ids.full_after:
        notes.append(f"limits.ids_max or limits.memory_bytes_max is reached after {ids.full_after}: reading stops then")
    unread = [field.name for field in definition.event.fields if field.name not in read_fields(definition)]
    if unread:
        notes.append(f"read by no metric, and still part of what tells a conflict: {', '.join(unread)}")
    for metric in definition.metrics:
        notes += [f"{metric.name}: {note}" for note in _metric_notes(metric)]
    return notes


def _metric_notes(metric: Metric) -> list[str]:
    notes = []
    sketches = [measure.name for measure in metric.measures if measure.kind == "quantile"]
    estimates = [
        f"{measure.name} (beyond {measure.exact})" for measure in metric.measures if measure.kind == "distinct"
    ]
    if sketches or estimates:
        notes.append(f"estimated by sketches, with their error shown: {', '.join([*sketches, *estimates])}")
    if metric.values_max is not None:
        notes.append(
            f"{metric.values_max:,} combinations of values of a set have rows of their own; further ones share (other)"
        )
    kept = [grain.text for grain in metric.grains if grain.retain_us is None and grain.unit != "all"]
    if kept:
        notes.append(f"windows of {', '.join(kept)} are kept for ever")
    return notes
