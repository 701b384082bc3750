"""Comparisons that are done again and again while a service counts: a thread that reads as any reader does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from crossfoot.beside import Beside
from crossfoot.clock import Clock
from crossfoot.definition.durations import instant_us
from crossfoot.definition.model import Comparison, Definition
from crossfoot.errors import CrossfootError
from crossfoot.files import replace_whole
from crossfoot.query.times import show_time
from crossfoot.reconcile.history import FOLDER, history, remember
from crossfoot.reconcile.report import as_html, headline, percent
from crossfoot.reconcile.run import NotYetError, Work, reconcile

_LONGEST_WAIT_S = 3600.0
_SOON_S = 300.0
_WORK = Work(threads=1)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest result of a comparison, for who watches; `alert` says what does not hold."""

    exact_keys: float
    alert: str | None


class Schedule(Beside[tuple[str, str]]):
    """Does each scheduled comparison when it is due, one at a time, from `with` to its end."""

    def __init__(
        self, definition: Definition, places: tuple[Path, Path], clock: Clock, tell: Callable[[str], None]
    ) -> None:
        super().__init__("crossfoot-reconcile")
        self._definition, (self._store, self._home) = definition, places
        self._clock, self._tell = clock, tell
        self._scheduled = [each for each in definition.reconcile if each.every_us is not None]
        self._failed: dict[str, int] = {}
        self._waiting: set[str] = set()
        self.newest: Mapping[str, Newest] = {}

    def __enter__(self) -> Self:
        return super().__enter__() if self._scheduled else self

    def works(self) -> list[str]:
        """The comparisons that did not fail the last time."""
        return [each.name for each in self._scheduled if each.name not in self._failed]

    def _turn(self) -> float:
        return min([_LONGEST_WAIT_S, *map(self._attempt, self._scheduled)])

    def _attempt(self, comparison: Comparison) -> float:
        """Compare if it is due; seconds until it is looked at again. Whatever goes wrong, counting goes on."""
        name, every_us, now_us = comparison.name, comparison.every_us or 0, self._clock.now_us()
        try:
            self._show(name)
            last = max(last_us(self._store, name), self._failed.get(name, 0))
            if now_us < last + every_us:
                return (last + every_us - now_us) / 1e6
            work = replace(_WORK, hold=self.hold)
            said = compare_once(self._definition, (self._store, self._home), comparison, now_us, work)
            self._show(name)
        except NotYetError as error:
            return self._not_yet(comparison, error)
        except Exception as error:  # noqa: BLE001
            self._fail(name, now_us, error)
        else:
            self._failed.pop(name, None)
            self._tell(f"reconcile {name}: {said}")
        self._waiting.discard(name)
        return max(1.0, every_us / 1e6)

    def _show(self, name: str) -> None:
        if past := history(self._store, name):
            last = past[-1]
            alert = f"{percent(last['exact_keys'])} of {last['cells']:,} cells are exact"
            newest = Newest(last["exact_keys"], None if last["holds"] else alert)
            self.newest = {**self.newest, name: newest}

    def _not_yet(self, comparison: Comparison, error: NotYetError) -> float:
        """Said once; no failure."""
        if comparison.name not in self._waiting:
            self._tell(f"reconcile {comparison.name}: {error}")
        self._waiting.add(comparison.name)
        self._failed.pop(comparison.name, None)
        return min(_SOON_S, max(1.0, (comparison.every_us or 0) / 1e6))

    def _fail(self, name: str, now_us: int, error: Exception) -> None:
        if self.hold.is_broken:
            return
        says = (
            f"{error}; next: {error.hint}" if isinstance(error, CrossfootError) else f"{type(error).__name__}: {error}"
        )
        self._failed[name] = now_us
        self._problems.append((name, says))


def compare_once(
    definition: Definition, places: tuple[Path, Path], comparison: Comparison, now_us: int, work: Work = _WORK
) -> str:
    """Compare, keep the result and its report in the store's folder; the result in a line."""
    store, home = places
    at = show_time(now_us) or ""
    found = reconcile(definition, store, placed(comparison, home), work)
    remember(store, found, at)
    page = as_html(found, at, history(store, comparison.name))
    replace_whole(store / FOLDER / f"{comparison.name}.html", page.encode())
    return headline(found) + ("" if found.holds else ": the check does not hold")


def placed(comparison: Comparison, home: Path) -> Comparison:
    """Paths of a definition are relative to its folder."""
    if comparison.against.kind == "bigquery":
        return comparison
    return replace(comparison, against=replace(comparison.against, place=str(home / comparison.against.place)))


def last_us(store: Path, name: str) -> int:
    """When a comparison was last done; 0: never."""
    past = history(store, name)
    return instant_us(past[-1]["at"]) if past else 0
