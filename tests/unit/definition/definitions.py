"""Random valid definitions."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from crossfoot.definition.durations import TIME_MAX_US, TIME_MIN_US
from crossfoot.definition.expression import Path
from crossfoot.definition.grains import longest_us, parse_grain
from crossfoot.definition.limits import VALUES_MAX, default_bucket_us, default_horizon_us
from crossfoot.definition.model import (
    DAY_US,
    MINUTE_US,
    Acceptance,
    Against,
    Archive,
    BigtableTable,
    Comparison,
    Definition,
    DefinitionTest,
    EventSpec,
    Field,
    FieldType,
    FileSource,
    Format,
    IdSpec,
    KafkaSource,
    KafkaTopic,
    Limits,
    Measure,
    Metric,
    Monitor,
    ParquetFolder,
    Preprocess,
    PubSubSource,
    PubSubTopic,
    Received,
    Relay,
    SocketSource,
    Source,
    TimeSpec,
    WindowColumn,
)
from tests.unit.definition.trees import COLUMNS, expressions, values

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
KEYS = st.sampled_from(["ts", "user id", "a.b", 'say "x"', "@at", "null", "12", "end", "é", "-"]) | NAMES
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(tuple)
ZONES = st.sampled_from(["Europe/Paris", "America/Los_Angeles", "Pacific/Apia", "UTC"])
GRAINS = ["1m", "5m", "15m", "1h", "6h", "1d", "1d Europe/Paris", "1w", "1w Pacific/Apia", "1mo", "1mo UTC", "all"]
FORMATS = [Format(name) for name in ("json", "cloudevents", "csv", "parquet", "prepared")]
DURATIONS = st.integers(0, 40 * DAY_US) | st.sampled_from([0, 1, 1000, MINUTE_US, DAY_US, 7 * DAY_US])
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8) | st.sampled_from(
    [
        "",
        "null",
        "~",
        "true",
        "12",
        "1.5",
        "1e3",
        "2015-09-12",
        "yes",
        "0x1f",
        "1_000",
        "12:30",
        "a: b",
        "#x",
        "- x",
        "NO",
    ]
)


def times() -> st.SearchStrategy[TimeSpec]:
    """A time of each unit."""
    zone = st.none() | ZONES
    numeric = st.builds(TimeSpec, PATHS, st.sampled_from(["s", "ms", "us", "ns"]))
    iso = st.builds(TimeSpec, PATHS, st.just("iso"), st.none(), zone)
    pattern = st.builds(TimeSpec, PATHS, st.just("pattern"), st.sampled_from(["%d/%b/%Y:%H:%M:%S %z", "%Y%m%d"]), zone)
    return numeric | iso | pattern


def ids() -> st.SearchStrategy[IdSpec]:
    """An id of each kind."""
    paths = st.lists(PATHS, min_size=1, max_size=3, unique=True).map(tuple)
    return st.builds(IdSpec, st.sampled_from(["fields", "fingerprint"]), paths) | st.just(IdSpec("position"))


@st.composite
def fields(draw, untyped: bool) -> tuple[Field, ...]:
    """The columns of `trees`, so that conditions can read them, and one without a type."""
    found = []
    for name, (kind, scale) in COLUMNS.items():
        direct = untyped or draw(st.booleans())
        tree = draw(PATHS.map(Path)) if direct else draw(expressions(kind, scale, 1, Path))
        default = draw(st.none() | values(kind, scale))
        found.append(Field(name, tree, FieldType(kind, scale), default))
    default = draw(st.none() | TEXTS | st.booleans() | st.integers(-5, 10**18))
    return (*found, Field("free", draw(PATHS.map(Path)), FieldType(), default))


TOPICS = st.sampled_from(["clicks", "a.b-c_1", "12", "null"])
SETTINGS = st.dictionaries(
    st.sampled_from(["bootstrap.servers", "fetch.min.bytes", "ssl.key.location"]), TEXTS, max_size=2
).map(lambda found: (*found.items(), ("sasl.password", "${KAFKA_PASSWORD}")))
OPTIONS = st.dictionaries(st.sampled_from(["region", "endpoint", "user"]), TEXTS, min_size=1, max_size=2).map(
    lambda found: (*found.items(), ("secret_access_key", "${SECRET}"))
)
SUITED = {
    None: ["files"],
    "broker": ["kafka"],
    "ingest": ["pubsub", "socket"],
    "carried": ["kafka", "pubsub", "socket"],
}


@st.composite
def sources(draw, format_: Format, received: Received) -> tuple[Source, ...]:
    """Any number, each of which has the received time, with names of their own or without."""
    kinds = SUITED[received] if not isinstance(received, TimeSpec) else ["files", *SUITED["carried"]]
    if format_.name in ("csv", "parquet"):
        kinds = ["files"]
    elif format_.name == "prepared":
        kinds = SUITED["carried"]
    kind = {
        "files": st.builds(
            FileSource,
            st.lists(TEXTS, min_size=1, max_size=2).map(tuple),
            st.just(format_),
            st.booleans(),
            options=st.just(()) | OPTIONS,
        ),
        "kafka": st.builds(KafkaSource, TOPICS, SETTINGS, st.just(format_)),
        "pubsub": st.builds(PubSubSource, TOPICS, TOPICS, st.just(format_)),
        "socket": st.builds(SocketSource, TOPICS, st.just(format_)),
    }
    found = draw(st.lists(st.sampled_from(kinds).flatmap(kind.__getitem__), min_size=1, max_size=3))
    named = [replace(source, name=draw(NAMES) + str(place)) for place, source in enumerate(found)]
    unique = {source.name for source in found}
    return tuple(found if len(unique) == len(found) and draw(st.booleans()) else named)


@st.composite
def received_times(draw, format_: Format) -> Received:
    """One that some source of the format has."""
    if format_.name == "prepared":
        return "carried"
    words = [None] if format_.name in ("csv", "parquet") else [None, "broker", "ingest", "carried"]
    return draw(st.sampled_from(words) | times())


PREPROCESS = st.builds(
    Preprocess,
    st.none() | st.builds(KafkaTopic, TOPICS, SETTINGS),
    st.sampled_from(["uuid", "t", "free"]),
    st.none() | PATHS,
    st.booleans(),
    st.none() | TOPICS,
)
RELAYS = st.builds(Relay, st.builds(PubSubTopic, TOPICS, TOPICS), st.none() | TOPICS)
SINKS = (
    st.builds(KafkaTopic, TOPICS, SETTINGS)
    | st.builds(ParquetFolder, TOPICS)
    | st.builds(BigtableTable, TOPICS, TOPICS, TOPICS)
)
ABOVE = st.none() | st.decimals(0, 100, places=3).map(lambda number: number.normalize() + 0)
MINUTES = st.integers(1, 10_000).map(lambda minutes: minutes * MINUTE_US)
MONITORS = st.builds(
    Monitor,
    **dict.fromkeys(("duplicates_above", "left_above", "late_above", "too_late_above"), ABOVE),
    late_after_us=DURATIONS,
    span_us=MINUTES,
    every_us=st.none() | MINUTES,
    over_us=MINUTES,
    shadow_ids=st.integers(1 << 5, 1 << 26),
    shadow_keep_us=DURATIONS,
    webhook=st.sampled_from([None, "${HOOK}", "https://hooks.example.org/x"]),
)


WINDOWS = st.builds(
    WindowColumn, TOPICS, st.none() | st.sampled_from(["s", "ms", "us"]), st.none() | st.just("Europe/Paris")
)
AGAINST = st.builds(Against, st.sampled_from(["store", "parquet", "csv", "bigquery"]), TOPICS) | st.builds(
    Against, st.just("duckdb"), TOPICS, TOPICS
)
PERCENTAGES = st.decimals(0, 100, places=1)


@st.composite
def comparisons(draw, metric: Metric) -> Comparison:
    """A comparison of what a metric keeps."""
    measures = [measure.name for measure in metric.measures]
    return Comparison(
        "nightly",
        draw(AGAINST),
        metric.name,
        draw(st.sampled_from(metric.grains)).text,
        draw(st.sampled_from(metric.sets)),
        draw(WINDOWS),
        tuple((name, draw(TOPICS)) for name in draw(st.sets(st.sampled_from(measures)))),
        tuple(draw(st.lists(st.sampled_from(measures), unique=True))),
        draw(st.none() | PERCENTAGES),
        draw(st.none() | MINUTES),
    )


ARCHIVES = st.builds(Archive, st.none() | DURATIONS, st.none() | st.integers(1, 1 << 40))


@st.composite
def services(draw, format_: Format) -> dict[str, object]:
    """What stands around counting."""
    preprocess = draw(st.none() | PREPROCESS)
    if preprocess is not None and format_.untyped:
        preprocess = replace(preprocess, explode=None)
    return {
        "preprocess": preprocess,
        "relay": draw(st.none() | RELAYS),
        "sinks": tuple(draw(st.lists(SINKS, max_size=2))),
        "archive": draw(st.none() | ARCHIVES),
        "monitor": draw(st.none() | MONITORS),
    }


@st.composite
def acceptances(draw, received: Received) -> Acceptance:
    """A rule whose parts go together."""
    lateness = draw(st.none() | DURATIONS) if received else None
    transport = draw(DURATIONS) if received else 0
    transport = max(transport, 1) if received == "carried" else transport
    least = default_horizon_us(lateness, transport)
    horizon = None if least is None else draw(st.sampled_from([least, least + DAY_US]) | st.none())
    bucket = draw(st.sampled_from([default_bucket_us(horizon), MINUTE_US]))
    before = draw(st.none() | st.integers(TIME_MIN_US, TIME_MAX_US - 1))
    after = draw(st.none() | st.integers(TIME_MIN_US if before is None else before + 1, TIME_MAX_US))
    return Acceptance(lateness, draw(DURATIONS), transport, horizon, bucket, draw(DURATIONS), before, after)


@st.composite
def measures(draw, name: str) -> Measure:
    """A measure with a field that it takes."""
    kind = draw(st.sampled_from(["count", "sum", "min", "max", "mean", "distinct", "quantile"]))
    exact, number = st.sampled_from(["i", "n", "d", "m"]), st.sampled_from(["i", "d", "f"])
    takes = {"sum": exact, "mean": exact, "distinct": st.sampled_from(["t", "free", "b"])}
    field = draw(takes.get(kind, number) if kind != "count" else st.none() | st.just("free"))
    rank = draw(st.integers(0, 1000)) / 1000 if kind == "quantile" else 0.0
    return Measure(name, kind, field, rank, draw(st.sampled_from([1024, 1, 500])) if kind == "distinct" else 1024)


@st.composite
def metrics(draw, name: str, accept: Acceptance) -> Metric:
    """A metric over the columns."""
    dimensions = st.lists(st.sampled_from(["t", "u", "b", "free", "i"]), unique=True, max_size=3).map(tuple)
    sets = draw(st.lists(dimensions, min_size=1, max_size=3, unique_by=frozenset).map(tuple))
    names = draw(st.lists(NAMES.map("m_{}".format), min_size=1, max_size=3, unique=True))
    grains = [
        parse_grain(text) for text in draw(st.lists(st.sampled_from(GRAINS), min_size=1, max_size=4, unique=True))
    ]
    if accept.lateness_us is not None:
        slack = accept.lateness_us + accept.transport_us
        kept = [None if grain.unit == "all" else slack + longest_us(grain) + draw(DURATIONS) for grain in grains]
        grains = [
            replace(grain, retain_us=draw(st.sampled_from([None, us]))) for grain, us in zip(grains, kept, strict=True)
        ]
    where = draw(st.none() | expressions("boolean", 0, 2))
    bound = draw(st.none() | st.integers(1, VALUES_MAX)) if any(sets) else None
    return Metric(name, sets, tuple([draw(measures(name)) for name in names]), tuple(grains), where, bound)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.decimals(-1000, 1000, places=2).map(Decimal)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)


def tests(metric: Metric) -> st.SearchStrategy[DefinitionTest]:
    """A test of the metric's first set."""
    row = {**dict.fromkeys(metric.sets[0], "x"), metric.measures[0].name: 5}
    events = st.lists(st.dictionaries(TEXTS, JSON, max_size=3), max_size=2).map(tuple)
    return st.builds(DefinitionTest, TEXTS, events, st.just({metric.name: (row,)}))


@st.composite
def definitions(draw) -> Definition:
    """A valid definition."""
    format_ = draw(st.sampled_from(FORMATS))
    received = draw(received_times(format_))
    accept = draw(acceptances(received))
    where = draw(st.none() | expressions("boolean", 0, 2))
    event = EventSpec(draw(times()), draw(ids()), received, where, draw(fields(format_.untyped)))
    found = tuple([draw(metrics(name, accept)) for name in draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))])
    limits = draw(st.sampled_from([Limits(), Limits(depth_max=3, ids_max=1)]))
    blocks = tuple(draw(st.lists(tests(found[0]), max_size=1)))
    namespace = draw(st.sampled_from(["shop", "a.b-c_1", "7"]))
    read = draw(sources(format_, received))
    around = draw(services(format_))
    compared = (draw(comparisons(draw(st.sampled_from(found)))),) if draw(st.booleans()) else ()
    return Definition(namespace, event, found, read, accept, limits, blocks, **around, reconcile=compared)
