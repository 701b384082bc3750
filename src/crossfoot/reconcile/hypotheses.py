"""What the other side may have done otherwise: one small function each, in one list.

A hypothesis looks at the differing cells and proposes guesses; each is then recounted and held against every cell
(`causes`). So a guess may be wrong, but the right one must be among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from crossfoot.definition.durations import say_duration
from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Field
from crossfoot.definition.text import quote_name, quote_text, render
from crossfoot.engines.batch import Hours, Variation
from crossfoot.engines.batch.sql import field_column, floor
from crossfoot.query.times import show_time
from crossfoot.reconcile.compare import DIFFERENCES
from crossfoot.reconcile.scene import Scene, Way
from crossfoot.reconcile.zones import zone_guesses

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ROUND_US = (DAY_US, 6 * HOUR_US, HOUR_US, 15 * MINUTE_US, 5 * MINUTE_US, MINUTE_US, 10 * SECOND_US, SECOND_US)
_VALUES = 2
"""So many values of a field are tried, those that fit the most cells first."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A cause by name, in words, and the way of counting that it stands for."""

    cause: str
    text: str
    way: Way


Hypothesis = Callable[[Scene], Iterator[Guess]]


def late_dropped(scene: Scene) -> Iterator[Guess]:
    """Events that come later than a cut-off after the end of their hour do not count."""
    if not scene.has_times:
        return
    found = _cut(scene, f"t_us - ({floor('event_us', HOUR_US)} + {HOUR_US})", 0)
    if found is not None:
        at = _roundest(*found)
        between = "" if found[0] == found[1] else f" (between {_length(found[0])} and {_length(found[1])} would fit)"
        text = f"they drop events that arrive {_length(at)} or more after the end of their hour{between}"
        yield Guess("late events dropped", text, Way(Variation(drop_late=at * _MICROSECOND)))


def not_deduplicated(scene: Scene) -> Iterator[Guess]:
    """Every copy counts."""
    if _some(scene, "lost < 0"):
        yield Guess("not deduplicated", "they count every copy of an event", Way(Variation(dedup="none")))


def deduplicated_per_window(scene: Scene) -> Iterator[Guess]:
    """Copies count again in the next hour."""
    if _some(scene, "lost < 0"):
        text = "they find copies only within one hour"
        yield Guess("deduplicated per window", text, Way(Variation(dedup="per_window")))


def other_zone(scene: Scene) -> Iterator[Guess]:
    """Windows have their edges, or their names, in another zone."""
    for zone, as_label in zone_guesses(scene):
        said = f"their windows have their edges in {zone}"
        if as_label:
            said = f"their windows are named by local times of {zone}, read as UTC"
        yield Guess("another time zone", said, Way(Variation(zone=zone), zone if as_label else None))


def value_left_out(scene: Scene) -> Iterator[Guess]:
    """Their filter leaves out events with a value."""
    for field in scene.simple_fields:
        for value in _fitting_values(scene, scene.members, field, "d.lost"):
            is_value, is_not = _conditions(field, value)
            yield from _filters(scene, f"their filter leaves out {is_value}", is_not, " and ")


def value_included(scene: Scene) -> Iterator[Guess]:
    """Their filter lets events with a value pass, or they have none."""
    metric, event = scene.form.metric.where, scene.definition.event.where
    if (metric is None and event is None) or not _some(scene, "lost < 0"):
        return
    for field in scene.simple_fields:
        for value in _fitting_values(scene, scene.outsiders, field, "-d.lost"):
            is_value, _ = _conditions(field, value)
            yield from _filters(scene, f"their filter also lets {is_value} pass", is_value, " or ")
    if metric is not None:
        yield Guess(
            "another filter", f"they do not filter by {render(metric)}", _way_of("true", scene.form.metric.name)
        )
    if event is not None:
        yield Guess("another filter", f"they do not filter by {render(event)}", _way_of("true", None))


def other_rounding(scene: Scene) -> Iterator[Guess]:
    """Decimals with more places are not rounded half-even."""
    if any(field.type.name == "decimal" for field in scene.definition.event.fields):
        yield Guess("rounding", "they round halves up", Way(Variation(rounding="half_up")))
        yield Guess("rounding", "they cut off further places", Way(Variation(rounding="truncate")))


def ends_earlier(scene: Scene) -> Iterator[Guess]:
    """Nothing of theirs is newer than a moment."""
    newest = "coalesce(t_us, event_us)"
    first = scene.rows(f"SELECT min({newest}) FROM {scene.members}")[0][0]
    found = None if first is None else _cut(scene, newest, int(first))
    if found is not None:
        at = _roundest(*found)
        text = f"their data ends earlier: nothing that came from {show_time(at)} on is in it"
        yield Guess("data ends earlier", text, Way(Variation(until=_moment(at))))


def hours_missing(scene: Scene) -> Iterator[Guess]:
    """Whole hours are missing, by event time or by the time of arrival."""
    sides: tuple[tuple[Literal["event_time", "t"], str], ...] = (("event_time", "event_us"), ("t", "t_us"))
    for of, column in sides:
        if of == "t" and not scene.has_times:
            continue
        hours = _missing_hours(scene, column)
        if not hours:
            continue
        ranges = _joined(hours)
        shown = ", ".join(f"{show_time(start)} to {show_time(end)}" for start, end in ranges[:3])
        more = f" and {len(ranges) - 3} further ranges" if len(ranges) > 3 else ""
        what = "events of" if of == "event_time" else "what arrived in"
        text = f"they lack {what} {shown}{more}"
        yield Guess("missing hours", text, Way(Variation(without=(Hours(tuple(hours), of),))))


HYPOTHESES: tuple[Hypothesis, ...] = (
    not_deduplicated,
    deduplicated_per_window,
    late_dropped,
    hours_missing,
    ends_earlier,
    other_zone,
    value_left_out,
    value_included,
    other_rounding,
)
"""In the order in which equally good ones are named."""


def guesses(scene: Scene) -> Iterator[Guess]:
    """All guesses, each way once."""
    seen: set[Way] = {scene.plain}
    for hypothesis in HYPOTHESES:
        for guess in hypothesis(scene):
            if guess.way not in seen:
                seen.add(guess.way)
                yield guess


def _some(scene: Scene, condition: str) -> bool:
    return bool(scene.rows(f"SELECT 1 FROM {DIFFERENCES} WHERE {condition} LIMIT 1"))


def _moment(at_us: int) -> datetime:
    return _EPOCH + at_us * _MICROSECOND


def _length(us: int) -> str:
    return say_duration(us) if us else "0 s"


def _roundest(low: int, high: int) -> int:
    """The roundest number of microseconds in [low, high]."""
    for unit in _ROUND_US:
        at = -(-low // unit) * unit
        if at <= high:
            return at
    return low


def _cut(scene: Scene, sql: str, lowest: int) -> tuple[int, int] | None:
    """Bounds of the cut-off that explains the most cells, if a cell lost all of its events at or beyond it.

    A cell that lost k says: the cut-off is above its (k+1)-th largest value, and not above its k-th. A cell that lost
    none says that it is above all of its values.
    """
    ranked = (
        f"SELECT cell, lost, {sql} AS x, row_number() OVER (PARTITION BY cell ORDER BY {sql} DESC) AS nth"
        f" FROM {scene.members} WHERE cell IS NOT NULL AND lost > 0"
    )
    bounds = (
        "SELECT max(x) FILTER (nth > lost) + 1 AS low, min(x) FILTER (nth <= lost) AS high FROM ("
        + ranked
        + ") GROUP BY cell"
    )
    steps = (
        f"SELECT greatest(coalesce(low, {lowest}), {lowest}) AS edge, 1 AS step FROM ({bounds}) WHERE low IS"
        " NULL OR low <= high"
        f" UNION ALL SELECT high + 1, -1 FROM ({bounds}) WHERE (low IS NULL OR low <= high) AND high >= {lowest}"
    )
    depth = (
        "SELECT edge, sum(sum(step)) OVER (ORDER BY edge) AS depth, lead(edge) OVER (ORDER BY edge) AS"
        f" following FROM ({steps}) GROUP BY edge"
    )
    rows = scene.rows(
        f"SELECT edge, following - 1, depth FROM ({depth}) WHERE following IS NOT NULL AND depth > 0 ORDER BY"
        " depth DESC, edge DESC LIMIT 1"
    )
    if not rows:
        return None
    low, high, _ = rows[0]
    kept = scene.rows(f"SELECT max({sql}) FROM {scene.members} WHERE cell IS NULL AND {sql} <= {int(high)}")
    if kept and kept[0][0] is not None:
        low = max(int(low), min(int(kept[0][0]) + 1, int(high)))
    return int(low), int(high)


def _fitting_values(scene: Scene, table: str, field: Field, wanted: str) -> list[Any]:
    """Values whose events in a differing cell are as many as it differs by, the most events first; two at least."""
    column = field_column(field.name)
    many = f"SELECT cell, {column} AS v, count(*) AS n FROM {table} WHERE cell IS NOT NULL GROUP BY ALL"
    query = (
        f"SELECT v, sum(n) AS events FROM ({many}) m JOIN {DIFFERENCES} d USING (cell) WHERE {wanted} > 0 AND"
        f" n = {wanted}"
        f" GROUP BY v HAVING events > 1 ORDER BY events DESC, v LIMIT {_VALUES}"
    )
    return [row[0] for row in scene.rows(query)]


def _conditions(field: Field, value: Any) -> tuple[str, str]:
    """`is the value` and `is not the value`, where null is a value."""
    column = quote_name(field.name)
    if value is None:
        return f"{column} is null", f"{column} is not null"
    shown = quote_text(value) if isinstance(value, str) else str(value).lower()
    return f"{column} = {shown}", f"({column} <> {shown} or {column} is null)"


def _filters(scene: Scene, text: str, condition: str, joint: str) -> Iterator[Guess]:
    """The metric's filter, or else the definition's, changed by a condition. Without any it can only be narrowed."""
    metric, event = scene.form.metric.where, scene.definition.event.where
    if metric is not None or joint == " and ":
        where = condition if metric is None else f"({render(metric)}){joint}{condition}"
        yield Guess("another filter", text, _way_of(where, scene.form.metric.name))
    if event is not None and joint == " or ":
        yield Guess("another filter", text, _way_of(f"({render(event)}){joint}{condition}", None))


def _way_of(where: str, metric: str | None) -> Way:
    return Way(Variation(where=where, metric=metric))


def _missing_hours(scene: Scene, column: str) -> list[int]:
    """Hours of which every cell that has events in them lost as many at least; two events in all."""
    many = (
        f"SELECT {floor(column, HOUR_US)} AS hour, cell, lost, count(*) AS n FROM {scene.members} WHERE"
        f" {column} IS NOT NULL"
    )
    if scene.form.by or scene.form.grain.unit != "all":
        keys = ", ".join(key.quoted for key in scene.form.keys)
        many += f" GROUP BY hour, cell, lost, {keys}"
    else:
        many += " GROUP BY hour, cell, lost"
    query = (
        f"SELECT hour FROM ({many}) GROUP BY hour HAVING bool_and(coalesce(lost >= n, FALSE)) AND sum(n) > 1"
        " ORDER BY hour"
    )
    return [int(row[0]) for row in scene.rows(query)]


def _joined(hours: Sequence[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for hour in hours:
        if ranges and ranges[-1][1] == hour:
            ranges[-1] = (ranges[-1][0], hour + HOUR_US)
        else:
            ranges.append((hour, hour + HOUR_US))
    return ranges
