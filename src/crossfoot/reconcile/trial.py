"""A guess is recounted and held against all cells: which it explains, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass

from crossfoot.engines.batch.sql import name
from crossfoot.reconcile.compare import DIFFERENCES
from crossfoot.reconcile.filters import Guess
from crossfoot.reconcile.form import Form, equal
from crossfoot.reconcile.scene import Scene

REFUTED_ABOVE = 0.05
"""A guess that is refuted by more cells than this share of those that it explains is no cause."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A guess that was recounted: the differing cells that it explains, by how many events it comes nearer to theirs.

    `refuted`: equal cells that would differ. `mistaken`: differing cells that it changes into something else than
    theirs. `denied`: rows of theirs with a window or a value of which it leaves nothing.
    """

    guess: Guess
    number: int
    fits: int
    gain: int
    refuted: int
    mistaken: int
    denied: int

    def holds(self, cells: int) -> bool:
        """Whether it may be the cause of so many cells."""
        return self.refuted + self.denied <= REFUTED_ABOVE * cells and 2 * self.mistaken <= self.fits

    @property
    def changes(self) -> bool:
        """Whether it counts anything otherwise."""
        return self.fits + self.refuted + self.mistaken > 0


def attempt(scene: Scene, guess: Guess, number: int) -> Tried:
    """Recount a guess; the cells that it explains are in the table `fits`, under its number."""
    form = scene.form
    cells, plain = scene.ways.cells(guess.way), scene.ways.cells(scene.plain)
    scene.connection.execute(f"INSERT INTO fits SELECT {number}, cell FROM ({fitting(form, cells)})")
    fits = _number(scene, f"SELECT count(*) FROM fits WHERE guess = {number}")
    refuted, mistaken = scene.rows(_wrong(form, cells, plain, number))[0]
    gain, denied = _number(scene, _gain(form, cells)), _number(scene, _denied(form, cells, plain))
    return Tried(guess, number, fits, gain, int(refuted), int(mistaken), denied)


def _number(scene: Scene, query: str) -> int:
    return int(scene.rows(query)[0][0] or 0)


def fitting(form: Form, cells: str) -> str:
    """The differing cells in which a table of cells has exactly theirs."""
    same = " AND ".join(
        equal(column, f"h.{column.quoted}", f"d.{name(f'theirs {column.name}')}") for column in form.measures
    )
    there = f"CASE WHEN d.state = 'missing there' THEN h.here IS NULL ELSE h.here AND {same} END"
    return (
        f"SELECT d.cell FROM {DIFFERENCES} d LEFT JOIN (SELECT *, TRUE AS here FROM {cells}) h ON"
        f" {form.same_key('h', 'd')} WHERE {there}"
    )


def lacking(form: Form, plain: str) -> str:
    """The differing cells of which our records give fewer events than our store has, or not the cell at all."""
    fewer = "FALSE"
    if form.count is not None:
        fewer = f"p.{form.count.quoted} < d.{name(f'ours {form.count.name}')}"
    return (
        f"SELECT d.cell FROM {DIFFERENCES} d LEFT JOIN (SELECT *, TRUE AS here FROM {plain}) p ON"
        f" {form.same_key('p', 'd')} WHERE d.state <> 'missing here' AND (p.here IS NULL OR {fewer})"
    )


def _wrong(form: Form, cells: str, plain: str, guess: int) -> str:
    """How many equal cells would change, and how many differing ones would and are not explained."""
    keys = ", ".join(f"coalesce(h.{key.quoted}, p.{key.quoted}) AS {key.quoted}" for key in form.keys)
    same = " AND ".join(equal(column, f"h.{column.quoted}", f"p.{column.quoted}") for column in form.measures)
    sides = f"(SELECT *, TRUE AS here FROM {cells}) h FULL JOIN (SELECT *, TRUE AS here FROM {plain}) p"
    changed = (
        f"SELECT {keys} FROM {sides} ON {form.same_key('h', 'p')} WHERE NOT coalesce(h.here AND p.here AND"
        f" {same}, FALSE)"
    )
    return (
        "SELECT count(*) FILTER (d.cell IS NULL), count(*) FILTER (d.cell IS NOT NULL AND f.cell IS NULL)"
        f" FROM ({changed}) c LEFT JOIN {DIFFERENCES} d ON {form.same_key('c', 'd')}"
        f" LEFT JOIN (SELECT cell FROM fits WHERE guess = {guess}) f ON f.cell = d.cell"
    )


def _denied(form: Form, cells: str, plain: str) -> str:
    """Differing rows of theirs with a window or a value of which we have cells, and this way of counting has none."""
    gone = [
        f"{key.quoted} IN (SELECT {key.quoted} FROM {plain}) AND {key.quoted} NOT IN (SELECT {key.quoted} FROM {cells}"
        f" WHERE {key.quoted} IS NOT NULL)"
        for key in form.keys
    ]
    return f"SELECT count(*) FROM {DIFFERENCES} WHERE state <> 'missing there' AND (({') OR ('.join(gone)}))"


def _gain(form: Form, cells: str) -> str:
    """By how many events the differing cells come nearer to theirs."""
    if form.count is None:
        return "SELECT 0"
    ours, theirs = (f"coalesce(d.{name(f'{side} {form.count.name}')}, 0)" for side in ("ours", "theirs"))
    away = f"abs({ours} - {theirs}) - abs(coalesce(h.{form.count.quoted}, 0) - {theirs})"
    return f"SELECT sum({away}) FROM {DIFFERENCES} d LEFT JOIN {cells} h ON {form.same_key('h', 'd')}"
