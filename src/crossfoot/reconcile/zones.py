"""Zones in which the other side's windows may have their edges: those whose totals by window come nearest to theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from crossfoot.calendar import zone_info
from crossfoot.definition.model import MINUTE_US
from crossfoot.definition.zones import zone_names
from crossfoot.engines.batch import windows
from crossfoot.engines.batch.sql import floor, name
from crossfoot.reconcile.compare import DIFFERENCES
from crossfoot.reconcile.form import WINDOW
from crossfoot.reconcile.scene import Scene, labelled

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
    count = scene.form.count
    grain = scene.form.grain
    if grain.unit == "all" or count is None:
        return
    _totals(scene, count.name)
    plain = _distance(scene, None, False)
    found = []
    for zone in _representatives(scene):
        for as_label in (False, True):
            if not as_label and (zone == (grain.zone or "UTC")):
                continue
            distance = _distance(scene, zone, as_label)
            if distance < plain:
                found.append((distance, zone, as_label))
    found.sort(key=lambda each: each[0])
    yield from [(zone, as_label) for _, zone, as_label in found[:_GUESSES]]


def _totals(scene: Scene, count: str) -> None:
    """Events by quarter of an hour, and their totals by window: ours in all windows, changed by what differs."""
    query = f"SELECT {floor('event_us', _STEP_US)} AS event_us, count(*) AS n FROM {scene.members} GROUP BY 1"
    scene.connection.execute(f"CREATE OR REPLACE TEMP TABLE quarters AS {query}")
    start = windows.start(scene.form.grain)
    scene.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE totals_theirs AS SELECT {name(WINDOW)}, sum(n) AS n FROM ("
        f"SELECT {start} AS {name(WINDOW)}, sum(n) AS n FROM quarters GROUP BY 1"
        f" UNION ALL SELECT {name(WINDOW)}, -sum(lost) FROM {DIFFERENCES} GROUP BY 1) GROUP BY 1"
    )


def _distance(scene: Scene, zone: str | None, as_label: bool) -> int:
    start = labelled(windows.start(scene.form.grain, zone), zone if as_label else None)
    ours = f"SELECT {start} AS {name(WINDOW)}, sum(n) AS n FROM quarters GROUP BY 1"
    query = (
        f"SELECT coalesce(sum(abs(coalesce(o.n, 0) - coalesce(t.n, 0))), 0) FROM ({ours}) o"
        f" FULL JOIN totals_theirs t ON o.{name(WINDOW)} = t.{name(WINDOW)}"
    )
    return int(scene.rows(query)[0][0])


def _representatives(scene: Scene) -> list[str]:
    """One zone for each way in which offsets run over the data, a well-known one where there is one."""
    row = scene.rows("SELECT min(event_us), max(event_us) FROM quarters")[0]
    if row[0] is None:
        return []
    moments = [_EPOCH + timedelta(microseconds=int(row[0] + (row[1] - row[0]) * part // 8)) for part in range(9)]
    found: dict[tuple[timedelta | None, ...], str] = {}
    others = sorted(each for each in zone_names() if "/" in each and not each.startswith("Etc/"))
    for zone in (*_WELL_KNOWN, *others):
        offsets = tuple(moment.astimezone(zone_info(zone)).utcoffset() for moment in moments)
        found.setdefault(offsets, zone)
    return list(found.values())
