"""Cells that one event explains: theirs lacks it, has it twice, or has it in another cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crossfoot.engines.batch.sql import field_column, name
from crossfoot.reconcile.compare import DIFFERENCES
from crossfoot.reconcile.scene import Scene

_PAIRED_MAX = 2_000
"""Of more cells than this no pairs are looked for."""
FEW = 10
"""More cells than this by one event each have something in common that was not found: a name of one event would say
that nothing is wrong but chance."""
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


@dataclass(frozen=True, slots=True)
class Single:
    """Name and text for a few cells, and for many; the query of the cells; the one of their events, with `why`."""

    name: str
    text: str
    names: str
    texts: str
    cells: str
    events: str


def singles(scene: Scene) -> Iterator[Single]:
    """In the order in which cells are claimed."""
    one = f"SELECT count(*) FROM {DIFFERENCES} WHERE abs(lost) = 1 AND cell NOT IN (SELECT cell FROM covered)"
    many = 0 if scene.form.count is None else scene.rows(one)[0][0]
    lost, doubled = _of_one(scene, 1), _of_one(scene, -1)
    if 0 < many <= _PAIRED_MAX:
        text = "they have an event in another cell than we do"
        texts = "each of these cells lacks an event that another of them has"
        yield _single(MOVED, text, "events moved", texts, _moved(scene), lost, "they have it in another cell")
    if many:
        text, texts = "they lack one event of the cell", "each of these cells lacks one event"
        yield _single(LOST, text, "events lost", texts, lost, lost, "they lack it")
        text, texts = "they count one event of the cell twice", "in each of these cells one event counts twice"
        yield _single(DOUBLED, text, "events doubled", texts, doubled, doubled, "they count it twice")
    whole = f"SELECT cell, {', '.join(scene.places)} FROM {scene.members} WHERE cell IN (SELECT cell FROM {DIFFERENCES}"
    whole += " WHERE state = 'missing there')"
    text, texts = "they lack the cell with all its events", "they lack these cells with all their events"
    yield _single("whole cell lost", text, "whole cells lost", texts, whole, whole, "they lack it")


def _single(name: str, text: str, names: str, texts: str, cells: str, events: str, why: str) -> Single:
    """What may be one of several events says so."""
    said = f"{texts}; what they have in common was not found"
    one = f"CASE WHEN count(*) OVER (PARTITION BY cell) = 1 THEN '{why}' ELSE '{why}, or another of these' END"
    return Single(
        name,
        text,
        f"{names}, no rule found",
        said,
        f"SELECT DISTINCT cell FROM ({cells})",
        f"SELECT *, {one} AS why FROM ({events})",
    )


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
