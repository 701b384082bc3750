"""Comparisons that are done again and again while a service counts: a thread that reads as any reader does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from crossfoot.clock import Clock
from crossfoot.definition.durations import instant_us
from crossfoot.definition.model import Comparison, Definition
from crossfoot.errors import CrossfootError
from crossfoot.files import replace_whole
from crossfoot.query.times import show_time
from crossfoot.reconcile.history import FOLDER, history, remember
from crossfoot.reconcile.report import as_html, headline
from crossfoot.reconcile.run import Work, reconcile

_LONGEST_WAIT_S = 3600.0


class Schedule:
    """Does each scheduled comparison when it is due, one at a time, from `with` to its end."""

    def __init__(
        self, definition: Definition, places: tuple[Path, Path], clock: Clock, tell: Callable[[str], None]
    ) -> None:
        self._definition, (self._store, self._home) = definition, places
        self._clock, self._tell = clock, tell
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if any(each.every_us is not None for each in self._definition.reconcile):
            self._thread = threading.Thread(target=self._run, name="crossfoot-reconcile", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A comparison that runs is let go: it has written nothing."""
        self._ending.set()

    def _run(self) -> None:
        failed: dict[str, int] = {}
        while not self._ending.is_set():
            waits = [self._attempt(each, failed) for each in self._definition.reconcile if each.every_us is not None]
            self._ending.wait(min([_LONGEST_WAIT_S, *waits]))

    def _attempt(self, comparison: Comparison, failed: dict[str, int]) -> float:
        """Compare if it is due; seconds until it is due again."""
        every_us, now_us = comparison.every_us or 0, self._clock.now_us()
        last = max(last_us(self._store, comparison.name), failed.get(comparison.name, 0))
        if now_us < last + every_us:
            return (last + every_us - now_us) / 1e6
        try:
            said = compare_once(self._definition, (self._store, self._home), comparison, now_us)
            self._tell(f"reconcile {comparison.name}: {said}")
        except CrossfootError as error:
            failed[comparison.name] = now_us
            self._tell(f"reconcile {comparison.name}: {error}; next: {error.hint}")
        return max(1.0, every_us / 1e6)


def compare_once(definition: Definition, places: tuple[Path, Path], comparison: Comparison, now_us: int) -> str:
    """Compare, keep the result and its report in the store's folder; the result in a line."""
    store, home = places
    at = show_time(now_us) or ""
    found = reconcile(definition, store, placed(comparison, home), Work(threads=1))
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
