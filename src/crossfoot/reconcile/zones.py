"""Zones in which the other side's windows may have their edges: those whose totals by window come nearest to theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from crossfoot.calendar import window_of, zone_info
from crossfoot.definition.model import MINUTE_US, Grain
from crossfoot.definition.zones import zone_names
from crossfoot.engines.batch.sql import floor, name
from crossfoot.reconcile.compare import DIFFERENCES
from crossfoot.reconcile.form import WINDOW
from crossfoot.reconcile.scene import Scene

_WELL_KNOWN = (
    *("Europe/London", "Europe/Paris", "Europe/Helsinki", "Europe/Moscow", "America/New_York", "America/Chicago"),
    *("America/Denver", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo"),
    *("Australia/Sydney", "Pacific/Auckland", "Asia/Dubai", "Asia/Singapore", "Africa/Johannesburg", "UTC"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP_US = 15 * MINUTE_US
"""All offsets in use are multiples of it."""
_GUESSES = 2


def zone_guesses(scene: Scene) -> Iterator[tuple[str, bool]]:
    """Zone, and whether it names the windows too."""
    grain = scene.form.grain
    if grain.unit == "all" or scene.form.count is None:
        return
    query = f"SELECT {floor('event_us', _STEP_US)} AS quarter, count(*) FROM {scene.members} GROUP BY 1 ORDER BY 1"
    quarters = [(int(at), int(many)) for at, many in scene.rows(query)]
    plain = _totals(quarters, grain, grain.zone, False)
    theirs = Counter(plain)
    for start, lost in scene.rows(f"SELECT {name(WINDOW)}, sum(lost) FROM {DIFFERENCES} GROUP BY 1"):
        theirs[start] -= int(lost)
    found = []
    for zone in _representatives(quarters):
        for as_label in (False, True):
            distance = _distance(theirs, _totals(quarters, grain, zone, as_label))
            if distance < _distance(theirs, plain):
                found.append((distance, zone, as_label))
    found.sort(key=lambda each: each[0])
    yield from [(zone, as_label) for _, zone, as_label in found[:_GUESSES]]


def _totals(quarters: list[tuple[int, int]], grain: Grain, zone: str | None, as_label: bool) -> Counter[int]:
    """Events by window, from quarters of hours; the recount is exact, this only says what is worth it."""
    of_zone = replace(grain, zone=zone) if grain.unit in ("d", "w", "mo") else grain
    info = zone_info(zone or "UTC")
    totals: Counter[int] = Counter()
    start, end, shift = 0, 0, 0
    for at, many in quarters:
        if not start <= at < end or end == 0:
            window = window_of(of_zone, at)
            start, end = window.start_us or 0, window.end_us or 0
            shift = _offset_us(info, start)
            if grain.unit in ("m", "h"):
                shift = _offset_us(info, at)
                start = window_of(of_zone, at + shift).start_us or 0
                start, end = start - shift, start - shift + (end - (window.start_us or 0))
        totals[start + (shift if as_label else 0)] += many
    return totals


def _offset_us(info: ZoneInfo, at_us: int) -> int:
    moment = (_EPOCH + timedelta(microseconds=at_us)).astimezone(info)
    return (moment.utcoffset() or timedelta()) // timedelta(microseconds=1)


def _distance(theirs: Counter[int], ours: Counter[int]) -> int:
    return sum(abs(theirs[start] - ours[start]) for start in theirs.keys() | ours.keys())


def _representatives(quarters: list[tuple[int, int]]) -> list[str]:
    """One zone for each way in which offsets run over the data, a well-known one where there is one."""
    if not quarters:
        return []
    first, last = quarters[0][0], quarters[-1][0]
    moments = [first + (last - first) * part // 8 for part in range(9)]
    found: dict[tuple[int, ...], str] = {}
    others = sorted(each for each in zone_names() if "/" in each and not each.startswith("Etc/"))
    for zone in (*_WELL_KNOWN, *others):
        info = zone_info(zone)
        found.setdefault(tuple(_offset_us(info, moment) for moment in moments), zone)
    return list(found.values())
