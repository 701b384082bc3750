"""`crossfoot feed`: raw events of the sources into a warehouse, read by a subscription or consumer group of their own.

The loop is that of a counting run; what stands in the engine's place keeps positions and writes parcels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from crossfoot.definition.model import Definition, FileSource, KafkaSource, PubSubSource, Source, Warehouse
from crossfoot.errors import CallError, DefinitionError, Place, ServiceError
from crossfoot.seen.board import Showing, shown
from crossfoot.seen.socket import NAME
from crossfoot.seen.state import SinkState
from crossfoot.services.live import LiveLoop, LiveWatch
from crossfoot.services.pace import Pace
from crossfoot.settings import Settings
from crossfoot.settings import environment as environment_of
from crossfoot.sinks.feeder import Feeder
from crossfoot.sinks.group import Sinks
from crossfoot.sinks.warehouse import ParcelFeed
from crossfoot.sources.files import Place as FilePlace
from crossfoot.sources.kafka import topic_of
from crossfoot.sources.live import Failing, LiveSource, Opener, Room
from crossfoot.sources.openers import openers_of
from crossfoot.sources.pubsub import Subscription
from crossfoot.warehouse.open import feed_folder, open_warehouse
from crossfoot.warehouse.outbox import Outbox
from crossfoot.warehouse.raw import RawEngine
from crossfoot.warehouse.tables import raw_events


@dataclass(frozen=True, slots=True)
class FeedJob:
    """What is fed where. `store` is the folder beside which the feed keeps its own; `once`: up to the ends of now."""

    definition: Definition
    store: Path
    home: Path
    warehouse: Warehouse
    sources: tuple[Opener, ...]
    once: bool = False


@dataclass(frozen=True, slots=True)
class Fed:
    """What a run of the feed has read, and how far the warehouse is."""

    accounts: Mapping[str, int]
    parcels: int
    sink: SinkState


def job_of(
    definition: Definition, folders: tuple[Path, Path], warehouse: Warehouse, environment: Mapping[str, str], once: bool
) -> FeedJob:
    """The job of a definition; DefinitionError for a source that nobody else can read. `folders`: store, home."""
    store, home = folders
    if "raw" not in warehouse.feeds:
        raise CallError(f"{warehouse.name} is not fed with raw events", "add raw to its feeds")
    if not definition.sources:
        raise CallError("the definition names no source", "add one: a raw feed reads the sources itself")
    place = FilePlace(home, home, (store.absolute(), (home / warehouse.folder).absolute()))
    sources = tuple(_opener(source, definition, warehouse, place, environment) for source in definition.sources)
    return FeedJob(definition, store, home, warehouse, sources, once)


def _opener(
    source: Source, definition: Definition, warehouse: Warehouse, place: FilePlace, environment: Mapping[str, str]
) -> Opener:
    at = Place(path=f"sinks.{warehouse.kind}.raw_from")
    if isinstance(source, KafkaSource):
        topic = topic_of(source, definition, environment)
        group = warehouse.raw_from or f"crossfoot-raw-{definition.namespace}"
        return replace(topic, settings={**topic.settings, "group.id": group})
    if isinstance(source, PubSubSource):
        if not warehouse.raw_from or warehouse.raw_from == source.subscription:
            hint = "make a second subscription of the topic, and name it: raw_from: SUBSCRIPTION"
            raise DefinitionError(f"the raw feed needs a subscription beside {source.subscription}", hint, place=at)
        path = f"projects/{source.project}/subscriptions/{warehouse.raw_from}"
        return Subscription(path, source.name, environment, with_attempt=True)
    if not isinstance(source, FileSource):
        hint = "leave raw out of the feeds of the warehouse"
        raise DefinitionError(f"a socket or a table has no raw feed: {source.name}", hint, place=at)
    return openers_of(replace(definition, sources=(source,)), place, environment)[0]


def feed(job: FeedJob, settings: Settings, watch: LiveWatch) -> Fed:
    """Read until asked to stop; ServiceError where the warehouse has not everything when it ends by itself."""
    folder = feed_folder(job.store, "raw", job.warehouse.name)
    prefix = job.warehouse.prefix
    outbox = Outbox(folder, (raw_events(prefix),), watch.clock)
    sources: list[LiveSource] = []
    parcels = _parcels(job, outbox, watch)
    attempts = frozenset(source.name for source in job.definition.sources if isinstance(source, PubSubSource))
    sinks = Sinks([Feeder(parcels, watch.clock)])
    try:
        with shown("feed", Showing.of(settings, folder / NAME)) as board:
            engine = RawEngine(job.definition, outbox, watch.clock, prefix, attempts)
            sinks.tell(outbox.newest)
            room = Room(job.definition, folder, settings, watch.clock)
            for opener in job.sources:
                sources.append(opener.open(room))
            told = replace(watch, state=lambda state: watch.state(board.publish(state)), note=board.noting(watch.note))
            loop = LiveLoop(engine, sources, replace(settings, commit_bytes=settings.feed_bytes), told, sinks, "feed")
            loop.pace = Pace(settings.warehouse_seconds, settings.warehouse_seconds)
            loop.has_room = lambda wait_s: outbox.has_room(settings.outbox_bytes, wait_s)
            loop.run(job.once)
    finally:
        for source in sources:
            source.close()
        sinks.finish(0.0, watch.clock)
    (state,) = sinks.states
    if job.once and state.behind:
        why = state.failing or "it was not waited for any longer"
        raise ServiceError(
            f"{job.warehouse.name} lacks {state.behind} parcels: {why}", "run it again: it goes on there"
        )
    return Fed(engine.progress()["accounts"], outbox.newest, state)


def _parcels(job: FeedJob, outbox: Outbox, watch: LiveWatch) -> ParcelFeed:
    """A warehouse that does not answer may come back; whatever else is wrong with it is raised at once."""
    try:
        warehouse = open_warehouse(job.warehouse, job.definition, job.home, environment_of(), watch.clock)
        try:
            outbox.ensure(warehouse)
        except ServiceError as error:
            watch.note(Failing(f"{error.message} ({error.hint}); it is tried again"))
    except BaseException:
        outbox.close()
        raise
    return ParcelFeed(f"{job.warehouse.name} raw", outbox, warehouse)
