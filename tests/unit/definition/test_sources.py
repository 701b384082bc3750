"""Sources, what comes beside their records, secrets, and the services around counting."""

from dataclasses import replace
from decimal import Decimal

import pytest

from crossfoot.definition.dump import dump
from crossfoot.definition.engines import run_lacks
from crossfoot.definition.load import load_text
from crossfoot.definition.model import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    Archive,
    BigQuerySource,
    FileSource,
    Format,
    KafkaSource,
    KafkaTopic,
    Monitor,
    ParquetFolder,
    Preprocess,
    PubSubSource,
    PubSubTopic,
    Relay,
    SocketSource,
    TimeSpec,
)
from crossfoot.definition.plan import plan
from crossfoot.definition.secrets import resolve
from crossfoot.errors import CallError, DefinitionError

TEXT = """\
crossfoot: 1
namespace: n
source: {source}
event:
  time: ts
  received: {received}
  id: id
  fields: {{kind: kind}}
metrics: {{m: {{measures: {{c: count}}, grains: [1h]}}}}
"""
SERVERS = "bootstrap.servers: 'localhost:9092'"
SERVER = ("bootstrap.servers", "localhost:9092")
KAFKA = f"{{kafka: {{topic: t, {SERVERS}}}}}"
PUBSUB = "{pubsub: {project: p, subscription: s}}"
SOCKET = "{socket: in.sock}"
FILES = "{files: a.jsonl}"
OPTIONS = (("region", "x"),)
TABLE = "{bigquery: {table: p.d.t, record: r, position: n, partition: s}}"


def load(source=KAFKA, received="broker", more=""):
    return load_text(TEXT.format(source=source, received=received) + more)


def refusals(source, received, more="") -> list[str]:
    with pytest.raises(DefinitionError) as error:
        load(source, received, more)
    return [found.message_id for found in error.value.all]


@pytest.mark.parametrize(
    ("text", "received", "source", "name"),
    [
        (KAFKA, "broker", KafkaSource("t", (SERVER,)), "kafka:t"),
        (PUBSUB, "ingest", PubSubSource("p", "s"), "pubsub:s"),
        (SOCKET, "ingest", SocketSource("in.sock"), "socket:in.sock"),
        ("{files: a, follow: true}", "none", FileSource(("a",), follow=True), "files"),
        ("{files: 's3://b/a', options: {region: x}}", "none", FileSource(("s3://b/a",), options=OPTIONS), "files"),
        ("{files: a, name: old}", "none", FileSource(("a",), name="old"), "old"),
        ("{bigquery: {table: d.t}}", "none", BigQuerySource("d.t"), "bigquery:d.t"),
        (TABLE, "none", BigQuerySource("p.d.t", "r", "n", "s"), "bigquery:p.d.t"),
        (f"[{SOCKET}]", "ingest", SocketSource("in.sock"), "socket:in.sock"),
        ("{kafka: {topic: t}, format: prepared}", "carried", KafkaSource("t", (), Format("prepared")), "kafka:t"),
    ],
)
def test_sources(text, received, source, name):
    """One, with a name of its own or a given one."""
    assert load(text, received).sources == (source,)
    assert source.name == name


@pytest.mark.parametrize(
    ("text", "received", "said"),
    [
        ("{bigquery: {table: t}}", "none", "CF1005"),
        ("{bigquery: {table: d.t, record: 'a`b'}}", "none", "CF1005"),
        ("{bigquery: {table: d.t}, format: csv}", "none", "CF1125"),
        (TABLE, "broker", "CF1118"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(text, received, said):
    assert refusals(text, received) == [said]


def test_a_table_is_written_as_it_was_read():
    assert load_text(dump(load(TABLE, "none"))).sources == load(TABLE, "none").sources


def test_settings_are_texts_by_their_own_names():
    """Numbers and words of YAML are what librdkafka reads."""
    source = "{kafka: {topic: t, fetch.min.bytes: 1024, enable.partition.eof: true}}"
    (found,) = load(source).sources
    assert found.settings == (("enable.partition.eof", "true"), ("fetch.min.bytes", "1024"))


def test_the_order_of_settings_says_nothing():
    """Two sources, or two topics, with the same settings are equal."""
    settings = (("b", "1"), ("a", "2"))
    assert KafkaSource("t", settings) == KafkaSource("t", settings[::-1])
    assert KafkaTopic("t", settings) == KafkaTopic("t", settings[::-1])


def test_several_sources_are_a_list():
    """In their order."""
    found = load(f"[{KAFKA}, {{files: a.jsonl, name: old}}]", "{field: at}")
    assert [source.name for source in found.sources] == ["kafka:t", "old"]


@pytest.mark.parametrize("settings", [(SERVER, SERVER), (("topic", "other"),)])
def test_a_setting_stands_once_and_is_no_topic(settings):
    """Else the definition could not be written down."""
    with pytest.raises(DefinitionError, match="CF1302"):
        replace(load(), sources=(KafkaSource("t", settings),))


EVERYWHERE = "{field: at}"
SUITS = {"none": [FILES], "broker": [KAFKA], "ingest": [PUBSUB, SOCKET], "carried": [KAFKA, PUBSUB, SOCKET]}
REFUSED = {"none": "CF1122", "broker": "CF1118", "ingest": "CF1120", "carried": "CF1121"}


@pytest.mark.parametrize("source", [FILES, KAFKA, PUBSUB, SOCKET])
@pytest.mark.parametrize("received", SUITS)
def test_each_received_time_is_for_some_sources(received, source):
    """The others are refused, by a message of their own; a field of the record suits all."""
    assert isinstance(load(source, EVERYWHERE).event.received, TimeSpec)
    if source in SUITS[received]:
        assert load(source, received).event.received == (None if received == "none" else received)
    else:
        assert refusals(source, received) == [REFUSED[received]]


def test_sources_that_do_not_agree_are_named():
    """Both sides of the mix."""
    with pytest.raises(DefinitionError, match="received: ingest is for pubsub:s, and not for kafka:t"):
        load(f"[{KAFKA}, {PUBSUB}]", "ingest")


@pytest.mark.parametrize(
    ("source", "received", "more", "message_id"),
    [
        (f"[{FILES}, {FILES}]", "none", "", "CF1308"),
        ("[{files: a}, {files: b, format: csv, name: b}]", "none", "", "CF1124"),
        ("{kafka: {topic: t}, format: csv}", "broker", "", "CF1125"),
        ("{files: a, format: prepared}", "carried", "", "CF1125"),
        ("{kafka: {topic: t}, format: prepared}", "broker", "", "CF1410"),
        (KAFKA, "carried", "accept: {transport: 0s}", "CF1409"),
        (KAFKA, "carried", "accept: {lateness: 1h, horizon: 7d}", "CF1403"),
        (KAFKA, "broker", "preprocess: {key: knd}", "CF1301"),
        ("{files: a, format: csv}", "none", "preprocess: {explode: items}", "CF1309"),
        ("{kafka: {topic: t, sasl.password: tiger}}", "broker", "", "CF1126"),
        ("{kafka: {topic: t, SASL.Password: tiger}}", "broker", "", "CF1126"),
        ("{kafka: {topic: t, client.id: '${ME}'}}", "broker", "", "CF1127"),
        ("{files: 's3://b/a', options: {secret_access_key: tiger}}", "none", "", "CF1126"),
        ("{files: 's3://b/a', options: {region: '${ME}'}}", "none", "", "CF1127"),
        ("{kafka: {topic: t}, options: {region: x}}", "broker", "", "CF1003"),
        (KAFKA, "broker", "sinks: [{kafka: {topic: t, ssl.key.password: tiger}}]", "CF1126"),
        (KAFKA, "broker", "preprocess: {to: {kafka: {topic: t, sasl.password: tiger}}}", "CF1126"),
        (KAFKA, "broker", "sinks: [{bigtable: {project: p, instance: i}}]", "CF1004"),
        (KAFKA, "broker", "sinks: [{parquet: a, kafka: {topic: t}}]", "CF1005"),
        (KAFKA, "broker", "relay: {to: {pubsub: {project: p}}}", "CF1004"),
        (KAFKA, "broker", "archive: {bytes: 0}", "CF1119"),
        (KAFKA, "broker", "preprocess: {blocks: maybe}", "CF1005"),
        (f"{{kafka: {{topic: t, {SERVERS}}}, files: a}}", "broker", "", "CF1005"),
        ("{kafka: {bootstrap.servers: a}}", "broker", "", "CF1004"),
        ("{kafka: {topic: t}, follow: true}", "broker", "", "CF1003"),
        ("[]", "broker", "", "CF1306"),
    ],
)
def test_what_is_wrong_is_said(source, received, more, message_id):
    """One message each."""
    assert message_id in refusals(source, received, more)


def test_carried_stamps_may_be_seven_days_on_the_way():
    """And ids are remembered for that long, and the lateness."""
    accept = load(KAFKA, "carried", "accept: {lateness: 1h}").accept
    assert (accept.transport_us, accept.horizon_us) == (7 * DAY_US, 7 * DAY_US + HOUR_US)


def test_services():
    """What stands around counting."""
    found = load(
        more="""\
preprocess: {to: {kafka: {topic: prepared}}, key: kind, explode: a.items, blocks: true, dead_letter: dead}
relay: {to: {pubsub: {project: p, topic: out}}, dead_letter: dead}
sinks: [{kafka: {topic: cells}}, {parquet: out/}]
archive: {keep: 30d, bytes: 1000}
"""
    )
    assert found.preprocess == Preprocess(KafkaTopic("prepared"), "kind", ("a", "items"), True, "dead")
    assert found.relay == Relay(PubSubTopic("p", "out"), "dead")
    assert found.sinks == (KafkaTopic("cells"), ParquetFolder("out/"))
    assert found.archive == Archive(30 * DAY_US, 1000)


def test_prepared_records_were_exploded_already():
    """The same preprocess section then says nothing about what is counted."""
    raw, prepared = "preprocess: {explode: items}", "{kafka: {topic: t}, format: prepared}"
    assert load(more=raw).explode == ("items",)
    assert load(prepared, "carried", raw).explode is None


SECRET = "{kafka: {topic: t, sasl.password: '${KAFKA_PASSWORD}', ssl.key.location: key.pem}}"


def test_a_secret_is_read_when_a_source_is_opened():
    """From the environment that is passed in; what is no secret stays as it is."""
    (source,) = load(SECRET).sources
    found = resolve(source.settings, {"KAFKA_PASSWORD": "tiger"})
    assert found == {"sasl.password": "tiger", "ssl.key.location": "key.pem"}


def test_a_secret_that_is_not_set_is_named():
    """By its setting and its variable."""
    (source,) = load(SECRET).sources
    with pytest.raises(CallError, match=r"no value for sasl\.password: KAFKA_PASSWORD"):
        resolve(source.settings, {})


@pytest.mark.parametrize(
    "setting",
    [
        "sasl.password: tiger",
        "SASL.Password: tiger",
        "sasl.password: ti: tiger",
        "sasl.password: !tiger",
        "sasl.password:\n      !tiger",
        "sasl.password: *tiger",
        "sasl.password:\n      *tiger",
        "'sasl.password': !tiger!x y",
        "sasl.password: [tiger]",
        "sasl.password: {[tiger]: x}",
        "ssl.key.pem: |\n      BEGIN\n   tiger",
    ],
)
def test_no_error_shows_a_secret(setting):
    """However it is written, only its name is told."""
    with pytest.raises(DefinitionError) as error:
        load(f"\n  kafka:\n    topic: t\n    {setting}\n")
    assert "tiger" not in "".join(f"{found} {found.hint} {found.text}" for found in error.value.all)


FOLLOWED_CSV = "{files: a, follow: true, format: csv}"


def test_engines_say_what_they_lack():
    """By place; with other input only what the core lacks counts."""
    found = load(FOLLOWED_CSV, "none", "sinks: [{parquet: out}]\narchive: {}\n")
    assert [lack.path for lack in run_lacks(found)] == ["source.follow"]
    assert list(run_lacks(found, sources=False)) == []


def test_the_plan_says_why_an_engine_cannot():
    """The reference engine can what the embedded one cannot yet."""
    engines = {engine.name: engine for engine in plan(load(FOLLOWED_CSV, "none")).engines}
    assert engines["reference"].runs
    assert not engines["embedded"].runs
    assert engines["embedded"].why.startswith("source.follow: ")


def test_sources_of_different_kinds_are_counted_together():
    """In one loop."""
    kinds = "[{files: a.jsonl}, {files: b, follow: true, name: b}, {socket: s}, {kafka: {topic: t}}, "
    kinds += "{pubsub: {project: p, subscription: s}}]"
    assert list(run_lacks(load(kinds, "{field: r, unit: iso}"))) == []


@pytest.mark.parametrize(
    ("source", "received", "lack"),
    [
        ("{files: a, follow: true, format: csv}", "none", "source.follow: csv is not followed: files"),
        (
            "{files: 's3://b/a', follow: true}",
            "none",
            "source.follow: URLs are not followed, a second run counts what was added: files",
        ),
    ],
)
def test_sources_that_are_not_read_are_named(source, received, lack):
    """With the reason."""
    assert str(next(run_lacks(load(source, received)))).startswith(lack)


@pytest.mark.parametrize(("source", "received"), [("{kafka: {topic: t}}", "broker"), ("{socket: s}", "ingest")])
def test_every_source_is_archived(source, received):
    """Nothing is in the way of it."""
    assert list(run_lacks(load(source, received, "archive: {}\n"))) == []


def test_prepared_records_are_read_by_every_engine():
    """Nothing is left that one lacks."""
    found = load("{kafka: {topic: t}, format: prepared}", "carried")
    assert [engine.name for engine in plan(found).engines if engine.runs] == ["reference", "embedded", "batch"]


def test_a_given_name_may_be_that_of_another_kind():
    """Names are what is unique, not where a source reads."""
    twice = "[{kafka: {topic: t}, name: a}, {kafka: {topic: t}, name: b}]"
    assert [replace(source, name="") for source in load(twice).sources] == [KafkaSource("t")] * 2


WATCHED = """monitor:
  duplicates: {alert_above: 0.5%}
  left: {alert_above: never}
  late: {after: 2h, alert_above: 5%}
  span: 15m
  every: 10m
  shadow: {ids: 1024, keep: 30d}
  webhook: ${HOOK}
"""


def test_what_is_watched_has_limits_a_span_and_a_shadow():
    """The percentages are exact, what is not given has its default."""
    found = load(more=WATCHED).monitor
    assert found == Monitor(
        duplicates_above=Decimal("0.5"),
        left_above=None,
        late_above=Decimal(5),
        late_after_us=2 * HOUR_US,
        span_us=15 * MINUTE_US,
        every_us=10 * MINUTE_US,
        shadow_ids=1024,
        shadow_keep_us=30 * DAY_US,
        webhook="${HOOK}",
    )
    assert load(more="monitor: {}\n").monitor == Monitor()


@pytest.mark.parametrize(
    ("part", "message_id"),
    [
        ("duplicates: {alert_above: 0.005}", "CF1141"),
        ("duplicates: {alert_above: 101%}", "CF1141"),
        ("span: 90s", "CF1142"),
        ("every: 1s", "CF1142"),
        ("shadow: {ids: 3}", "CF1119"),
        ("webhook: hooks.example.org", "CF1005"),
        ("late: {}, lateness: {}", "CF1003"),
    ],
)
def test_what_cannot_be_watched_is_refused(part, message_id):
    with pytest.raises(DefinitionError) as caught:
        load(more=f"monitor: {{{part}}}\n")
    assert caught.value.message_id == message_id
