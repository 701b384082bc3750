"""The definition as frozen values: everything a user declares, with names checked and types resolved.

`load.py` makes these from YAML and `dump.py` writes them back; Python code may build them directly. Durations and times
are integer microseconds; ``None`` stands for "unbounded" where a limit may be absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any, Literal, TypeAlias

from crossfoot.definition.expression import Expression

RawPath = tuple[str, ...]
TypeName = Literal["any", "text", "integer", "decimal", "float", "boolean"]
MeasureKind = Literal["count", "sum", "min", "max", "mean", "distinct", "quantile"]
GrainUnit = Literal["m", "h", "d", "w", "mo", "all"]
TimeUnit = Literal["s", "ms", "us", "ns", "iso", "pattern"]
WindowUnit = Literal["s", "ms", "us", "ns"]
Given = Literal["broker", "ingest", "carried"]
"""A received time that comes beside each record: a broker's append time, our own log's stamp, an earlier service's."""

Settings: TypeAlias = tuple[tuple[str, str], ...]
"""librdkafka settings by their own names, sorted. A secret is written `${ENV_NAME}`; `secrets.resolve` reads it."""

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US


@dataclass(frozen=True, slots=True)
class FieldType:
    """A declared type; ``scale`` is the number of decimal places of a decimal."""

    name: TypeName = "any"
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Format:
    """How a record's bytes are read. ``untyped`` formats (csv, regex) hold texts only.

    ``prepared`` is the form between our own services: events that were prepared already, single or in blocks.
    """

    name: Literal["json", "cloudevents", "csv", "parquet", "regex", "prepared"] = "json"
    regex: str | None = None

    @property
    def untyped(self) -> bool:
        return self.name in ("csv", "regex")


@dataclass(frozen=True, slots=True)
class FileSource:
    """Paths, globs and directories; relative ones are taken from the definition's folder.

    Every source has a name: a given one, or what kind it is and where it reads.
    """

    files: tuple[str, ...]
    format: Format = Format()
    follow: bool = False
    name: str = "files"
    options: Settings = ()
    """How objects and files of HDFS are reached, by the names that obstore and fsspec give them."""


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """A topic: an ordered input that is read directly."""

    topic: str
    settings: Settings = ()
    format: Format = Format()
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"kafka:{self.topic}")
        object.__setattr__(self, "settings", tuple(sorted(self.settings)))


@dataclass(frozen=True, slots=True)
class PubSubSource:
    """A subscription: it has no positions, so it passes through our own log."""

    project: str
    subscription: str
    format: Format = Format()
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"pubsub:{self.subscription}")


@dataclass(frozen=True, slots=True)
class SocketSource:
    """A Unix socket at a path, which passes through our own log."""

    path: str
    format: Format = Format()
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"socket:{self.path}")


@dataclass(frozen=True, slots=True)
class BigQuerySource:
    """A table of raw events: a column with records, one that puts them in order, one that tells partitions apart."""

    table: str
    record: str = "record"
    position: str = "position"
    partition: str | None = None
    format: Format = Format()
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"bigquery:{self.table}")


Source: TypeAlias = FileSource | KafkaSource | PubSubSource | SocketSource | BigQuerySource


@dataclass(frozen=True, slots=True)
class TimeSpec:
    """Where a time is read: a raw path, its unit, the pattern of ``unit="pattern"``, the zone of local times."""

    path: RawPath
    unit: TimeUnit
    pattern: str | None = None
    zone: str | None = None


Received: TypeAlias = TimeSpec | Given | None
AgainstKind = Literal["store", "parquet", "csv", "duckdb", "bigquery"]
Stamps = Literal["none", "field", "ordered", "carried"]


@dataclass(frozen=True, slots=True)
class IdSpec:
    """The sender's identity: ``fields`` (typed tuple), ``fingerprint`` (hash of named fields) or ``position``.

    ``uuid`` is that of a prepared event: it was made already.
    """

    kind: Literal["fields", "fingerprint", "position", "uuid"]
    paths: tuple[RawPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A declared field: an expression over raw paths, its type, and the value that stands for missing or null."""

    name: str
    expression: Expression
    type: FieldType = FieldType()
    default: Any = None


@dataclass(frozen=True, slots=True)
class EventSpec:
    """How a record becomes an event. ``received`` is None for `received: none`."""

    time: TimeSpec
    id: IdSpec
    received: Received = None
    where: Expression | None = None
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The acceptance rule (semantics section 4). None: unbounded (lateness, horizon) or absent (range)."""

    lateness_us: int | None = None
    future_us: int = 5 * MINUTE_US
    transport_us: int = 0
    horizon_us: int | None = None
    bucket_us: int = HOUR_US
    out_of_order_us: int = 0
    not_before_us: int | None = None
    not_after_us: int | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """What is folded. ``rank`` belongs to quantile; ``exact`` is the member count up to which distinct is exact."""

    name: str
    kind: MeasureKind
    field: str | None = None
    rank: float = 0.0
    exact: int = 1024


@dataclass(frozen=True, slots=True)
class Grain:
    """A window length: ``n`` minutes or hours in UTC, or a day, week or month of ``zone`` (None: UTC), or all."""

    text: str
    unit: GrainUnit
    n: int = 1
    zone: str | None = None
    retain_us: int | None = None


OTHER = "(other)"
"""The column that tells the row of further dimension values: no dimension or measure can have this name."""


@dataclass(frozen=True, slots=True)
class Metric:
    """Filter, dimension sets, measures and grains under one name.

    ``values_max``: so many combinations of dimension values have rows of their own in each set; others share the
    row `(other)`. None: all have.
    ``settled``: the folder of a batch's results, from which queries take what it has settled. None: all is live.
    """

    name: str
    sets: tuple[tuple[str, ...], ...]
    measures: tuple[Measure, ...]
    grains: tuple[Grain, ...]
    where: Expression | None = None
    values_max: int | None = None
    settled: str | None = None

    def bounds(self, by: tuple[str, ...]) -> bool:
        """Whether a dimension set may have a row `(other)`."""
        return self.values_max is not None and by != ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings; passing one is a named, counted refusal (semantics section 5)."""

    record_bytes_max: int = 1 << 20
    depth_max: int = 64
    members_max: int = 4096
    cells_max: int = 100_000_000
    ids_max: int = 400_000_000
    memory_bytes_max: int = 16 << 30


@dataclass(frozen=True, slots=True)
class DefinitionTest:
    """A `tests:` block: raw events in, expected rows out, by metric."""

    name: str
    events: tuple[dict[str, Any], ...]
    expect: dict[str, tuple[dict[str, Any], ...]]


@dataclass(frozen=True, slots=True)
class KafkaTopic:
    """A topic to write to."""

    topic: str
    settings: Settings = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", tuple(sorted(self.settings)))


@dataclass(frozen=True, slots=True)
class PubSubTopic:
    """A Pub/Sub topic to write to."""

    project: str
    topic: str


@dataclass(frozen=True, slots=True)
class ParquetFolder:
    """A folder of Parquet files to write to."""

    folder: str


FeedName = Literal["raw", "counted", "cells"]
FEEDS: tuple[FeedName, ...] = ("raw", "counted", "cells")
"""What a warehouse is fed with: raw events before deduplication; counted events with the ledger; cells."""


@dataclass(frozen=True, slots=True)
class Warehouse:
    """Tables of a warehouse: Parquet files in a folder, or a dataset of BigQuery (then `folder` is empty).

    ``prefix`` begins the tables' names. ``raw_from`` is the subscription, or the consumer group, by which the raw feed
    reads the source itself.
    """

    folder: str = ""
    project: str = ""
    dataset: str = ""
    location: str | None = None
    feeds: tuple[FeedName, ...] = FEEDS
    prefix: str = ""
    raw_from: str | None = None

    @property
    def kind(self) -> Literal["warehouse", "bigquery"]:
        """What it is called in a definition."""
        return "bigquery" if self.dataset else "warehouse"

    @property
    def name(self) -> str:
        """By which it is known to a store."""
        where = f"{self.project}.{self.dataset}" if self.dataset else self.folder
        return f"{self.kind}:{where}" + (f"/{self.prefix}" if self.prefix else "")


@dataclass(frozen=True, slots=True)
class BigtableTable:
    """A Bigtable table to write to."""

    project: str
    instance: str
    table: str


Sink: TypeAlias = KafkaTopic | ParquetFolder | Warehouse | BigtableTable


@dataclass(frozen=True, slots=True)
class Preprocess:
    """The service between the source and the intermediate topic.

    ``key`` is `uuid` or the declared field that chooses the partition. ``explode`` is the path of a list whose elements
    are events; it says what is counted, so every engine that reads the source does it. ``dead_letter`` is a topic.
    """

    to: KafkaTopic | None = None
    key: str = "uuid"
    explode: RawPath | None = None
    blocks: bool = False
    dead_letter: str | None = None


@dataclass(frozen=True, slots=True)
class Relay:
    """The service between the intermediate topic and Pub/Sub; ``dead_letter`` is a Kafka topic."""

    to: PubSubTopic
    dead_letter: str | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """How long, and how much of, the accepted raw records are kept; None: without that limit."""

    keep_us: int | None = None
    bytes_max: int | None = None


@dataclass(frozen=True, slots=True)
class Monitor:
    """What is watched of the copies, in spans of time, and from which percentage on it is an alert; None: never.

    ``every_us`` is how often a run looks by itself, at the last ``over_us``. An event is late if it was received more
    than ``late_after_us`` after it happened. ``shadow_ids`` is the size of each day's sketch of ids, which is kept for
    ``shadow_keep_us``. ``webhook`` is a URL, or `${ENV_NAME}`.
    """

    duplicates_above: Decimal | None = None
    left_above: Decimal | None = Decimal(0)
    late_above: Decimal | None = None
    late_after_us: int = HOUR_US
    too_late_above: Decimal | None = None
    span_us: int = HOUR_US
    every_us: int | None = None
    over_us: int = DAY_US
    shadow_ids: int = 1 << 16
    shadow_keep_us: int = 366 * DAY_US
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class Against:
    """The other side of a comparison: a store, Parquet or CSV files, a table or query of a DuckDB file or BigQuery."""

    kind: AgainstKind
    place: str
    table: str | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class WindowColumn:
    """Where the other side has its windows: ``unit`` of numbers, ``zone`` of dates and times without an offset."""

    name: str = "window"
    unit: WindowUnit | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One result that ours is compared with: cells of a metric by one of its sets, in one of its grains.

    ``columns`` gives the other side's names for ours, sorted; ``measures`` are compared (empty: all of the metric).
    ``require_exact`` is the percentage of keys below which the check does not hold. ``every_us``: how often it is done.
    """

    name: str
    against: Against
    metric: str
    grain: str = "all"
    by: tuple[str, ...] = ()
    window: WindowColumn = WindowColumn()
    columns: tuple[tuple[str, str], ...] = ()
    measures: tuple[str, ...] = ()
    require_exact: Decimal | None = None
    every_us: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(sorted(self.columns)))


@dataclass(frozen=True, slots=True)
class Definition:
    """Everything a user declares. Making one checks it: DefinitionError names every place that is wrong."""

    namespace: str
    event: EventSpec
    metrics: tuple[Metric, ...]
    sources: tuple[Source, ...] = ()
    accept: Acceptance = Acceptance()
    limits: Limits = Limits()
    tests: tuple[DefinitionTest, ...] = ()
    preprocess: Preprocess | None = None
    relay: Relay | None = None
    sinks: tuple[Sink, ...] = ()
    archive: Archive | None = None
    monitor: Monitor | None = None
    reconcile: tuple[Comparison, ...] = ()

    def __post_init__(self) -> None:
        from crossfoot.definition.validate import validate

        validate(self)

    @property
    def format(self) -> Format:
        """The one format of all sources; JSON where the records are handed in."""
        return self.sources[0].format if self.sources else Format()

    @property
    def explode(self) -> RawPath | None:
        """The path of the list whose elements are events; None where a record is one event."""
        return self.preprocess.explode if self.preprocess and self.format.name != "prepared" else None

    @staticmethod
    def from_yaml(source: str | FilePath) -> Definition:
        """The definition of a file (a path) or of a YAML text (a text of more than one line)."""
        from crossfoot.definition.load import load_file, load_text

        return load_text(source) if isinstance(source, str) and "\n" in source else load_file(source)

    def to_yaml(self) -> str:
        """The definition as YAML; reading that gives an equal definition."""
        from crossfoot.definition.dump import dump

        return dump(self)
