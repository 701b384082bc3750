"""Which causes explain which cells: the smallest set of ways to count that gives the other side's table.

Each guess is recounted. It explains the cells in which it gives exactly theirs, and it is refuted where it would change
cells that are equal. The one that explains the most goes first, then pairs of guesses, then single events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

from crossfoot.engines.batch.sql import name
from crossfoot.reconcile import single
from crossfoot.reconcile.compare import DIFFERENCES
from crossfoot.reconcile.examples import Example, examples
from crossfoot.reconcile.form import Form, equal
from crossfoot.reconcile.hypotheses import Guess, guesses
from crossfoot.reconcile.scene import Scene, Way

REFUTED_ABOVE = 0.05
"""A guess that would change more equal cells than this share of those that it explains is no cause."""
_PAIRS = 5
UNEXPLAINED = "unexplained"
STORE = "our store is not what its records give"
ARCHIVE = "our archive misses records"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why cells differ. Several `names` and `texts` explain the same cells equally: A or B.

    `events` is by how many events the cells differ, `volume` how many are in them, `refuted` how many equal cells
    would have to differ too.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    cells: int
    events: int
    volume: int
    refuted: int = 0
    examples: tuple[Example, ...] = ()

    @property
    def text(self) -> str:
        return "; or ".join(self.texts)


@dataclass(slots=True)
class _Tried:
    guess: Guess
    refuted: int
    gain: int
    number: int = 0
    fits: int = field(default=0)


def explain(scene: Scene) -> tuple[Cause, ...]:
    """The causes of all differing cells, the largest first; what none explains is `unexplained`, last."""
    search = _Search(scene)
    search.our_own()
    for guess in guesses(scene):
        search.attempt(guess)
    search.cover()
    search.pairs()
    search.single_events()
    return search.result()


class _Search:
    def __init__(self, scene: Scene) -> None:
        self.scene, self.form = scene, scene.form
        self.tried: list[_Tried] = []
        self.causes: list[tuple[tuple[str, ...], tuple[str, ...], int, Way | None]] = []
        run = scene.connection.execute
        run("CREATE OR REPLACE TEMP TABLE fits (guess BIGINT, cell BIGINT)")
        run("CREATE OR REPLACE TEMP TABLE covered (cause BIGINT, cell BIGINT)")

    def _number(self, query: str) -> int:
        return int(self.scene.rows(query)[0][0] or 0)

    def our_own(self) -> None:
        """Cells in which our store is not what our records give."""
        plain = self.scene.cells(self.scene.plain)
        same = _fits(self.form, plain)
        self._claim(
            STORE, "counting our records again gives their numbers: repair our store", f"SELECT cell FROM ({same})"
        )
        lacking = _lacking(self.form, plain)
        self._claim(
            ARCHIVE,
            "our records of these cells are not all there, so no cause can be tried",
            f"SELECT cell FROM ({lacking})",
        )

    def _claim(self, cause: str, text: str, cells: str) -> None:
        number = len(self.causes)
        self.scene.connection.execute(
            f"INSERT INTO covered SELECT {number}, cell FROM ({cells}) c WHERE cell NOT IN (SELECT cell FROM covered)"
        )
        if self._number(f"SELECT count(*) FROM covered WHERE cause = {number}"):
            self.causes.append(((cause,), (text,), 0, None))

    def attempt(self, guess: Guess) -> _Tried:
        """Recount a guess and hold it against all cells."""
        cells, plain = self.scene.cells(guess.way), self.scene.cells(self.scene.plain)
        number = len(self.tried)
        self.scene.connection.execute(f"INSERT INTO fits SELECT {number}, cell FROM ({_fits(self.form, cells)})")
        refuted = self._number(_refuted(self.form, cells, plain))
        tried = _Tried(guess, refuted, self._number(_gain(self.form, cells)), number)
        tried.fits = self._number(f"SELECT count(*) FROM fits WHERE guess = {number}")
        self.tried.append(tried)
        if not tried.fits and not tried.gain:
            self.scene.forget(guess.way)
        return tried

    def _left(self) -> list[tuple[int, int]]:
        """Guesses that explain cells which nothing explains yet, the best first: number, cells."""
        found = self.scene.rows(
            "SELECT guess, count(*) AS n FROM fits WHERE cell NOT IN (SELECT cell FROM covered)"
            " GROUP BY guess ORDER BY n DESC, guess"
        )
        return [(guess, n) for guess, n in found if self.tried[guess].refuted <= REFUTED_ABOVE * n]

    def cover(self) -> None:
        """Take the guess that explains the most of what is left, again and again."""
        while found := self._left():
            best, cells = found[0]
            equals = [guess for guess, n in found if n == cells and self._same(best, guess)]
            chosen = [self.tried[guess].guess for guess in equals]
            number = len(self.causes)
            self.scene.connection.execute(
                f"INSERT INTO covered SELECT {number}, cell FROM fits WHERE guess = {best} AND cell NOT IN (SELECT"
                " cell FROM covered)"
            )
            names = tuple(dict.fromkeys(guess.cause for guess in chosen))
            texts = tuple(guess.text for guess in chosen)
            single_name, single_text = single.also(self.scene, number)
            if single_name:
                names, texts = (*names, single_name), (*texts, single_text)
            self.causes.append((names, texts, self.tried[best].refuted, chosen[0].way))

    def _same(self, one: int, other: int) -> bool:
        left = "cell NOT IN (SELECT cell FROM covered)"
        of = "SELECT cell FROM fits WHERE guess = {} AND " + left
        return one == other or not self._number(f"SELECT count(*) FROM ({of.format(one)} EXCEPT {of.format(other)})")

    def pairs(self) -> None:
        """Two causes in the same cells: guesses that come nearer to theirs, two at a time."""
        if not self._number(f"SELECT count(*) FROM {DIFFERENCES} WHERE cell NOT IN (SELECT cell FROM covered)"):
            return
        near = sorted([each for each in self.tried if each.gain > 0], key=lambda each: -each.gain)[:_PAIRS]
        for one, other in combinations(near, 2):
            way = one.guess.way.and_(other.guess.way)
            if way is not None:
                cause, text = f"{one.guess.cause} and {other.guess.cause}", f"{one.guess.text}, and {other.guess.text}"
                self.attempt(Guess(cause, text, way))
        self.cover()

    def single_events(self) -> None:
        """Cells that one event explains."""
        for cause, text, cells in single.singles(self.scene):
            self._claim(cause, text, cells)

    def result(self) -> tuple[Cause, ...]:
        """All causes with their cells, volume and examples."""
        found = []
        for number, (names, texts, refuted, way) in enumerate(self.causes):
            cells = f"SELECT cell FROM covered WHERE cause = {number}"
            found.append(self._cause(names, texts, refuted, way, cells))
        found.sort(key=lambda cause: -cause.cells)
        rest = f"SELECT cell FROM {DIFFERENCES} WHERE cell NOT IN (SELECT cell FROM covered)"
        left = self._cause((UNEXPLAINED,), ("no cause that was tried gives their numbers",), 0, None, rest)
        return (*found, left) if left.cells else tuple(found)

    def _cause(self, names: Sequence[str], texts: Sequence[str], refuted: int, way: Way | None, cells: str) -> Cause:
        query = f"SELECT count(*), sum(abs(lost)), sum(volume) FROM {DIFFERENCES} WHERE cell IN ({cells})"
        many, events, volume = self.scene.rows(query)[0]
        shown = examples(self.scene, cells, way) if many else ()
        return Cause(tuple(names), tuple(texts), many, int(events or 0), int(volume or 0), refuted, shown)


def _fits(form: Form, cells: str) -> str:
    """The differing cells in which a table of cells has exactly theirs."""
    same = " AND ".join(
        equal(column, f"h.{column.quoted}", f"d.{name(f'theirs {column.name}')}") for column in form.measures
    )
    there = f"CASE WHEN d.state = 'missing there' THEN h.here IS NULL ELSE h.here AND {same} END"
    return (
        f"SELECT d.cell FROM {DIFFERENCES} d LEFT JOIN (SELECT *, TRUE AS here FROM {cells}) h ON"
        f" {form.same_key('h', 'd')} WHERE {there}"
    )


def _lacking(form: Form, plain: str) -> str:
    """The differing cells of which our records give fewer events than our store has."""
    if form.count is None:
        return f"SELECT cell FROM {DIFFERENCES} WHERE FALSE"
    ours = f"coalesce(d.{name(f'ours {form.count.name}')}, 0)"
    return (
        f"SELECT d.cell FROM {DIFFERENCES} d LEFT JOIN {plain} p ON {form.same_key('p', 'd')}"
        f" WHERE coalesce(p.{form.count.quoted}, 0) < {ours}"
    )


def _refuted(form: Form, cells: str, plain: str) -> str:
    """How many cells would change that are equal."""
    keys = ", ".join(f"coalesce(h.{key.quoted}, p.{key.quoted}) AS {key.quoted}" for key in form.keys)
    same = " AND ".join(equal(column, f"h.{column.quoted}", f"p.{column.quoted}") for column in form.measures)
    sides = f"(SELECT *, TRUE AS here FROM {cells}) h FULL JOIN (SELECT *, TRUE AS here FROM {plain}) p"
    changed = (
        f"SELECT {keys} FROM {sides} ON {form.same_key('h', 'p')} WHERE NOT coalesce(h.here AND p.here AND"
        f" {same}, FALSE)"
    )
    return f"SELECT count(*) FROM ({changed}) c ANTI JOIN {DIFFERENCES} d ON {form.same_key('c', 'd')}"


def _gain(form: Form, cells: str) -> str:
    """By how many events the differing cells come nearer to theirs."""
    if form.count is None:
        return "SELECT 0"
    ours, theirs = (f"coalesce(d.{name(f'{side} {form.count.name}')}, 0)" for side in ("ours", "theirs"))
    away = f"abs({ours} - {theirs}) - abs(coalesce(h.{form.count.quoted}, 0) - {theirs})"
    return f"SELECT sum({away}) FROM {DIFFERENCES} d LEFT JOIN {cells} h ON {form.same_key('h', 'd')}"
