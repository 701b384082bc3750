"""The sinks of a definition while a run feeds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from crossfoot.clock import Clock
from crossfoot.definition.model import BigtableTable, Definition, KafkaTopic, ParquetFolder, Sink, Warehouse
from crossfoot.definition.secrets import resolve
from crossfoot.files import make_folder
from crossfoot.seen.state import SinkState
from crossfoot.settings import Settings
from crossfoot.sinks.cell_feed import CellFeed
from crossfoot.sinks.cells import Changed, changed
from crossfoot.sinks.feeder import Feeder
from crossfoot.sinks.parquet import ParquetTarget
from crossfoot.sinks.places import Process
from crossfoot.sinks.target import Feed, Target
from crossfoot.warehouse.open import feed_folder, open_warehouse, warehouses_of
from crossfoot.warehouse.outbox import Outbox, known_as
from crossfoot.warehouse.store import Warehouse as Store
from crossfoot.warehouse.tables import accounts, counted_events, types_of


class Sinks:
    """All feeders of a run; there may be none."""

    def __init__(self, feeders: Sequence[Feeder] = ()) -> None:
        self._feeders = tuple(feeders)

    def tell(self, epoch: int) -> None:
        """The store has this epoch."""
        for feeder in self._feeders:
            feeder.tell(epoch)

    @property
    def states(self) -> tuple[SinkState, ...]:
        """How far each is."""
        return tuple(feeder.state for feeder in self._feeders)

    def finish(self, wait_s: float, clock: Clock) -> None:
        """Bring all up to the last epoch, as far as the time allows; then they end."""
        for feeder in self._feeders:
            feeder.end()
        until = clock.elapsed_s() + wait_s
        for feeder in self._feeders:
            feeder.join(max(0.0, until - clock.elapsed_s()))

    def let_go(self, stop: Callable[[], bool], note: Callable[[str], None]) -> None:
        """Until those that were given up have ended, or until asked to stop: nobody else can open what they hold."""
        left = [feeder for feeder in self._feeders if not feeder.join(0.0)]
        if left:
            note(f"what is being written is waited for: {', '.join(feeder.state.name for feeder in left)}")
        while left and not stop():
            left = [feeder for feeder in left if not feeder.join(0.0)]


@contextmanager
def fed(
    definition: Definition,
    folders: tuple[Path, Path],
    settings: Settings,
    environment: Mapping[str, str],
    clock: Clock,
) -> Iterator[Sinks]:
    """The definition's sinks, fed until the end; an error ends them at once. `folders`: store, definition's home."""
    store, _ = folders
    feeds: list[Feed] = []
    _let_go(definition, store)
    try:
        for sink in dict.fromkeys(definition.sinks):
            feeds += _feeds(sink, definition, folders, Process(settings, environment, clock), feeds)
    except BaseException:
        for feed in feeds:
            feed.close()
        raise
    sinks = Sinks([Feeder(feed, clock) for feed in feeds])
    try:
        yield sinks
    finally:
        sinks.finish(0.0, clock)


def _let_go(definition: Definition, store: Path) -> None:
    """A warehouse that the definition no longer names holds nothing."""
    kept = [feed_folder(store, "counted", each.name) for each in warehouses_of(definition) if "counted" in each.feeds]
    for folder in feed_folder(store, "counted", "").parent.glob("counted-*"):
        if folder not in kept:
            (folder / "hold").unlink(missing_ok=True)


def _feeds(
    sink: Sink, definition: Definition, folders: tuple[Path, Path], process: Process, others: Sequence[Feed]
) -> list[Feed]:
    store, home = folders
    if isinstance(sink, Warehouse):
        return list(_warehouse_feeds(sink, definition, folders, process))
    if isinstance(sink, BigtableTable):
        return [_bigtable_feed(sink, store, process)]
    name = f"kafka:{sink.topic}" if isinstance(sink, KafkaTopic) else f"parquet:{sink.folder}"
    twins = sum(other.name.partition("#")[0] == name for other in others)
    name = f"{name}#{twins + 1}" if twins else name
    return [CellFeed(store, _target(name, sink, home, process.settings, process.environment), changed)]


def _warehouse_feeds(
    sink: Warehouse, definition: Definition, folders: tuple[Path, Path], process: Process
) -> Iterator[Feed]:
    """Those that run beside counting."""
    from crossfoot.sinks.warehouse import CellTables, CellTarget, CountedFeed, Owner

    (store, home), clock, every_s = folders, process.clock, process.settings.warehouse_seconds

    def opened() -> Store:
        return open_warehouse(sink, definition, home, process.environment, clock)

    if "counted" in sink.feeds:
        tables = (counted_events(sink.prefix), accounts(sink.prefix))
        outbox = Outbox(feed_folder(store, "counted", sink.name), tables, clock)
        yield CountedFeed(f"{sink.name} counted", store, outbox, opened(), sink.prefix, every_s)
    if "cells" in sink.feeds:
        folder = feed_folder(store, "cells", sink.name)
        make_folder(folder)
        owner = Owner(known_as(folder, clock), folder, sink.prefix)
        made = CellTables.of(types_of(definition), definition.metrics, sink.prefix)
        yield CellFeed(store, CellTarget(f"{sink.name} cells", made, opened(), owner, every_s), changed)


def _bigtable_feed(sink: BigtableTable, store: Path, process: Process) -> Feed:
    from crossfoot.sinks.bigtable import bigtable_feed
    from crossfoot.stores.bigtable_table import GoogleTable, TableName

    table = GoogleTable(TableName(sink.project, sink.instance, sink.table), process.settings.connect_seconds)
    return bigtable_feed(store, table, process.clock, process.settings.sink_seconds)


def _target(
    name: str, sink: KafkaTopic | ParquetFolder, home: Path, settings: Settings, environment: Mapping[str, str]
) -> Target[Iterable[Changed]]:
    if not isinstance(sink, KafkaTopic):
        return ParquetTarget(name, home / sink.folder, settings.parquet_seconds)
    from crossfoot.sinks.kafka import KafkaTarget

    given = resolve(sink.settings, environment)
    # An attempt at the end of a run says why it failed before the end is waited for no longer.
    timeout_s = min(settings.connect_seconds, 0.8 * settings.sink_wait_seconds)
    return KafkaTarget(name, sink.topic, given, settings.sink_seconds, timeout_s)
