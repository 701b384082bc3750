"""The `source` section: one source or a list of them, their formats, and topics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from crossfoot.definition.findings import Finding, FoundError, nearest
from crossfoot.definition.model import (
    BigQuerySource,
    FileSource,
    Format,
    KafkaSource,
    KafkaTopic,
    PubSubSource,
    Settings,
    SocketSource,
    Source,
)
from crossfoot.definition.names import regex_groups
from crossfoot.definition.reading import Reading, Section, flag, items_of, parsed, text_of
from crossfoot.definition.yamltree import Node

FORMATS: Mapping[str, Format] = {
    "json": Format("json"),
    "cloudevents": Format("cloudevents"),
    "csv": Format("csv"),
    "parquet": Format("parquet"),
    "prepared": Format("prepared"),
}
_KINDS = ("files", "kafka", "pubsub", "socket", "bigquery")
_SOURCES = "sources are files, kafka, pubsub, socket, bigquery"
_SOURCES_LATER = {name: (f"the source {name}", _SOURCES) for name in ("http",)}
_FORMATS_LATER = frozenset({"avro", "protobuf", "arrow"})


def read_sources(reading: Reading, node: Node) -> tuple[Source, ...]:
    """Where the records come from."""
    nodes = node.items if node.kind == "list" else (node,)
    if not nodes:
        raise FoundError(Finding("CF1306", node.at, "", {"instead": "name at least one source"}))
    return reading.each(nodes, partial(_source, reading))


def _source(reading: Reading, node: Node) -> Source | None:
    kinds = [key.text for key in node.keys if key.text in _KINDS]
    options = ("format", "name", "follow", "options") if kinds in ([], ["files"]) else ("format", "name")
    section = reading.section(node, (*_KINDS, *options), _SOURCES_LATER)
    format_ = section.maybe("format", partial(_format, reading), Format())
    name = section.maybe("name", partial(text_of, wanted="a name"), "")
    if len(set(kinds)) > 1:
        values = {"found": " and ".join(kinds), "wanted": f"one of {', '.join(_KINDS)}; several sources are a list"}
        raise FoundError(Finding("CF1005", node.at, "", values))
    if not kinds and any(later in section.found for later in _SOURCES_LATER):
        return None
    kind = kinds[0] if kinds else "files"
    return section.must(kind, partial(_READERS[kind], section, format_, name))


def _files(section: Section, form: Format, name: str, node: Node) -> FileSource:
    files = section.reading.each(items_of(node, "a list of paths"), text_of)
    options = section.maybe("options", partial(_options, section.reading), ())
    return FileSource(files, form, section.maybe("follow", flag, False), name or FileSource(()).name, options)


def _options(reading: Reading, node: Node) -> Settings:
    section = reading.section(node, [key.text for key in node.keys])
    return tuple((name, text_of(value, "an option's value")) for name, value in section.found.items())


def _kafka(section: Section, form: Format, name: str, node: Node) -> KafkaSource:
    topic = read_topic(section.reading, node)
    return KafkaSource(topic.topic, topic.settings, form, name)


def _pubsub(section: Section, form: Format, name: str, node: Node) -> PubSubSource:
    parts = section.reading.section(node, ("project", "subscription"))
    return PubSubSource(text_of(parts.need("project")), text_of(parts.need("subscription")), form, name)


def _socket(section: Section, form: Format, name: str, node: Node) -> SocketSource:
    del section
    return SocketSource(text_of(node, "a path"), form, name)


def _bigquery(section: Section, form: Format, name: str, node: Node) -> BigQuerySource:
    parts = section.reading.section(node, ("table", "record", "position", "partition"))
    column = partial(text_of, wanted="a column")
    return BigQuerySource(
        text_of(parts.need("table"), "a table"),
        parts.maybe("record", column, BigQuerySource("").record),
        parts.maybe("position", column, BigQuerySource("").position),
        parts.maybe("partition", column, None),
        form,
        name,
    )


_READERS: Mapping[str, Callable[[Section, Format, str, Node], Source]] = {
    "files": _files,
    "kafka": _kafka,
    "pubsub": _pubsub,
    "socket": _socket,
    "bigquery": _bigquery,
}


def read_topic(reading: Reading, node: Node) -> KafkaTopic:
    """A Kafka topic; every other key is a setting of librdkafka's."""
    section = reading.section(node, [key.text for key in node.keys])
    topic = text_of(section.need("topic"), "a topic")
    settings = [(name, text_of(value, "a setting's value")) for name, value in section.found.items() if name != "topic"]
    return KafkaTopic(topic, tuple(settings))


def _format(reading: Reading, node: Node) -> Format:
    if node.kind == "map":
        pattern = reading.section(node, ("regex",)).need("regex")
        parsed(pattern, regex_groups, "a regular expression")
        return Format("regex", pattern.text)
    text = text_of(node, "a format")
    if text in _FORMATS_LATER:
        values = {"what": "the format", "instead": f"formats are {', '.join(FORMATS)}, {{regex: '…'}}"}
        raise FoundError(Finding("CF1007", node.at, text, values))
    if text not in FORMATS:
        raise FoundError(Finding("CF1117", node.at, text, near=nearest(text, FORMATS)))
    return FORMATS[text]
