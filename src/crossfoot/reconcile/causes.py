"""Which causes explain which cells: the smallest set of ways to count that gives the other side's table.

Each guess is recounted. It explains the cells in which it gives exactly theirs, and it is refuted where it would change
cells that are equal, or leaves nothing where theirs has rows. The one that explains the most goes first, then pairs of
guesses, then single events; a pair that explains more than all single guesses goes before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from crossfoot.reconcile import single
from crossfoot.reconcile.compare import DIFFERENCES
from crossfoot.reconcile.examples import Example, examples
from crossfoot.reconcile.filters import Guess
from crossfoot.reconcile.hypotheses import guesses
from crossfoot.reconcile.renamed import RENAMED, renamed
from crossfoot.reconcile.scene import Scene
from crossfoot.reconcile.trial import Tried, attempt, fitting, lacking
from crossfoot.reconcile.ways import Way

SINGLES_MAX, PAIRS_MAX, BESIDE_MAX = 32, 32, 8
"""So many recounts are made for single guesses, for pairs, and for pairs with one and the same guess."""
UNEXPLAINED = "unexplained"
STORE = "our store is not what its records give"
ARCHIVE = "our archive misses records"
_REPAIR = "`crossfoot verify`, then `crossfoot reconcile --repair`"


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


def explain(scene: Scene) -> tuple[Cause, ...]:
    """The causes of all differing cells, the largest first; what none explains is `unexplained`, last."""
    search = _Search(scene)
    search.our_own()
    search.names()
    search.guesses()
    search.single_events()
    return search.result()


class _Search:
    def __init__(self, scene: Scene) -> None:
        self.scene, self.form, self.ways = scene, scene.form, scene.ways
        self.tried: list[Tried] = []
        self.causes: list[tuple[tuple[str, ...], tuple[str, ...], int, Way | str | None]] = []
        run = scene.connection.execute
        run("CREATE OR REPLACE TEMP TABLE fits (guess BIGINT, cell BIGINT)")
        run("CREATE OR REPLACE TEMP TABLE covered (cause BIGINT, cell BIGINT)")

    def _number(self, query: str) -> int:
        return int(self.scene.rows(query)[0][0] or 0)

    def our_own(self) -> None:
        """Cells of which our records are not all there, and cells in which our store is not what they give."""
        plain = self.ways.cells(self.scene.plain)
        lacks, fits = lacking(self.form, plain), fitting(self.form, plain)
        missing = "records of these cells are missing in our archive, as in theirs"
        more = f"our store counted more than its records say: {_REPAIR}"
        self._claim((ARCHIVE, STORE), (missing, more), f"{lacks} INTERSECT {fits}")
        self._claim((ARCHIVE,), ("our records of these cells are not all there, so no cause can be tried",), lacks)
        self._claim((STORE,), (f"counting our records again gives their numbers: {_REPAIR}",), fits)

    def names(self) -> None:
        """Cells that they have under another name."""
        if (found := renamed(self.scene)) is not None:
            self._claim((RENAMED,), (found.text,), found.cells)

    def _claim(self, names: tuple[str, ...], texts: tuple[str, ...], cells: str) -> None:
        if self._cover(cells):
            self.causes.append((names, texts, 0, None))

    def _cover(self, cells: str) -> int:
        """Give cells that no cause has yet to the next cause: how many."""
        number = len(self.causes)
        self.scene.connection.execute(
            f"INSERT INTO covered SELECT {number}, cell FROM ({cells}) c WHERE cell NOT IN (SELECT cell FROM covered)"
        )
        return self._number(f"SELECT count(*) FROM covered WHERE cause = {number}")

    def guesses(self) -> None:
        """Single guesses. Where they leave cells, or need more than two, pairs: one that explains more goes first."""
        for guess in islice(guesses(self.scene), SINGLES_MAX):
            self._attempt(guess)
        alone, before = len(self.tried), len(self.causes)
        self._take(0, alone)
        if len(self.causes) == before and self._open() <= single.FEW:
            self.single_events()
        if not self._open() and len(self.causes) - before <= 2:
            return
        self._pairs(self.tried[:alone])
        covered = self._number(f"SELECT count(*) FROM covered WHERE cause >= {before}")
        found = self._left(alone, len(self.tried), before)
        if found and (found[0][1] > covered or (found[0][1] == covered and len(self.causes) - before > 2)):
            self.scene.connection.execute(f"DELETE FROM covered WHERE cause >= {before}")
            del self.causes[before:]
            self._name(found)
            self._take(0, alone)
        self._take(alone, len(self.tried))

    def _attempt(self, guess: Guess) -> None:
        tried = attempt(self.scene, guess, len(self.tried))
        self.tried.append(tried)
        if not tried.fits or not tried.holds(tried.fits):
            self.ways.forget(guess.way)

    def _open(self) -> int:
        """Differing cells that have no cause yet."""
        return self._number(f"SELECT count(*) FROM {DIFFERENCES} WHERE cell NOT IN (SELECT cell FROM covered)")

    def _left(self, first: int, end: int, causes: int | None = None) -> list[tuple[int, int]]:
        """Some guesses that explain cells which no cause (of the first few) has, the best first: number, cells."""
        among = "" if causes is None else f" WHERE cause < {causes}"
        found = self.scene.rows(
            f"SELECT guess, count(*) AS n FROM fits WHERE cell NOT IN (SELECT cell FROM covered{among})"
            f" AND guess >= {first} AND guess < {end} GROUP BY guess ORDER BY n DESC, guess"
        )
        return [(guess, n) for guess, n in found if self.tried[guess].holds(n)]

    def _take(self, first: int, end: int) -> None:
        """Of some guesses take the one that explains the most of what is left, again and again."""
        while found := self._left(first, end):
            self._name(found)

    def _name(self, found: list[tuple[int, int]]) -> None:
        """The first guess is a cause, and so are all that explain the same cells: A or B."""
        best, cells = found[0]
        equals = [guess for guess, n in found if n == cells and self._same(best, guess)]
        chosen = [self.tried[guess].guess for guess in equals]
        number = len(self.causes)
        self._cover(f"SELECT cell FROM fits WHERE guess = {best}")
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

    def _pairs(self, singles: list[Tried]) -> None:
        """Two causes at once: what would still differ if one were true gives the other."""
        seen, start = {each.guess.way for each in singles}, len(self.tried)
        for nth, base in enumerate(_bases(singles)):
            given = self.scene.given(base.guess.way)
            for guess in islice(guesses(given), BESIDE_MAX):
                way = base.guess.way.and_(guess.way)
                if way is None or way in seen or len(self.tried) - start >= PAIRS_MAX:
                    continue
                seen.add(way)
                cause, text = f"{base.guess.cause} and {guess.cause}", f"{base.guess.text}, and {guess.text}"
                self._attempt(Guess(cause, text, way))
            given.close()
            self.ways.forget(base.guess.way)
            every = self._number(f"SELECT count(*) FROM {DIFFERENCES}")
            if nth and any(each.fits == every and each.holds(every) for each in self.tried[start:]):
                return

    def single_events(self) -> None:
        """Cells that one event explains, and those that are lost as a whole."""
        for each in single.singles(self.scene):
            if many := self._cover(each.cells):
                few = many <= single.FEW
                name, text = (each.name, each.text) if few else (each.names, each.texts)
                self.causes.append(((name,), (text,), 0, each.events))

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

    def _cause(
        self, names: Sequence[str], texts: Sequence[str], refuted: int, way: Way | str | None, cells: str
    ) -> Cause:
        query = f"SELECT count(*), sum(abs(lost)), sum(volume) FROM {DIFFERENCES} WHERE cell IN ({cells})"
        many, events, volume = self.scene.rows(query)[0]
        shown = examples(self.scene, cells, way) if many else ()
        return Cause(tuple(names), tuple(texts), many, int(events or 0), int(volume or 0), refuted, shown)


def _bases(singles: list[Tried]) -> list[Tried]:
    """Guesses beside which another is looked for: of what hides others all, of those drawn from cells the best two."""
    hiding = [each for each in singles if each.guess.hides and each.changes]
    drawn = [each for each in singles if not each.guess.hides and (each.fits or each.gain > 0)]
    drawn.sort(key=lambda each: (-each.fits, -each.gain))
    return [*hiding[:2], *drawn[:2], *hiding[2:]]
