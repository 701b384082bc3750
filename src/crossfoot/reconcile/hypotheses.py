"""What the other side may have done otherwise: one small function each, in one list.

A hypothesis looks at the differing cells and proposes guesses; each is then recounted and held against every cell
(`causes`). So a guess may be wrong, but the right one must be among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

from crossfoot.definition.durations import say_duration
from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from crossfoot.engines.batch import Hours, Variation
from crossfoot.engines.batch.sql import floor, name
from crossfoot.query.times import show_time
from crossfoot.reconcile.evidence import cut, least
from crossfoot.reconcile.filters import Guess, left_out, let_pass
from crossfoot.reconcile.form import WINDOW
from crossfoot.reconcile.scene import Scene
from crossfoot.reconcile.ways import Way
from crossfoot.reconcile.zones import zone_guesses

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ROUND_US = (DAY_US, 6 * HOUR_US, HOUR_US, 15 * MINUTE_US, 5 * MINUTE_US, MINUTE_US, 10 * SECOND_US, SECOND_US)

Hypothesis = Callable[[Scene], Iterator[Guess]]


def late_dropped(scene: Scene) -> Iterator[Guess]:
    """Events that come later than a cut-off after the end of their hour do not count."""
    if not scene.has_times:
        return
    found = cut(scene, f"t_us - ({floor('event_us', HOUR_US)} + {HOUR_US})", 0)
    if found is not None:
        at = _roundest(*found)
        between = "" if found[0] == found[1] else f" (between {_length(found[0])} and {_length(found[1])} would fit)"
        text = f"they drop events that arrive {_length(at)} or more after the end of their hour{between}"
        yield Guess("late events dropped", text, Way(Variation(drop_late=at * _MICROSECOND)))


def copies_counted(_: Scene) -> Iterator[Guess]:
    """Every copy counts, or one in each hour."""
    yield Guess("not deduplicated", "they count every copy of an event", Way(Variation(dedup="none")), True)
    text = "they find copies only within one hour"
    yield Guess("deduplicated per window", text, Way(Variation(dedup="per_window")), True)


def other_zone(scene: Scene) -> Iterator[Guess]:
    """Windows have their edges, or their names, in another zone."""
    for zone, as_label in zone_guesses(scene):
        said = f"their windows have their edges in {zone}"
        if as_label:
            said = f"their windows are named by local times of {zone}, read as UTC"
        yield Guess("another time zone", said, Way(Variation(zone=zone), zone if as_label else None), True)


def other_rounding(scene: Scene) -> Iterator[Guess]:
    """Decimals with more places are not rounded half-even."""
    if any(field.type.name == "decimal" for field in scene.definition.event.fields):
        yield Guess("rounding", "they round halves up", Way(Variation(rounding="half_up")), True)
        yield Guess("rounding", "they cut off further places", Way(Variation(rounding="truncate")), True)


def ends_earlier(scene: Scene) -> Iterator[Guess]:
    """Nothing of theirs is newer than a moment."""
    newest = "coalesce(t_us, event_us)"
    first = scene.rows(f"SELECT min({newest}) FROM {scene.members}")[0][0]
    found = None if first is None else cut(scene, newest, int(first))
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
        ranges = _missing(scene, column)
        if not ranges:
            continue
        hours = tuple(hour for start, end in ranges for hour in range(start, end, HOUR_US))
        shown = ", ".join(f"{show_time(start)} to {show_time(end)}" for start, end in ranges[:3])
        more = f" and {len(ranges) - 3} further ranges" if len(ranges) > 3 else ""
        what = "events of" if of == "event_time" else "what arrived in"
        text = f"they lack {what} {shown}{more}"
        yield Guess("missing hours", text, Way(Variation(without=(Hours(hours, of),))))


HYPOTHESES: tuple[Hypothesis, ...] = (
    copies_counted,
    late_dropped,
    hours_missing,
    ends_earlier,
    other_zone,
    left_out,
    let_pass,
    other_rounding,
)
"""In the order in which equally good ones are named."""
_FIRST_ONLY = (other_zone, other_rounding)
"""Beside another cause these are not drawn: that one is drawn beside them."""


def guesses(scene: Scene) -> Iterator[Guess]:
    """All guesses, each way once."""
    seen: set[Way] = {scene.plain}
    for hypothesis in HYPOTHESES:
        if scene.base != scene.plain and hypothesis in _FIRST_ONLY:
            continue
        for guess in hypothesis(scene):
            if guess.way not in seen:
                seen.add(guess.way)
                yield guess


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


def _missing(scene: Scene, column: str) -> list[tuple[int, int]]:
    """Ranges of hours of which every cell that has events in them lost as many at least, more than chance does."""
    hour, keys = floor(column, HOUR_US), [key.quoted for key in scene.form.keys]
    many = (
        f"SELECT {hour} AS hour, cell, lost, count(*) AS n FROM {scene.members} WHERE {column} IS NOT NULL"
        f" GROUP BY {', '.join(['hour', 'cell', 'lost', *keys])}"
    )
    hours = f"SELECT hour, sum(n) AS events, bool_and(coalesce(lost >= n, FALSE)) AS lost FROM ({many}) GROUP BY hour"
    rows = scene.rows(f"SELECT hour, events FROM ({hours}) WHERE lost {_nothing_of_theirs(scene, column)} ORDER BY 1")
    if not rows:
        return []
    enough = least(scene, scene.rows(f"SELECT count(*) FROM ({hours})")[0][0])
    ranges: list[tuple[int, int, int]] = []
    for start, events in rows:
        if ranges and ranges[-1][1] == start:
            first, _, before = ranges.pop()
            ranges.append((first, start + HOUR_US, before + events))
        else:
            ranges.append((start, start + HOUR_US, events))
    return [(start, end) for start, end, events in ranges if events >= enough]


def _nothing_of_theirs(scene: Scene, column: str) -> str:
    """Where windows are no longer than hours: an hour of events in which theirs has a row is not missing there."""
    grain = scene.form.grain
    if column != "event_us" or not (grain.unit == "m" or (grain.unit == "h" and grain.n == 1)):
        return ""
    window = floor(name(WINDOW), HOUR_US)
    return f"AND hour NOT IN (SELECT {window} FROM {scene.differences} WHERE state <> 'missing there')"
