"""What the differing cells say about a value, an hour or a cut-off: how many agree, and whether chance could do it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log
from typing import Any

from crossfoot.reconcile.scene import Scene

_CHANCE = 0.01
"""More often than this nothing may be found that only chance made."""
_ALL = 0.9
"""Nearly all cells: chance does not make so many agree."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value, its events, those in cells that differ by exactly these, and those in cells that cannot lack them."""

    value: Any
    events: int
    fitting: int
    exact: int
    against: int


def values(scene: Scene, table: str, column: str, sign: int = 1, choices: int | None = None) -> list[Value]:
    """Values of a column that may be left out (sign 1) or be let pass (-1): those that fit the most events first.

    `choices`: among how many these were found; as many as there are.
    """
    many = f"SELECT cell, {sign} * lost AS wanted, {column} AS v, count(*) AS n FROM {table} GROUP BY ALL"
    judged = (
        "SELECT v, sum(n) AS events, coalesce(sum(n) FILTER (n = wanted), 0) AS fitting,"
        " count(*) FILTER (n = wanted) AS exact, coalesce(sum(n) FILTER (coalesce(wanted, 0) < n), 0) AS against,"
        f" count(*) OVER () AS choices FROM ({many}) GROUP BY v"
    )
    rows = scene.rows(f"SELECT * FROM ({judged}) WHERE fitting > 1 AND 2 * against <= events ORDER BY fitting DESC, v")
    share, cells = _share(scene, table, sign), _lost_cells(scene, sign)
    found, left = [], cells
    for value, events, fitting, exact, against, among in rows:
        enough = _enough(share * left / cells, among if choices is None else choices)
        if events >= enough or exact >= _ALL * cells:
            found.append(Value(value, int(events), int(fitting), int(exact), int(against)))
            left -= 0 if against else int(exact)
    return found


def _lost_cells(scene: Scene, sign: int) -> int:
    """Cells of theirs with fewer events than ours; with -1: with more."""
    return int(scene.rows(f"SELECT count(*) FROM {scene.differences} WHERE {sign} * lost > 0")[0][0])


def least(scene: Scene, choices: int) -> int:
    """So many events must all be in cells that lost some, that among `choices` none are there by chance."""
    return _enough(_share(scene, scene.members, 1), choices)


def _share(scene: Scene, table: str, sign: int) -> float:
    """The share of events that are in cells which lost some; with -1: got some."""
    query = f"SELECT count(*), count(*) FILTER ({sign} * coalesce(lost, 0) > 0) FROM {table}"
    every, there = scene.rows(query)[0]
    return there / every if every else 0.0


def _enough(share: float, choices: int) -> int:
    """Where nearly all cells differ, two: there only the recount can tell."""
    return 2 if not 0.0 < share < _ALL else max(2, ceil(log(_CHANCE / max(choices, 1)) / log(share)))


def cut(scene: Scene, sql: str, lowest: int) -> tuple[int, int] | None:
    """Bounds of the cut-off that explains the most cells, if a cell lost all of its events at or beyond it.

    A cell that lost k says: the cut-off is above its (k+1)-th largest value, and not above its k-th. A cell that lost
    none says that it is above all of its values.
    """
    ranked = (
        f"SELECT cell, lost, {sql} AS x, row_number() OVER (PARTITION BY cell ORDER BY {sql} DESC NULLS LAST) AS nth"
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
