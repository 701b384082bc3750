"""The JSON Schema of a definition (draft 2020-12), for editors: completion, explanation and first checks while typing.

It follows the same tables as the loader. What it cannot say (that a name is declared, that types go together) the
loader does; nothing that loads is wrong by the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias, get_args

from crossfoot.definition.durations import UNITS_US
from crossfoot.definition.limits import ARCHIVE_BYTES_MAX, LIMIT_MAX, SHADOW_IDS_MAX, SHADOW_IDS_MIN, VALUES_MAX
from crossfoot.definition.load_reconcile import UNITS
from crossfoot.definition.load_sources import FORMATS
from crossfoot.definition.measures import KINDS
from crossfoot.definition.model import FEEDS, Given, Limits, TimeUnit
from crossfoot.definition.names import NAME, NAMESPACE

Schema: TypeAlias = dict[str, Any]

FILE = "docs/reference/crossfoot.schema.json"


def schema() -> Schema:
    """The whole schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Crossfoot definition",
        **_object(
            "What is counted, and how.",
            {
                "crossfoot": {"const": 1, "description": "The version of this form."},
                "namespace": _word(
                    "Keys every hash: two definitions of one namespace know each other's events.",
                    _whole(NAMESPACE.pattern),
                ),
                "source": _either(
                    "Where the records come from: a source, or a list of them.", _SOURCE, _list_of(_SOURCE, 1)
                ),
                "event": _event(),
                "accept": _accept(),
                "metrics": _named("What is kept: a mapping of names to metrics.", _metric()),
                "limits": _limits(),
                "tests": {
                    "type": "array",
                    "items": _test(),
                    "description": "Events in, rows out; `crossfoot check` runs them.",
                },
                "preprocess": _preprocess(),
                "relay": _relay(),
                "sinks": {
                    **_list_of(_sink()),
                    "description": "Where the changed cells of each epoch are written.",
                },
                "archive": _archive(),
                "monitor": _monitor(),
                "reconcile": _named(
                    "Results that ours is compared with: a mapping of names to comparisons.", _comparison()
                ),
            },
            required=("crossfoot", "namespace", "event", "metrics"),
        ),
        "$defs": {
            "duration": _duration(),
            "path": _path(),
            "zone": _text("An IANA time zone.", r"^[A-Za-z0-9_+/-]+$"),
            "source": _source(),
        },
    }


def _object(description: str, properties: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    found: Schema = {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "additionalProperties": False,
    }
    return found | ({"required": list(required)} if required else {})


def _named(description: str, value: Schema) -> Schema:
    """A mapping whose keys are names of the user's."""
    return {
        "type": "object",
        "description": description,
        "propertyNames": {"pattern": _whole(NAME.pattern)},
        "additionalProperties": value,
    }


def _whole(pattern: str) -> str:
    return f"^{pattern}$"


def _text(description: str, pattern: str | None = None) -> Schema:
    return {"type": "string", "description": description} | ({"pattern": pattern} if pattern else {})


def _word(description: str, pattern: str | None = None) -> Schema:
    """A text that may look like something else to YAML: a folder called 2024, a field called true."""
    return _text(description, pattern) | {"type": ["string", "number", "boolean"]}


def _either(description: str, *choices: Schema) -> Schema:
    return {"description": description, "anyOf": list(choices)}


def _words(*words: str) -> Schema:
    return {"enum": list(words)}


def _list_of(item: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": item} | ({"minItems": least} if least else {})


def _one_or_more(item: Schema) -> Schema:
    return {"anyOf": [item, _list_of(item, 1)]}


_DURATION: Schema = {"$ref": "#/$defs/duration"}
_PATH: Schema = {"$ref": "#/$defs/path"}
_ZONE: Schema = {"$ref": "#/$defs/zone"}
_SOURCE: Schema = {"$ref": "#/$defs/source"}
_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}


def _duration() -> Schema:
    return _text("A whole number and a unit, as in 5m or 7d.", rf"^[0-9]{{1,18}}({'|'.join(UNITS_US)})$")


def _path() -> Schema:
    return _word('Keys of the record, joined by dots: geo."a.b".')


def _limit(description: str) -> Schema:
    return _either(f"{description} A duration, or unbounded.", _DURATION, _words("unbounded"))


def _said(part: Schema, description: str) -> Schema:
    return {**part, "description": description}


def _source() -> Schema:
    regex = _text("A regular expression with named groups, which matches a whole line.")
    form = _either("How a record is read.", _words(*FORMATS), _object("", {"regex": regex}, ("regex",)))
    subscription = {"project": _word("The project."), "subscription": _word("The subscription's name.")}
    table = {
        "table": _word("DATASET.TABLE or PROJECT.DATASET.TABLE."),
        "record": _word("The column that holds the record, as text, bytes or JSON; record."),
        "position": _word("The column of whole numbers that puts records in order; position."),
        "partition": _word("The column that tells partitions apart; one partition, unless it is named."),
    }
    kinds = {
        "files": {
            **_one_or_more(_word("A path, URL, glob or folder.")),
            "description": "Paths, URLs, globs, folders.",
        },
        "kafka": _topic("A topic to read."),
        "pubsub": _object("A Pub/Sub subscription.", subscription, ("project", "subscription")),
        "socket": _word("The path of a Unix socket that takes records."),
        "bigquery": _object("A BigQuery table of raw events.", table, ("table",)),
    }
    option = _word("An option by the name that obstore, or fsspec, gives it; a secret as ${ENV_NAME}.")
    options = {
        "format": form,
        "follow": {"type": "boolean", "description": "Whether files are read on as they grow; false."},
        "name": _word("What the source is called; its kind and place, unless it is given."),
        "options": _object("How objects and files of HDFS are reached.", {}) | {"additionalProperties": option},
    }
    return _object("Where the records come from.", {**kinds, **options}) | {
        "oneOf": [{"required": [kind]} for kind in kinds]
    }


def _topic(description: str) -> Schema:
    """A topic, and any setting of librdkafka's."""
    topic = _object(description, {"topic": _word("The topic's name.")}, ("topic",))
    setting = _word("A setting of librdkafka by its own name; a secret as ${ENV_NAME}.")
    return topic | {"additionalProperties": setting}


def _to(kind: str, topic: Schema) -> Schema:
    return _object("Where the events are written.", {kind: topic}, (kind,))


def _preprocess() -> Schema:
    parts = {
        "to": _to("kafka", _topic("The intermediate topic.")),
        "key": _word("What chooses the partition: uuid, or a declared field; uuid."),
        "explode": _said(_PATH, "The path of a list whose elements are events."),
        "blocks": {"type": "boolean", "description": "Whether one message holds many events; false."},
        "dead_letter": _word("A topic for records that are refused."),
    }
    return _object("From the source to the intermediate topic: `explode` holds wherever records are counted.", parts)


def _relay() -> Schema:
    topic = {"project": _word("The project."), "topic": _word("The topic's name.")}
    to = _to("pubsub", _object("A Pub/Sub topic.", topic, ("project", "topic")))
    parts = {"to": to, "dead_letter": _word("A Kafka topic for what can never be published.")}
    return _object("From the intermediate topic to Pub/Sub.", parts, ("to",))


def _sink() -> Schema:
    feeds = {**_list_of(_words(*FEEDS)), "description": "What it is fed with; all, unless it is given."}
    common = {
        "feeds": feeds,
        "prefix": _word("Begins the names of the tables."),
        "raw_from": _word("The subscription or consumer group by which the raw feed reads the source itself."),
    }
    folder = {"folder": _word("The folder."), **common}
    dataset = {"project": _word("The project."), "dataset": _word("The dataset, which is there."), **common}
    dataset["location"] = _word("Where the dataset is.")
    bigtable = {"project": _word("The project."), "instance": _word("The instance."), "table": _word("The table.")}
    parts = {
        "kafka": _topic("A topic to write to."),
        "parquet": _word("A folder of Parquet files."),
        "warehouse": _object("Tables as Parquet files in a folder.", folder, ("folder",)),
        "bigquery": _object("Tables of a BigQuery dataset.", dataset, ("project", "dataset")),
        "bigtable": _object("A Bigtable table, which is there.", bigtable, tuple(bigtable)),
    }
    return _object("One sink.", parts) | {"minProperties": 1, "maxProperties": 1}


def _archive() -> Schema:
    size = {"type": "integer", "minimum": 1, "maximum": ARCHIVE_BYTES_MAX, "description": "How many bytes are kept."}
    parts = {"keep": _said(_DURATION, "How long records are kept; for ever, unless it is given."), "bytes": size}
    return _object("The accepted raw records, kept for recounts and audits.", parts)


def _monitor() -> Schema:
    percent = _text("A percentage: 0.5%.", r"^[0-9]{1,3}(\.[0-9]{1,6})?%$")
    above = {"alert_above": _either("From which percentage on it is an alert; never.", percent, _words("never"))}
    late = {**above, "after": _said(_DURATION, "How long after it happened an event that is received is late; 1h.")}
    size = {"type": "integer", "minimum": SHADOW_IDS_MIN, "maximum": SHADOW_IDS_MAX, "description": "Ids of a day."}
    keep = _said(_DURATION, "How long a day is remembered; 366d.")
    parts = {
        "duplicates": _object("Copies of events, before any is removed.", above),
        "left": _object("Copies among the counted events; 0%.", above),
        "late": _object("Events that come late, inside the allowed lateness.", late),
        "too_late": _object("Events that are not counted because they come too late.", above),
        "span": _said(_DURATION, "The length of the spans of time; 1h."),
        "every": _said(_DURATION, "How often `crossfoot run` looks; never, unless it is given."),
        "over": _said(_DURATION, "How far back it looks then; 1d."),
        "shadow": _object("The sketch of ids beyond the horizon.", {"ids": size, "keep": keep}),
        "webhook": _word("A URL that alerts are posted to, or ${ENV_NAME}."),
    }
    return _object("The percentages of copies and of late events that are watched.", parts)


def _comparison() -> Schema:
    column = _word("A column.")
    places = {
        "store": "The folder of a store.",
        "parquet": "Parquet files: a path, a folder or a pattern.",
        "csv": "CSV files with a header: a path, a folder or a pattern.",
        "duckdb": "A DuckDB file, with `table` or `query`.",
        "bigquery": "A BigQuery table, or a project with `query`.",
        "table": "The table of the DuckDB file.",
        "query": "A query instead of a table.",
    }
    against = _object("Where the other result is.", {name: _word(said) for name, said in places.items()})
    window = _object(
        "Where the other result has its windows.",
        {
            "name": _word("The column; window."),
            "unit": _said(_words(*UNITS), "What a number counts since 1970; us."),
            "zone": _said(_ZONE, "The zone of dates and times without an offset."),
        },
    )
    columns = {"window": _either("The column of windows.", column, window)}
    parts = {
        "against": against | {"minProperties": 1},
        "metric": _word("The metric that is compared."),
        "grain": _word("One of its grains; all."),
        "by": {**_one_or_more(_word("A dimension.")), "description": "One of its dimension sets; the whole."},
        "columns": _object("Our columns and what they are called there.", columns) | {"additionalProperties": column},
        "measures": {**_one_or_more(_word("A measure.")), "description": "The measures that are compared; all."},
        "require_exact": _text(
            "The percentage of keys that must be exact, as in 95%; 100%.", r"^[0-9]+(\.[0-9]+)?\s*%$"
        ),
        "schedule": _said(_DURATION, "How often `crossfoot run` compares; only when asked, unless it is given."),
    }
    return _object("A result that ours is compared with.", parts, ("against", "metric"))


def _time(description: str) -> Schema:
    parts = {
        "field": _PATH,
        "unit": _said(_words(*get_args(TimeUnit)), "What a number counts since 1970, or iso for a text."),
        "pattern": _text("Directives %Y %m %d %b %H %M %S %f %z %%."),
        "zone": _said(_ZONE, "The zone of times without an offset."),
    }
    return _object(description, parts, ("field",))


def _event() -> Schema:
    identity = _either(
        "What makes an event the same event when it comes again.",
        _words("position"),
        _one_or_more(_PATH),
        _object(
            "Equal values of these fields mean the same event.", {"fingerprint": _one_or_more(_PATH)}, ("fingerprint",)
        ),
    )
    return _object(
        "How a record becomes an event.",
        {
            "time": _either("When it happened.", _PATH, _time("Where the event time is read.")),
            "received": _either(
                "When our side first stamped it.", _words("none", *get_args(Given)), _time("Where the stamp is read.")
            ),
            "id": identity,
            "where": _condition("Records for which this is not true are filtered."),
            "fields": _named("Everything that metrics know.", _field()),
        },
    )


def _condition(description: str) -> Schema:
    return _word(f"{description} SQL over declared fields.")


def _field() -> Schema:
    kind = _text(
        "text, integer, decimal(places), float, boolean or any.",
        r"^(any|text|integer|float|boolean|decimal\s*\(\s*[0-9]{1,2}\s*\))$",
    )
    common = {"type": kind, "default": _said(_SCALAR, "Stands for missing and null.")}
    path = _object("A path and its type.", {"path": _PATH, **common}, ("path",))
    expression = _object("An expression and its type.", {"expr": _word("SQL over raw paths."), **common}, ("expr",))
    return _either("A path, an SQL expression over raw paths, or a mapping.", _PATH, path, expression)


def _accept() -> Schema:
    instant = {"type": "string", "description": "An instant, as in 2015-09-12T00:00:00Z."}
    return _object(
        "Which events are counted, and how long ids are remembered.",
        {
            "lateness": _limit("How much later than it happened an event may be received."),
            "future": _said(_DURATION, "How far an event time may lie after the received time; 5m."),
            "transport": _said(_DURATION, "How long an event may be held on the way; 7d where stamps are carried."),
            "horizon": _limit("How long an id is remembered; lateness + transport."),
            "out_of_order": _said(_DURATION, "Taken off the watermark."),
            "bucket": _said(_DURATION, "Ids are forgotten in steps of this length; an eighth of the horizon."),
            "not_before": _said(instant, "Earlier event times are invalid."),
            "not_after": _said(instant, "Later event times are invalid."),
        },
    )


def _metric() -> Schema:
    name = _word("A declared field.", _whole(NAME.pattern))
    option = r"\s*,\s*(exact\s*=\s*)?[0-9.]+"
    measure = _text(
        "count, count(f), sum(f), min(f), max(f), mean(f), distinct(f), distinct(f, exact=1000), quantile(f, 0.95)",
        rf"^\s*({'|'.join(KINDS)})\s*(\(\s*\w+\s*({option})?\s*\))?\s*$",
    )
    grain = _text("1m, 15m, 1h, 1d, 1d Europe/Paris, 1w, 1mo, all", r"^(all|[0-9]{1,6}(m|h)|1(d|w|mo)( +\S+)?)$")
    return _object(
        "A filter, dimension sets, measures and grains.",
        {
            "where": _condition("Other events are counted, but in no cell of this metric."),
            "by": {**_list_of(_list_of(name)), "description": "Dimension sets; [] is the whole."},
            "measures": _named("What is folded.", measure),
            "grains": {**_one_or_more(grain), "description": "Lengths of windows."},
            "retain": {
                "type": "object",
                "description": "Grain -> how long its windows are kept.",
                "additionalProperties": {"anyOf": [_DURATION, _words("unbounded")]},
            },
            "values_max": {
                "type": "integer",
                "minimum": 1,
                "maximum": VALUES_MAX,
                "description": "So many combinations of values have rows of their own in each set.",
            },
            "settled": _object(
                "What was settled by another count; queries take fresh windows from the store.",
                {"batch": _word("The folder of the results of `crossfoot batch`, beside the definition.")},
                ("batch",),
            ),
        },
        ("measures", "grains"),
    )


def _limits() -> Schema:
    standard = Limits()
    parts = {
        entry.name: {
            "type": "integer",
            "minimum": 1,
            "maximum": LIMIT_MAX[entry.name],
            "default": getattr(standard, entry.name),
        }
        for entry in fields(Limits)
    }
    return _object("Ceilings; passing one is a named, counted refusal.", parts)


def _test() -> Schema:
    row = {"type": "object", "additionalProperties": _SCALAR}
    return _object(
        "A test.",
        {
            "name": _word("What it shows."),
            "events": _list_of({"type": "object", "description": "A raw record."}),
            "expect": {"type": "object", "description": "Metric -> its rows.", "additionalProperties": _list_of(row)},
        },
        ("name", "events", "expect"),
    )
