"""What a changed definition keeps of what was counted, and what it cannot (semantics section 9). Texts only."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from crossfoot.definition.durations import render_duration
from crossfoot.definition.model import Acceptance, Definition, EventSpec, Field, Metric

Outcome = Literal["kept", "continued", "rebuilt", "impossible"]

_RAISED = ("lateness_us", "transport_us", "horizon_us")
_FIRST_PARTS = ("time", "received", "id", "where")
_RECORDS = "count the records again into a new store"
_ARCHIVE = "counted again from the archive (crossfoot backfill)"


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one part of the definition, and why."""

    outcome: Outcome
    what: str
    why: str


def compare(old: Definition, new: Definition) -> tuple[Change, ...]:
    """Every part of both definitions with what happens to it.

    ``kept``: the cells stay. ``continued``: they stay, and the new rule holds from here on. ``rebuilt``: they are
    counted again from the records. ``impossible``: not even that, with the reason.
    """
    first = [*_namespace(old, new), *_first(old, new)]
    metrics = list(_metrics(old, new, anew=any(change.outcome in ("rebuilt", "impossible") for change in first)))
    found = (*first, *metrics)
    has_archive = old.archive is not None and new.archive is not None
    return (
        tuple([replace(change, why=change.why.replace(_RECORDS, _ARCHIVE)) for change in found])
        if has_archive
        else found
    )


def with_kept(old: Definition, new: Definition, dropped: Collection[str] = ()) -> Definition:
    """`new` with the metrics of `old` that it no longer names and nobody has dropped; in the order of `old`."""
    after = {metric.name: metric for metric in new.metrics}
    kept = [metric for metric in old.metrics if metric.name in after or metric.name not in dropped]
    first = [after.pop(metric.name, metric) for metric in kept]
    return replace(new, metrics=(*first, *after.values()))


def _namespace(old: Definition, new: Definition) -> Iterator[Change]:
    if old.namespace != new.namespace:
        why = f"ids of {old.namespace} mean nothing in {new.namespace}; give the new definition a store of its own"
        yield Change("impossible", "namespace", why)


def _first(old: Definition, new: Definition) -> Iterator[Change]:
    """The parts that every metric stands on: one hash."""
    if old.format != new.format:
        yield Change("rebuilt", "source.format", f"records would be read otherwise; {_RECORDS}")
    for name in _FIRST_PARTS:
        if getattr(old.event, name) != getattr(new.event, name):
            yield Change("rebuilt", f"event.{name}", f"other events, or other copies, would count; {_RECORDS}")
    if old.explode != new.explode:
        yield Change("rebuilt", "preprocess.explode", f"records would hold other events; {_RECORDS}")
    yield from _fields(old.event, new.event)
    yield from _accept(old.accept, new.accept)


def _fields(old: EventSpec, new: EventSpec) -> Iterator[Change]:
    before, after = _by_name(old), _by_name(new)
    for name in after:
        if name not in before:
            why = "no metric that is kept reads it; the digest of an event begins a new version of the field list"
            yield Change("continued", f"event.fields.{name}", why)
        elif before[name] != after[name]:
            yield Change("rebuilt", f"event.fields.{name}", f"its values would differ; {_RECORDS}")
    for name in before:
        if name not in after:
            yield Change("rebuilt", f"event.fields.{name}", f"it is part of what tells a conflict; {_RECORDS}")


def _by_name(event: EventSpec) -> dict[str, Field]:
    return {field.name: field for field in event.fields}


def _accept(old: Acceptance, new: Acceptance) -> Iterator[Change]:
    for name in _RAISED:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        said = f"from {render_duration(before)} to {render_duration(after)}"
        part = f"accept.{name.removesuffix('_us')}"
        if after is None or (before is not None and after > before):
            why = f"raised {said}: holds from here on; what may have been forgotten already is still not counted"
            yield Change("continued", part, why)
        else:
            yield Change("rebuilt", part, f"lowered {said}: fewer events would have counted; {_RECORDS}")
    if old.bucket_us != new.bucket_us:
        yield Change("kept", "accept.bucket", "its width belongs to the store and stays as it was")
    same = dict.fromkeys((*_RAISED, "bucket_us"), 0)
    if replace(old, **same) != replace(new, **same):
        yield Change("rebuilt", "accept", f"another rule accepts other events; {_RECORDS}")


def _metrics(old: Definition, new: Definition, *, anew: bool) -> Iterator[Change]:
    before = {metric.name: metric for metric in old.metrics}
    after = {metric.name: metric for metric in new.metrics}
    for name, metric in after.items():
        what = f"metrics.{name}"
        if anew:
            yield Change("rebuilt", what, "what it stands on has changed")
        elif name not in before:
            yield Change("rebuilt", what, f"it is new, and events that were counted are not in it; {_RECORDS}")
        elif before[name] == replace(metric, settled=before[name].settled):
            yield Change("kept", what, "it says the same")
        else:
            yield Change("rebuilt", what, f"{_difference(before[name], metric)}; {_RECORDS}")
    for name in before:
        if name not in after:
            yield Change(
                "kept", f"metrics.{name}", "it is no longer asked for; its cells stay until the store is removed"
            )


def _difference(old: Metric, new: Metric) -> str:
    """Which parts of a metric differ."""
    parts = {
        "where": old.where != new.where,
        "by": old.sets != new.sets,
        "measures": old.measures != new.measures,
        "grains": [grain.text for grain in old.grains] != [grain.text for grain in new.grains],
        "values_max": old.values_max != new.values_max,
        "retain": [grain.retain_us for grain in old.grains] != [grain.retain_us for grain in new.grains],
    }
    return f"changed in {', '.join([name for name, differs in parts.items() if differs])}"
