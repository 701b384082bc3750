"""What an engine of this build cannot run yet, and why: said by `crossfoot plan`, and by the engine when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crossfoot.definition.model import (
    BigQuerySource,
    BigtableTable,
    Definition,
    FileSource,
    KafkaSource,
    PubSubSource,
    Warehouse,
)
from crossfoot.errors import DefinitionError, Place


@dataclass(frozen=True, slots=True)
class Lack:
    """A part of the definition that an engine does not know, and what it does not do."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


def run_lacks(definition: Definition, *, sources: bool = True) -> Iterator[Lack]:
    """`crossfoot run`, with the native core; `sources`: whether it reads those of the definition."""
    for source in definition.sources if sources else ():
        if isinstance(source, FileSource) and source.follow and source.format.name in ("csv", "parquet"):
            yield Lack("source.follow", f"{source.format.name} is not followed: {source.name}")
        if isinstance(source, FileSource) and source.follow and any("://" in text for text in source.files):
            yield Lack("source.follow", f"URLs are not followed, a second run counts what was added: {source.name}")


def preprocess_lacks(definition: Definition) -> Iterator[Lack]:
    """`crossfoot preprocess`, which needs a topic to read and one to write."""
    if definition.preprocess is None or definition.preprocess.to is None:
        yield Lack(
            "preprocess.to", "no topic is named that is written to, as in preprocess: {to: {kafka: {topic: prepared}}}"
        )
    if (lack := _topic_lack(definition, "prepared")) is not None:
        yield lack
    elif definition.format.name == "prepared":
        yield Lack("source.format", "these records are prepared already")
    else:
        yield from _stamp_lacks(definition)


def relay_lacks(definition: Definition) -> Iterator[Lack]:
    """`crossfoot relay`, which needs a topic to read, one to publish to, and one for dead letters."""
    if definition.relay is None:
        yield Lack("relay.to", "no topic is named that is published to: relay: {to: {pubsub: {project: …, topic: …}}}")
    elif definition.relay.dead_letter is None:
        yield Lack("relay.dead_letter", "no Kafka topic is named for messages that can never be published")
    if (lack := _topic_lack(definition, "published")) is not None:
        yield lack
    elif definition.format.name != "prepared":
        yield from _stamp_lacks(definition)


def _topic_lack(definition: Definition, done: str) -> Lack | None:
    if len(definition.sources) == 1 and isinstance(definition.sources[0], KafkaSource):
        return None
    return Lack("source", f"exactly one source is {done}, and it is a Kafka topic")


def _stamp_lacks(definition: Definition) -> Iterator[Lack]:
    """Raw records are stamped by whoever prepares them."""
    if definition.event.received == "carried":
        yield Lack("event.received", "nothing has stamped the records yet: write broker or {field: NAME}")


def refuse(engine: str, lacks: Iterable[Lack]) -> None:
    """DefinitionError with the first of them."""
    for lack in lacks:
        hint = "leave it out, or see what can run the definition: crossfoot plan"
        raise DefinitionError(f"{engine} cannot run this: {lack.why}", hint, place=Place(path=lack.path))


def beam_lacks(definition: Definition) -> Iterator[Lack]:
    """`crossfoot beam`: shards count what files, tables and subscriptions hold; Bigtable and warehouses get it."""
    yield from _beam_sources(definition)
    for metric in definition.metrics:
        if metric.values_max is not None:
            yield Lack(f"metrics.{metric.name}.values_max", "shards cannot agree on which dimension values come first")
        if metric.settled is not None:
            yield Lack(f"metrics.{metric.name}.settled", "a Bigtable table has no folder of a batch beside it")
    if definition.archive is not None:
        yield Lack("archive", "no records are kept: feed them to a warehouse, by crossfoot feed")
    yield from _beam_sinks(definition)


def _beam_sinks(definition: Definition) -> Iterator[Lack]:
    tables = {sink for sink in definition.sinks if isinstance(sink, BigtableTable)}
    if not tables:
        where = "sinks: [{bigtable: {project: …, instance: …, table: …}}]"
        yield Lack("sinks", f"no Bigtable table is named, as in {where}")
    if len(tables) > 1 and any(isinstance(sink, Warehouse) for sink in definition.sinks):
        yield Lack("sinks", "a warehouse is fed from one Bigtable table, and there are several")
    for sink in definition.sinks:
        if not isinstance(sink, BigtableTable | Warehouse):
            yield Lack("sinks", f"only Bigtable and warehouses are written to: {type(sink).__name__.lower()}")


def _beam_sources(definition: Definition) -> Iterator[Lack]:
    files = [source for source in definition.sources if isinstance(source, FileSource)]
    if len({source.options for source in files if any("://" in text for text in source.files)}) > 1:
        yield Lack("source.options", "URLs of all sources are reached by the same options")
    for source in definition.sources:
        if isinstance(source, FileSource) and source.follow:
            yield Lack("source.follow", f"files are read to their end: {source.name}")
        elif isinstance(source, PubSubSource):
            if definition.event.received != "carried" or source.format.name != "prepared":
                yield Lack("source.format", f"a subscription holds what crossfoot relay publishes: {source.name}")
        elif not isinstance(source, FileSource | BigQuerySource):
            what = "files, BigQuery tables and Pub/Sub are read"
            yield Lack("source", f"{what}; crossfoot relay publishes what others hold: {source.name}")
