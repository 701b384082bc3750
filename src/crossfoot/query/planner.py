"""Which stored table answers a question exactly: the smallest set that holds what is named, the coarsest fitting grain.

What cannot be answered exactly is refused, with what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from crossfoot.calendar import window_of
from crossfoot.definition.durations import render_instant
from crossfoot.definition.expression import Expression, FieldRef, references, to_json
from crossfoot.definition.findings import BadValueError, nearest, to_error
from crossfoot.definition.grains import parse_grain
from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US, Grain
from crossfoot.definition.parse import parse_fields
from crossfoot.definition.types import DECLARED, TypeMismatchError, infer
from crossfoot.errors import CallError
from crossfoot.query.model import Query, Stored, StoredMetric, plan_grain
from crossfoot.stores.protocol import Scan

_UTC = frozenset({None, "UTC", "Etc/UTC"})
_FIXED_US = {"m": MINUTE_US, "h": HOUR_US}
_ABOUT_US = {**_FIXED_US, "d": DAY_US, "w": 7 * DAY_US, "mo": 30 * DAY_US, "all": 1 << 62}


@dataclass(frozen=True, slots=True)
class Planned:
    """A question with its place in the store. `scans` are tables that can answer it, the best first."""

    metric: StoredMetric
    asked: Grain
    scans: tuple[Scan, ...]

    def grain_of(self, scan: Scan) -> Grain:
        """The stored grain that a scan reads."""
        return self.metric.grains[scan.grain]


def plan(query: Query, stored: Stored, watermark_us: int | None) -> Planned:
    """The tables for a question; `CallError` where nothing stored can answer it."""
    metric = find_metric(query.metric, stored)
    asked = _asked_grain(query.grain, stored)
    where = _condition(query.where, metric, stored)
    place = _smallest_set(query, metric, where)
    if query.since_us is not None and query.until_us is not None and query.since_us >= query.until_us:
        raise CallError("the range is empty: since is not before until", "swap them, or leave one out")
    grains = _fitting(query, asked, metric, watermark_us)
    by = metric.sets[place]
    scans = tuple(_scan(query, metric, asked, grain, (place, by), where) for grain in grains)
    return Planned(metric, asked, scans)


def find_metric(name: str, stored: Stored) -> StoredMetric:
    """The metric of that name."""
    for metric in stored.metrics:
        if metric.name == name:
            return metric
    raise CallError(f"there is no metric {name}", _offer(name, [metric.name for metric in stored.metrics]))


def _offer(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = nearest(name, known)
    return f"did you mean {near}?" if near else f"there is {', '.join(known)}"


def _asked_grain(text: str, stored: Stored) -> Grain:
    try:
        grain = parse_grain(text)
    except BadValueError as error:
        raise as_call_error(error, "grain") from error
    if grain.zone is not None and grain.zone not in stored.zones:
        zones = ", ".join(sorted(stored.zones)) or "none"
        raise CallError(
            f"the rules of {grain.zone} are not stored with the data (zones: {zones})",
            "declare a grain in that zone and count again, or ask for days of UTC: 1d",
        )
    return grain


def as_call_error(error: BadValueError, what: str) -> CallError:
    """A text of the call that cannot be read."""
    told = to_error([error.at((what,))])
    return CallError(told.message, told.hint)


def _condition(text: str | None, metric: StoredMetric, stored: Stored) -> Expression | None:
    if text is None:
        return None
    try:
        tree = _parsed(text)
    except BadValueError as error:
        raise as_call_error(error, "where") from error
    for name in _names(tree):
        if name not in metric.dimensions:
            raise _unknown_dimension(name, metric)
    try:
        kinds = infer(tree, lambda reference: DECLARED[stored.types[_name(reference)].name])
    except TypeMismatchError as error:
        raise CallError(f"the condition can never hold: {error.message}", "compare values of one type") from error
    if kinds and kinds != {"boolean"}:
        raise CallError(f"{text!r} is no condition", "write a comparison, such as country = 'FR'")
    return tree


@lru_cache(maxsize=256)
def _parsed(text: str) -> Expression:
    """Parsing takes longer than a small answer."""
    return parse_fields(text).tree


def _name(reference: object) -> str:
    assert isinstance(reference, FieldRef)
    return reference.name


def _names(tree: Expression | None) -> Iterator[str]:
    if tree is not None:
        yield from dict.fromkeys(_name(reference) for reference in references(tree))


def _unknown_dimension(name: str, metric: StoredMetric) -> CallError:
    return CallError(f"{metric.name} is not counted by {name}", _offer(name, metric.dimensions or ["no dimension"]))


def _smallest_set(query: Query, metric: StoredMetric, where: Expression | None) -> int:
    """The index of the smallest stored set that holds every name. Sums over its other dimensions are exact."""
    twice = [name for name in query.by if query.by.count(name) > 1]
    if twice:
        raise CallError(f"{twice[0]} is named twice", "name each dimension once")
    for name in query.by:
        if name not in metric.dimensions:
            raise _unknown_dimension(name, metric)
    named = set(query.by) | set(_names(where))
    places = [place for place, by in enumerate(metric.sets) if named <= set(by)]
    if places:
        return min(places, key=lambda place: len(metric.sets[place]))
    sets = ", ".join(f"[{', '.join(by)}]" for by in metric.sets)
    raise CallError(
        f"no stored set of {metric.name} holds {' and '.join(sorted(named))} together", f"stored are {sets}"
    )


def _fitting(query: Query, asked: Grain, metric: StoredMetric, watermark_us: int | None) -> list[int]:
    """Indices of stored grains that can give the asked windows and range, the coarsest first."""
    sizes = {index: _about(grain) for index, grain in enumerate(metric.grains)}
    coarsest = sorted(sizes, key=lambda index: -sizes[index])
    probe = next(at for at in (query.since_us, query.until_us, watermark_us, 0) if at is not None)
    nested = [index for index in coarsest if nests(metric.grains[index], asked, probe)]
    if not nested:
        raise unbuildable(asked, metric.grains)
    for edge, name in ((query.since_us, "since"), (query.until_us, "until")):
        if edge is not None and not any(on_edge(metric.grains[index], edge) for index in nested):
            raise _off_edge(name, edge, metric.grains[nested[-1]])
    edges = [edge for edge in (query.since_us, query.until_us) if edge is not None]
    fitting = [index for index in nested if all(on_edge(metric.grains[index], edge) for edge in edges)]
    if not fitting:
        grains = ", ".join(metric.grains[index].text for index in nested)
        raise CallError(f"since and until are not both edges of one stored grain ({grains})", "move one of them")
    return fitting


def unbuildable(asked: Grain, stored: Iterable[Grain]) -> CallError:
    """Windows of the asked grain are not made of whole stored ones."""
    grains = ", ".join(grain.text for grain in stored)
    return CallError(f"{asked.text} cannot be built exactly from the stored grains {grains}", "ask for one of them")


def _off_edge(name: str, edge: int, finest: Grain) -> CallError:
    if finest.unit == "all":
        return CallError(f"only totals of all time are stored, so there is no answer for {name}", f"leave {name} out")
    window = window_of(finest, edge)
    assert window.start_us is not None
    assert window.end_us is not None
    near = f"{render_instant(window.start_us)} or {render_instant(window.end_us)}"
    return CallError(f"{name} is inside a window of the finest stored grain, {finest.text}", f"ask for {name} {near}")


def _about(grain: Grain) -> int:
    return grain.n * _ABOUT_US[grain.unit]


def on_edge(grain: Grain, at_us: int) -> bool:
    """Whether a window of `grain` begins at an instant."""
    return window_of(grain, at_us).start_us == at_us


def cut_windows(query: Query, asked: Grain) -> tuple[int, ...]:
    """The starts of the asked windows that the range begins or ends in."""
    edges = [edge for edge in (query.since_us, query.until_us) if edge is not None]
    starts = {window_of(asked, edge).start_us for edge in edges if not on_edge(asked, edge)}
    return tuple(sorted(start for start in starts if start is not None))


def nests(inner: Grain, outer: Grain, probe_us: int) -> bool:
    """Whether windows of `outer` are made of whole windows of `inner` (around an instant, where zones differ)."""
    if outer.unit == "all" or ((inner.unit, inner.n) == (outer.unit, outer.n) and _same_zone(inner, outer)):
        return True
    if inner.unit in _FIXED_US:
        window = window_of(outer, probe_us)
        return all(edge is not None and on_edge(inner, edge) for edge in window)
    return inner.unit == "d" and outer.unit in ("w", "mo") and _same_zone(inner, outer)


def _same_zone(a: Grain, b: Grain) -> bool:
    return a.zone == b.zone or {a.zone, b.zone} <= _UTC


def whole(inner: Grain, outer: Grain, starts: Iterable[int]) -> bool:
    """Whether the windows of `outer` that begin at `starts` are made of whole windows of `inner`."""
    return all(nests(inner, outer, start) for start in starts)


def _scan(
    query: Query,
    metric: StoredMetric,
    asked: Grain,
    grain: int,
    found: tuple[int, tuple[str, ...]],
    where: Expression | None,
) -> Scan:
    place, by = found
    stored = metric.grains[grain]
    same = (stored.unit, stored.n, stored.zone) == (asked.unit, asked.n, asked.zone)
    return Scan(
        metric=metric.index,
        set=place,
        grain=grain,
        dims=tuple(by.index(name) for name in query.by),
        into=None if same else plan_grain(asked),
        since_us=query.since_us,
        until_us=query.until_us,
        where=to_json(where, lambda reference: by.index(_name(reference))) if where is not None else None,
    )
