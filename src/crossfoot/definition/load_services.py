"""The sections of what stands around counting: preprocess, relay, sinks, archive."""

from __future__ import annotations

from functools import partial

from crossfoot.definition.durations import duration_us
from crossfoot.definition.findings import Finding, FoundError
from crossfoot.definition.limits import ARCHIVE_BYTES_MAX
from crossfoot.definition.load_sources import read_topic
from crossfoot.definition.model import (
    FEEDS,
    Archive,
    BigtableTable,
    FeedName,
    KafkaTopic,
    ParquetFolder,
    Preprocess,
    PubSubTopic,
    Relay,
    Sink,
    Warehouse,
)
from crossfoot.definition.names import parse_path
from crossfoot.definition.reading import Reading, flag, parsed, text_of, whole, wrong_kind
from crossfoot.definition.yamltree import Node

_SINKS = ("kafka", "parquet", "warehouse", "bigquery", "bigtable")
_PLACES = {"warehouse": ("folder",), "bigquery": ("project", "dataset", "location")}


def read_preprocess(reading: Reading, node: Node) -> Preprocess:
    """The service that writes the intermediate topic."""
    section = reading.section(node, ("to", "key", "explode", "blocks", "dead_letter"))
    return Preprocess(
        section.maybe("to", partial(_kafka_topic, reading), None),
        section.maybe("key", partial(text_of, wanted="uuid or a field"), Preprocess().key),
        section.maybe("explode", lambda found: parsed(found, parse_path, "a path"), None),
        section.maybe("blocks", flag, False),
        section.maybe("dead_letter", partial(text_of, wanted="a topic"), None),
    )


def _kafka_topic(reading: Reading, node: Node) -> KafkaTopic:
    return read_topic(reading, reading.section(node, ("kafka",)).need("kafka"))


def read_relay(reading: Reading, node: Node) -> Relay:
    """The service that publishes the intermediate topic."""
    section = reading.section(node, ("to", "dead_letter"))
    pubsub = reading.section(section.need("to"), ("pubsub",)).need("pubsub")
    topic = reading.section(pubsub, ("project", "topic"))
    to = PubSubTopic(text_of(topic.need("project")), text_of(topic.need("topic")))
    return Relay(to, section.maybe("dead_letter", partial(text_of, wanted="a topic"), None))


def read_sinks(reading: Reading, node: Node) -> tuple[Sink, ...]:
    """Where the changed cells of each epoch are written."""
    if node.kind != "list":
        raise wrong_kind(node, "a list of sinks")
    return reading.each(node.items, partial(_sink, reading))


def _sink(reading: Reading, node: Node) -> Sink | None:
    section = reading.section(node, _SINKS)
    if len(section.found) > 1 or not section.found:
        values = {"found": " and ".join(section.found) or "empty", "wanted": f"one of {', '.join(_SINKS)}"}
        raise FoundError(Finding("CF1005", node.at, "", values))
    if "kafka" in section.found:
        return section.must("kafka", partial(read_topic, reading))
    if "parquet" in section.found:
        return section.maybe("parquet", lambda found: ParquetFolder(text_of(found, "a folder")), None)
    if "bigtable" in section.found:
        return section.must("bigtable", partial(_bigtable, reading))
    (kind,) = section.found
    if kind not in _PLACES:
        return None  # told with the keys of the section
    return section.must(kind, partial(_warehouse, reading, kind))


def _bigtable(reading: Reading, node: Node) -> BigtableTable:
    section = reading.section(node, ("project", "instance", "table"))
    return BigtableTable(*(text_of(section.need(name)) for name in ("project", "instance", "table")))


def _warehouse(reading: Reading, kind: str, node: Node) -> Warehouse:
    places = _PLACES[kind]
    section = reading.section(node, (*places, "feeds", "prefix", "raw_from"))
    where = {name: text_of(section.need(name)) for name in places if name != "location"}
    return Warehouse(
        **where,
        location=section.maybe("location", text_of, None) if "location" in places else None,
        feeds=section.maybe("feeds", partial(_feeds, reading), FEEDS),
        prefix=section.maybe("prefix", text_of, ""),
        raw_from=section.maybe("raw_from", text_of, None),
    )


def _feeds(reading: Reading, node: Node) -> tuple[FeedName, ...]:
    if node.kind != "list":
        raise wrong_kind(node, "a list of raw, counted, cells")
    found = set(reading.each(node.items, _feed))
    return tuple(name for name in FEEDS if name in found)


def _feed(node: Node) -> FeedName:
    if node.text not in FEEDS:
        raise wrong_kind(node, "one of raw, counted, cells")
    return node.text


def read_archive(reading: Reading, node: Node) -> Archive:
    """How long the accepted raw records are kept."""
    section = reading.section(node, ("keep", "bytes"))
    return Archive(
        section.maybe("keep", lambda found: parsed(found, duration_us, "a duration"), None),
        section.maybe("bytes", partial(whole, least=1, most=ARCHIVE_BYTES_MAX), None),
    )
