"""The definition as frozen values: everything a user declares, with names checked and types resolved.

`load.py` makes these from YAML and `dump.py` writes them back; Python code may build them directly. Durations and times
are integer microseconds; ``None`` stands for "unbounded" where a limit may be absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Literal

from crossfoot.definition.expression import Expression

RawPath = tuple[str, ...]
TypeName = Literal["any", "text", "integer", "decimal", "float", "boolean"]
MeasureKind = Literal["count", "sum", "min", "max", "mean", "distinct", "quantile"]
GrainUnit = Literal["m", "h", "d", "w", "mo", "all"]
TimeUnit = Literal["s", "ms", "us", "ns", "iso", "pattern"]

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
    """How a record's bytes are read. ``untyped`` formats (csv, regex) hold texts only."""

    name: Literal["json", "cloudevents", "csv", "parquet", "regex"] = "json"
    regex: str | None = None

    @property
    def untyped(self) -> bool:
        return self.name in ("csv", "regex")


@dataclass(frozen=True, slots=True)
class FileSource:
    """Paths, globs and directories; relative ones are taken from the definition's folder."""

    files: tuple[str, ...]
    format: Format = Format()


@dataclass(frozen=True, slots=True)
class TimeSpec:
    """Where a time is read: a raw path, its unit, the pattern of ``unit="pattern"``, the zone of local times."""

    path: RawPath
    unit: TimeUnit
    pattern: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class IdSpec:
    """The sender's identity: ``fields`` (typed tuple), ``fingerprint`` (hash of named fields) or ``position``."""

    kind: Literal["fields", "fingerprint", "position"]
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
    received: TimeSpec | None = None
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


@dataclass(frozen=True, slots=True)
class Metric:
    """Filter, dimension sets, measures and grains under one name."""

    name: str
    sets: tuple[tuple[str, ...], ...]
    measures: tuple[Measure, ...]
    grains: tuple[Grain, ...]
    where: Expression | None = None


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
class Definition:
    """Everything a user declares. Making one checks it: DefinitionError names every place that is wrong."""

    namespace: str
    event: EventSpec
    metrics: tuple[Metric, ...]
    source: FileSource | None = None
    accept: Acceptance = Acceptance()
    limits: Limits = Limits()
    tests: tuple[DefinitionTest, ...] = field(default=())

    def __post_init__(self) -> None:
        from crossfoot.definition.validate import validate

        validate(self)

    @staticmethod
    def from_yaml(source: str | FilePath) -> Definition:
        """The definition of a file (a path) or of a YAML text (a text of more than one line)."""
        from crossfoot.definition.load import load_file, load_text

        return load_text(source) if isinstance(source, str) and "\n" in source else load_file(source)

    def to_yaml(self) -> str:
        """The definition as YAML; reading that gives an equal definition."""
        from crossfoot.definition.dump import dump

        return dump(self)
