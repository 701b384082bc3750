"""Values of a dimension that have another name there: the same cells, under other keys. That needs no recount."""

from __future__ import annotations

from dataclasses import dataclass

from crossfoot.engines.batch.sql import name
from crossfoot.reconcile.compare import DIFFERENCES, say
from crossfoot.reconcile.form import WINDOW, Column, Form, equal
from crossfoot.reconcile.scene import Scene

RENAMED = "another name"
_SHARE = 0.95
"""So many of the cells of a value must be there under the other name, and two at least."""
_CELLS_MAX = 20_000
"""Of more cells than this that only they have, no names are looked for."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Renamed:
    """What it says, and the query of the cells."""

    text: str
    cells: str


def renamed(scene: Scene) -> Renamed | None:
    """The dimension whose values explain the most cells by other names."""
    many = scene.rows(f"SELECT count(*) FROM {DIFFERENCES} WHERE state = 'missing here'")[0][0]
    if not 1 < many <= _CELLS_MAX:
        return None
    found = []
    for key in scene.form.keys:
        chosen = "" if key.name == WINDOW else _chosen(scene, key)
        rows = scene.rows(f"{chosen} ORDER BY n DESC, 1, 2") if chosen else []
        if rows:
            said = [f"{say(key, ours)} is {say(key, theirs)} there" for ours, theirs, _ in rows]
            more = f", and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
            text = f"they have other names for {key.name}: {', '.join(said[:_SHOWN])}{more}"
            found.append((sum(row[2] for row in rows), Renamed(text, _cells(scene.form, key, chosen))))
    return max(found, key=lambda each: each[0])[1] if found else None


def _pairs(form: Form, key: Column) -> str:
    """Cells that only we have beside cells that only they have: equal but for one dimension."""
    alike = [f"a.{each.quoted} IS NOT DISTINCT FROM b.{each.quoted}" for each in form.keys if each != key]
    alike += [
        equal(column, f"a.{name(f'ours {column.name}')}", f"b.{name(f'theirs {column.name}')}")
        for column in form.measures
    ]
    return (
        f"SELECT a.cell AS one, b.cell AS other, a.{key.quoted} AS ours, b.{key.quoted} AS theirs FROM {DIFFERENCES} a"
        f" JOIN {DIFFERENCES} b ON a.state = 'missing there' AND b.state = 'missing here' AND {' AND '.join(alike)}"
    )


def _chosen(scene: Scene, key: Column) -> str:
    """Our value, theirs, and cells: where nearly all of the value's cells are there under the other name."""
    pairs = f"SELECT ours, theirs, count(*) AS n FROM ({_pairs(scene.form, key)}) GROUP BY ours, theirs HAVING n > 1"
    every = f"SELECT {key.quoted} AS v, count(*) AS cells FROM {scene.ways.cells(scene.plain)} GROUP BY 1"
    return (
        f"SELECT ours, theirs, n FROM ({pairs}) p JOIN ({every}) e ON e.v IS NOT DISTINCT FROM p.ours"
        f" WHERE n >= {_SHARE} * cells"
    )


def _cells(form: Form, key: Column, chosen: str) -> str:
    return (
        f"SELECT DISTINCT unnest([one, other]) AS cell FROM ({_pairs(form, key)}) p JOIN ({chosen}) c ON"
        " p.ours IS NOT DISTINCT FROM c.ours AND p.theirs IS NOT DISTINCT FROM c.theirs"
    )
