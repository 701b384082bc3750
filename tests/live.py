"""A live run in this process, over sources that a test holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossfoot.archive.engine import open_engine
from crossfoot.clock import Clock, SystemClock
from crossfoot.definition.load import load_text
from crossfoot.seen.state import State
from crossfoot.services.live import LiveLoop, LiveWatch
from crossfoot.services.store import keep_definition
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.sources.live import Room
from crossfoot.sources.openers import openers_of
from crossfoot.stores.embedded import EmbeddedStore

QUICK = Settings(epoch_seconds=0.02, idle_seconds=0.02)
_PATIENCE = 3000


class LiveRun:
    """The sources of a definition, counted into a folder's `store`, until a test has seen what it waits for."""

    def __init__(self, folder: Path, text: str, settings: Settings = QUICK, clock: Clock | None = None) -> None:
        self.folder, self.settings, self.text = folder, settings, text
        self.clock = clock or SystemClock()
        self.states: list[State] = []
        self.notes: list[str] = []

    def run(self, *steps: Callable[[], Any], once: bool = False) -> dict[str, int]:
        """Do each step once what the step before it brought was counted: a step may return how many records that are.

        A step that returns a callable is waited for until that is true.
        """
        definition = load_text(self.text)
        engine = open_engine(self.folder / "store", definition, self.clock, self.settings)
        keep_definition(self.folder / "store", definition, self.folder)
        room = Room(definition, self.folder / "store", self.settings, self.clock)
        place = Place(self.folder, self.folder, (self.folder / "store",))
        sources = []
        try:
            sources += [opener.open(room) for opener in openers_of(definition, place, {})]
            until = _Until(self, steps)
            watch = LiveWatch(
                clock=self.clock,
                state=self.states.append,
                note=self.notes.append,
                stop=lambda: not once and until.is_over(),
            )
            loop = LiveLoop(engine, sources, self.settings, watch)
            loop.run(once)
            accounts = loop.outcome().accounts
        finally:
            for source in sources:
                source.close()
            engine.close()
        return {name: records for name, records in accounts.items() if records}

    @property
    def counted(self) -> int:
        """Records in any account, as of the newest epoch of the last run."""
        return sum(self.states[-1].accounts.values()) if self.states else 0

    def partitions(self) -> dict[str, dict[str, Any]]:
        """What the store keeps of its partitions."""
        return {part["name"]: part for part in EmbeddedStore(self.folder / "store").meta["partitions"]}


class _Until:
    def __init__(self, run: LiveRun, steps: tuple[Callable[[], Any], ...]) -> None:
        self.run, self.steps, self.wait = run, list(steps), lambda: True
        self.epochs = 0
        run.states.clear()

    def is_over(self) -> bool:
        self.epochs = len(self.run.states)
        assert self.epochs < _PATIENCE, "what the test waits for does not come"
        if not self.run.states or not self.wait():
            return False
        if not self.steps:
            return True
        wanted = self.steps.pop(0)()
        if callable(wanted):
            self.wait = wanted
        elif isinstance(wanted, int) and not isinstance(wanted, bool):
            self.wait = lambda: self.run.counted >= wanted
        return False
