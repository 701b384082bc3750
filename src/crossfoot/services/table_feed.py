"""Warehouses that are fed from the table of a job: beside whoever follows it, or alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from crossfoot.clock import Clock
from crossfoot.definition.model import BigtableTable, Definition
from crossfoot.errors import CallError, ServiceError
from crossfoot.seen.state import SinkState
from crossfoot.services.failing import SinkNotes
from crossfoot.settings import Settings
from crossfoot.sinks.feeder import Feeder
from crossfoot.sinks.group import Sinks
from crossfoot.sinks.table_feeds import TableCells, TableCounted, Way
from crossfoot.stores.bigtable_table import GoogleTable, TableName
from crossfoot.warehouse.open import open_warehouse, warehouses_of

TableFeed = TableCells | TableCounted

_ALWAYS = 1 << 62
"""An epoch that is never reached: whether the table holds more is asked at each attempt."""
_LOOK_S = 0.2


def feeds_of(
    definition: Definition, home: Path, settings: Settings, environment: Mapping[str, str], clock: Clock
) -> list[TableFeed]:
    """The feeds of the definition's warehouses; nothing is reached for yet. `home` is the definition's folder.

    CallError where no Bigtable table is named.
    """
    tables = [sink for sink in definition.sinks if isinstance(sink, BigtableTable)]
    if not tables:
        raise CallError("the definition names no Bigtable table", "it is the table of a job that is read")
    name = TableName(tables[0].project, tables[0].instance, tables[0].table)
    found: list[TableFeed] = []
    for declared in warehouses_of(definition):
        for feed, made in (("counted", TableCounted), ("cells", TableCells)):
            if feed in declared.feeds:
                warehouse = open_warehouse(declared, definition, home, environment, clock)
                table = GoogleTable(name, settings.connect_seconds)
                found.append(made(Way(table, declared.name, warehouse, declared.prefix, settings.warehouse_seconds)))
    return found


def reach(definition: Definition, home: Path, environment: Mapping[str, str], clock: Clock) -> None:
    """Ask the definition's warehouses whether they are there. Nothing is written."""
    for declared in warehouses_of(definition):
        with closing(open_warehouse(declared, definition, home, environment, clock)) as warehouse:
            warehouse.reach()


def catch_up(feeds: Sequence[TableFeed], given_up: Callable[[], bool]) -> list[tuple[str, int, int, int]]:
    """Bring the warehouses up to what the table holds now: feed, rows that were written, epoch, what is missing."""
    try:
        return [(feed.name, feed.catch_up(given_up), feed.epoch, feed.missing) for feed in feeds]
    finally:
        for feed in feeds:
            feed.close()


class Beside:
    """What is fed meanwhile. `look` tells of what fails."""

    def __init__(self, feeds: Sequence[TableFeed], clock: Clock, note: Callable[[str], None]) -> None:
        self._sinks = Sinks([Feeder(feed, clock) for feed in feeds])
        self._clock = clock
        self._notes = SinkNotes(note)
        self._sinks.tell(_ALWAYS)

    def look(self) -> None:
        """Called again and again."""
        self._notes.of(self._sinks.states)

    def looking(self, asked: Callable[[], bool]) -> Callable[[], bool]:
        """Whether it is asked to end; each time it is looked, too."""

        def looked() -> bool:
            self.look()
            return asked()

        return looked

    def wait(self, asked: Callable[[], bool]) -> None:
        """Until it is asked to end."""
        while not self.looking(asked)():
            time.sleep(_LOOK_S)

    def last(self) -> Sequence[SinkState]:
        """One more attempt of each, however long it takes; how far they are. ServiceError where one has failed."""
        self.finish(math.inf)
        for state in self._sinks.states:
            if state.failing:
                what = f"{state.name} is behind: {state.failing}"
                raise ServiceError(what, "bring it up to date: crossfoot beam feed DEFINITION --once")
        return self._sinks.states

    def finish(self, wait_s: float) -> None:
        """One more attempt of each, as far as the time allows."""
        self._sinks.finish(wait_s, self._clock)


@contextmanager
def fed_beside(
    feeds: Sequence[TableFeed], settings: Settings, clock: Clock, note: Callable[[str], None]
) -> Iterator[Beside]:
    """The feeds in threads of their own, until the end."""
    beside = Beside(feeds, clock, note)
    try:
        yield beside
    finally:
        beside.finish(settings.sink_wait_seconds)
