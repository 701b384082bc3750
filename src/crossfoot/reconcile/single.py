"""Cells that one event explains: theirs lacks it, has it twice, or has it in another cell."""

from __future__ import annotations

from collections.abc import Iterator

from crossfoot.engines.batch.sql import field_column, name
from crossfoot.reconcile.compare import DIFFERENCES
from crossfoot.reconcile.scene import Scene

_PAIRED_MAX = 2_000
"""Of more cells than this no pairs are looked for."""
LOST, DOUBLED, MOVED = "one event lost", "one event doubled", "one event moved"


def also(scene: Scene, cause: int) -> tuple[str, str]:
    """The name and the text of a single event that would explain a cause as well, if it is one cell by one event."""
    of = f"SELECT cell FROM covered WHERE cause = {cause}"
    if scene.rows(f"SELECT sum(abs(lost)), count(*) FROM {DIFFERENCES} WHERE cell IN ({of})")[0] != (1, 1):
        return "", ""
    for kind, text, lost in ((LOST, "they lack one event", 1), (DOUBLED, "they count one event twice", -1)):
        if scene.rows(f"SELECT 1 FROM ({_of_one(scene, lost)}) WHERE cell IN ({of}) LIMIT 1"):
            return kind, text
    return "", ""


def singles(scene: Scene) -> Iterator[tuple[str, str, str]]:
    """Cause, text and the query of its cells, in the order in which they are claimed."""
    one = f"SELECT count(*) FROM {DIFFERENCES} WHERE abs(lost) = 1 AND cell NOT IN (SELECT cell FROM covered)"
    many = 0 if scene.form.count is None else scene.rows(one)[0][0]
    if not many:
        return
    if many <= _PAIRED_MAX:
        yield MOVED, "they have an event in another cell than we do", _moved(scene)
    yield LOST, "they lack one event of the cell", f"SELECT DISTINCT cell FROM ({_of_one(scene, 1)})"
    yield DOUBLED, "they count one event of the cell twice", f"SELECT DISTINCT cell FROM ({_of_one(scene, -1)})"


_OPEN = f"(SELECT * FROM {DIFFERENCES} WHERE abs(lost) = 1 AND cell NOT IN (SELECT cell FROM covered))"


def _fits(scene: Scene, cell: str, event: str, lost: int) -> str:
    """The condition that a cell differs by what an event adds to its sums."""
    said = []
    for column in scene.form.measures:
        measure = next(each for each in scene.form.metric.measures if each.name == column.name)
        if column.kind == "sum" and measure.field is not None:
            ours, theirs = (f"coalesce({cell}.{name(f'{side} {column.name}')}, 0)" for side in ("ours", "theirs"))
            said.append(f"{ours} - {theirs} = {lost} * coalesce({event}.{field_column(measure.field)}, 0)")
    return " AND ".join(said) or "TRUE"


def _of_one(scene: Scene, lost: int) -> str:
    """The cells that differ by one of their events, with every event that it may be."""
    places = ", ".join(f"m.{place}" for place in scene.places)
    return (
        f"SELECT d.cell, {places} FROM {DIFFERENCES} d JOIN {scene.members} m ON m.cell = d.cell"
        f" WHERE d.lost = {lost} AND {_fits(scene, 'd', 'm', lost)}"
    )


def _moved(scene: Scene) -> str:
    """Pairs of cells whose keys differ in one part, where one lost what the other got; each cell in one pair."""
    form = scene.form
    alike = " + ".join(f"CAST(a.{key.quoted} IS NOT DISTINCT FROM b.{key.quoted} AS INTEGER)" for key in form.keys)
    candidates = (
        f"SELECT DISTINCT a.cell AS one, b.cell AS other, abs(coalesce(a.{form.keys[0].quoted} -"
        f" b.{form.keys[0].quoted}, 0)) AS far"
        f" FROM {_OPEN} a JOIN {_OPEN} b ON a.lost = 1 AND b.lost = -1 AND {alike} = {len(form.keys) - 1}"
        f" JOIN {scene.members} m ON m.cell = a.cell WHERE {_fits(scene, 'a', 'm', 1)} AND {_fits(scene, 'b', 'm', -1)}"
    )
    ranked = (
        "SELECT one, other, row_number() OVER (PARTITION BY one ORDER BY far, other) AS first,"
        f" row_number() OVER (PARTITION BY other ORDER BY far, one) AS second FROM ({candidates})"
    )
    pairs = f"SELECT one, other FROM ({ranked}) WHERE first = 1 AND second = 1"
    return f"SELECT unnest([one, other]) AS cell FROM ({pairs})"
