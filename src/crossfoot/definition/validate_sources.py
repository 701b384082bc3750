"""Sources and the services around counting: names, formats, settings, and the received time that each can give."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from crossfoot.definition.findings import At, Finding
from crossfoot.definition.limits import ARCHIVE_BYTES_MAX
from crossfoot.definition.load_watch import monitor_findings
from crossfoot.definition.model import (
    Archive,
    BigQuerySource,
    BigtableTable,
    Definition,
    FileSource,
    KafkaSource,
    KafkaTopic,
    ParquetFolder,
    Preprocess,
    PubSubSource,
    Settings,
    SocketSource,
    Source,
    TimeSpec,
    Warehouse,
)
from crossfoot.definition.secrets import is_secret, may_be_secret, variable
from crossfoot.definition.validate_metrics import repeated
from crossfoot.definition.validate_types import unknown_field

_LIVE = (KafkaSource, PubSubSource, SocketSource)
_LIVE_FORMATS = ("json", "cloudevents", "prepared")
_TABLE_FORMATS = ("json", "cloudevents")
_COLUMN_NAME = re.compile(r"[^`\\\n]*")
TABLE_NAME = re.compile(r"([\w.:-]+\.)?[\w-]+\.[\w$-]+")
# A received time that is no field -> the sources that have it, and the message about one that has not.
_GIVES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "none": ((FileSource, BigQuerySource), "CF1122"),
    "broker": ((KafkaSource,), "CF1118"),
    "ingest": ((PubSubSource, SocketSource), "CF1120"),
    "carried": (_LIVE, "CF1121"),
}
_PARTS: Mapping[type, tuple[str, ...]] = {
    FileSource: ("files",),
    KafkaSource: ("topic",),
    PubSubSource: ("project", "subscription"),
    SocketSource: ("path",),
    BigQuerySource: ("table", "record", "position"),
}
_KEYS: Mapping[type, str] = {
    FileSource: "files",
    KafkaSource: "kafka",
    PubSubSource: "pubsub",
    SocketSource: "socket",
    BigQuerySource: "bigquery",
}


def source_findings(definition: Definition) -> Iterator[Finding]:
    """Everything that is wrong with where the records come from."""
    sources = definition.sources
    for place, source in enumerate(sources):
        at: At = ("source",) if len(sources) == 1 else ("source", place)
        yield from _source_findings(at, source)
        if source.format != definition.format:
            values = {"first": sources[0].name, "format": definition.format.name}
            yield Finding("CF1124", (*at, "format"), source.format.name, values)
    yield from [Finding("CF1308", ("source",), name) for name in repeated(source.name for source in sources)]
    yield from _received_findings(definition)


def _source_findings(at: At, source: Source) -> Iterator[Finding]:
    for part in _PARTS[type(source)]:
        if not getattr(source, part):
            yield Finding("CF1306", (*at, _key(source), part), "", {"instead": "name what is read"})
    live = isinstance(source, _LIVE)
    if live != (source.format.name in _LIVE_FORMATS) and (live or source.format.name == "prepared"):
        yield Finding("CF1125", (*at, "format"), source.format.name, {"source": source.name})
    if isinstance(source, BigQuerySource):
        if source.format.name not in _TABLE_FORMATS:
            yield Finding("CF1125", (*at, "format"), source.format.name, {"source": source.name})
        if source.table and not TABLE_NAME.fullmatch(source.table):
            values = {"found": "no name of a table", "wanted": "DATASET.TABLE or PROJECT.DATASET.TABLE"}
            yield Finding("CF1005", (*at, "bigquery", "table"), source.table, values)
        for part in ("record", "position", "partition"):
            column = getattr(source, part) or ""
            if not _COLUMN_NAME.fullmatch(column):
                values = {"found": "no name of a column", "wanted": "one without ` and without a backslash"}
                yield Finding("CF1005", (*at, "bigquery", part), column, values)
    if isinstance(source, KafkaSource):
        yield from _setting_findings((*at, "kafka"), source.settings)
    if isinstance(source, FileSource):
        yield from _setting_findings((*at, "options"), source.options, ())


def _key(source: Source) -> str:
    return _KEYS[type(source)]


def _setting_findings(at: At, settings: Settings, beside: tuple[str, ...] = ("topic",)) -> Iterator[Finding]:
    """No message shows a value. The topic's own name is a key beside them."""
    names = [*beside, *[name for name, _ in settings]]
    yield from [Finding("CF1302", at, name, on_key=True) for name in repeated(names)]
    for name, text in settings:
        if is_secret(name) and variable(text) is None:
            yield Finding("CF1126", (*at, name), name, on_key=True)
        elif "${" in text and not may_be_secret(name):
            yield Finding("CF1127", (*at, name), name, on_key=True)


def _received_findings(definition: Definition) -> Iterator[Finding]:
    """A received time that is no field of the record must be one that every source has."""
    sources, received = definition.sources, definition.event.received
    if definition.format.name == "prepared" and received != "carried":
        yield Finding("CF1410", ("event", "received"), _word(definition))
    elif not isinstance(received, TimeSpec):
        kinds, message_id = _GIVES[received or "none"]
        without = [source.name for source in sources if not isinstance(source, kinds)]
        having = [source.name for source in sources if isinstance(source, kinds)]
        if without and having:
            values = {"having": ", ".join(having), "without": ", ".join(without)}
            yield Finding("CF1123", ("event", "received"), received or "none", values)
        elif without:
            yield Finding(message_id, ("event", "received"), received or "none", {"source": without[0]})


def _word(definition: Definition) -> str:
    received = definition.event.received
    return "{field: …}" if isinstance(received, TimeSpec) else received or "none"


def service_findings(definition: Definition) -> Iterator[Finding]:
    """Everything that is wrong with preprocess, relay, sinks and archive."""
    if definition.preprocess:
        yield from _preprocess_findings(definition, definition.preprocess)
    if definition.relay and not (definition.relay.to.project and definition.relay.to.topic):
        yield Finding("CF1306", ("relay", "to"), "", {"instead": "name a project and a topic"})
    for place, sink in enumerate(definition.sinks):
        if isinstance(sink, ParquetFolder):
            if not sink.folder:
                yield Finding("CF1306", ("sinks", place, "parquet"), "", {"instead": "name a folder"})
        elif isinstance(sink, Warehouse):
            yield from _warehouse_findings(("sinks", place, sink.kind), sink, definition)
        elif isinstance(sink, BigtableTable):
            if "" in (sink.project, sink.instance, sink.table):
                instead = {"instead": "name a project, an instance and a table"}
                yield Finding("CF1306", ("sinks", place, "bigtable"), "", instead)
        else:
            yield from _topic_findings(("sinks", place, "kafka"), sink)
    if definition.archive:
        yield from _archive_findings(definition.archive)
    if definition.monitor:
        yield from monitor_findings(definition.monitor)


_COLUMNS = {"by", "grain", "window", "is_other", "is_removed", "epoch", "day"}
"""Of a table of cells, beside dimensions and measures."""


def _warehouse_findings(at: At, sink: Warehouse, definition: Definition) -> Iterator[Finding]:
    if not sink.folder and not (sink.project and sink.dataset):
        yield Finding("CF1306", at, "", {"instead": "name a folder, or a project and a dataset"})
    if not sink.feeds:
        yield Finding("CF1306", (*at, "feeds"), "", {"instead": "name raw, counted or cells"})
    if not re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)?", sink.prefix):
        values = {"found": "no beginning of a name", "wanted": "letters, digits and _"}
        yield Finding("CF1005", (*at, "prefix"), sink.prefix, values)
    if "cells" in sink.feeds:
        yield from _column_findings(definition)


def _column_findings(definition: Definition) -> Iterator[Finding]:
    """Tables of cells have columns of their own, and names there do not differ by case alone."""
    for metric in definition.metrics:
        seen = set(_COLUMNS)
        names = [*dict.fromkeys(name for by in metric.sets for name in by), *(each.name for each in metric.measures)]
        for name in names:
            if name.lower() in seen:
                yield Finding("CF1330", ("metrics", metric.name), name, {"metric": metric.name})
            seen.add(name.lower())


def _preprocess_findings(definition: Definition, preprocess: Preprocess) -> Iterator[Finding]:
    at: At = ("preprocess",)
    declared = {field.name: field for field in definition.event.fields}
    if preprocess.to:
        yield from _topic_findings((*at, "to", "kafka"), preprocess.to)
    if preprocess.key != Preprocess().key and preprocess.key not in declared:
        yield unknown_field((*at, "key"), preprocess.key, declared)
    if preprocess.explode is not None and definition.format.untyped:
        values = {"format": definition.format.name}
        yield Finding("CF1309", (*at, "explode"), ".".join(preprocess.explode), values)


def _topic_findings(at: At, topic: KafkaTopic) -> Iterator[Finding]:
    if not topic.topic:
        yield Finding("CF1306", (*at, "topic"), "", {"instead": "name a topic"})
    yield from _setting_findings(at, topic.settings)


def _archive_findings(archive: Archive) -> Iterator[Finding]:
    if archive.keep_us is not None and archive.keep_us < 0:
        yield Finding("CF1101", ("archive", "keep"), str(archive.keep_us), {"unbounded": ""})
    if archive.bytes_max is not None and not 1 <= archive.bytes_max <= ARCHIVE_BYTES_MAX:
        values = {"what": "archive.bytes", "least": 1, "most": ARCHIVE_BYTES_MAX}
        yield Finding("CF1112", ("archive", "bytes"), str(archive.bytes_max), values)
