"""Whether the services and files that a definition names can be reached."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from crossfoot.bigquery import Reader
from crossfoot.clock import SystemClock
from crossfoot.definition.model import (
    Against,
    BigQuerySource,
    BigtableTable,
    Definition,
    FileSource,
    KafkaSource,
    KafkaTopic,
    PubSubSource,
    SocketSource,
    Warehouse,
)
from crossfoot.definition.secrets import resolve
from crossfoot.dev.doctor import (
    BIGQUERY_PACKAGE,
    BIGTABLE_PACKAGE,
    FSSPEC_PACKAGE,
    KAFKA_PACKAGE,
    OBSTORE_PACKAGE,
    PUBSUB_PACKAGE,
    Check,
    State,
)
from crossfoot.dev.pubsub import look_up
from crossfoot.errors import CrossfootError, DataError, ServiceError
from crossfoot.reconcile.sides import question
from crossfoot.sources import files
from crossfoot.sources.bigquery_table import Table
from crossfoot.sources.kafka import Topic, admin_of, topics_of
from crossfoot.sources.remote import LOCAL, remote_of, scheme_of
from crossfoot.stores.bigtable_table import GoogleTable, TableName
from crossfoot.warehouse.bigquery import BigQueryWarehouse, Place
from crossfoot.warehouse.tables import tables_of

_GROUP = "crossfoot-doctor"


def packages_of(definition: Definition) -> set[str]:
    """The optional packages that it needs."""
    kinds = {type(source) for source in definition.sources}
    writes = definition.preprocess is not None and definition.preprocess.to is not None
    found = {KAFKA_PACKAGE.name} if KafkaSource in kinds or writes else set()
    files = [text for source in definition.sources if isinstance(source, FileSource) for text in source.files]
    schemes = {scheme_of(text) for text in files} - {"", LOCAL}
    found |= {FSSPEC_PACKAGE.name} if schemes else set()
    found |= {OBSTORE_PACKAGE.name} if schemes - {"hdfs", "webhdfs"} else set()
    warehouses = [sink for sink in definition.sinks if isinstance(sink, Warehouse)]
    asked = [each for each in definition.reconcile if each.against.kind == "bigquery"]
    if BigQuerySource in kinds or any(each.dataset for each in warehouses) or asked:
        found.add(BIGQUERY_PACKAGE.name)
    found |= {BIGTABLE_PACKAGE.name for sink in definition.sinks if isinstance(sink, BigtableTable)}
    return found | ({PUBSUB_PACKAGE.name} if PubSubSource in kinds or definition.relay else set())


def reach(definition: Definition, home: Path, environment: Mapping[str, str], timeout_s: float) -> Iterator[Check]:
    """Its sources, where its services write, and what it is compared with."""
    yield from _sources(definition, home, environment, timeout_s)
    if definition.preprocess and (to := definition.preprocess.to):
        yield _asked(f"kafka:{to.topic}", "preprocess.to", lambda: _topic(_written(to, environment), timeout_s))
    if definition.relay:
        topic = f"projects/{definition.relay.to.project}/topics/{definition.relay.to.topic}"
        yield _asked(f"pubsub:{definition.relay.to.topic}", "relay.to", lambda: look_up(topic, environment, timeout_s))
    for sink in definition.sinks:
        if isinstance(sink, BigtableTable):
            name = TableName(sink.project, sink.instance, sink.table)
            yield _asked(str(name), "sink", partial(_bigtable, name, timeout_s))
        elif isinstance(sink, Warehouse) and sink.dataset:
            yield _asked(sink.name, "sink", partial(_dataset, sink, definition, environment))
    for comparison in definition.reconcile:
        if comparison.against.kind == "bigquery":
            asks = partial(_side, comparison.against, environment, timeout_s)
            yield _asked(f"reconcile.{comparison.name}", "the other side", asks)


def _sources(definition: Definition, home: Path, environment: Mapping[str, str], timeout_s: float) -> Iterator[Check]:
    topics = {topic.name: topic for topic in topics_of(definition, environment)}
    place = files.Place(home, home, remote=remote_of(definition, environment))
    for source in definition.sources:
        if isinstance(source, KafkaSource):
            yield _asked(source.name, "source", partial(_topic, topics[source.name], timeout_s))
        elif isinstance(source, FileSource):
            yield _asked(source.name, "source", partial(_files, source, place))
        elif isinstance(source, PubSubSource):
            asked = f"projects/{source.project}/subscriptions/{source.subscription}"
            yield _asked(source.name, "source", partial(look_up, asked, environment, timeout_s))
        elif isinstance(source, SocketSource):
            yield _asked(source.name, "source", partial(_socket, source, home))
        elif isinstance(source, BigQuerySource):
            yield _asked(source.name, "source", partial(_records, source, environment, timeout_s))


def _records(source: BigQuerySource, environment: Mapping[str, str], timeout_s: float) -> str:
    """The table has the columns, and may be read."""
    with closing(Table(source, environment, timeout_s)) as table:
        table.check()
    return f"{table.shown} can be read"


def _dataset(sink: Warehouse, definition: Definition, environment: Mapping[str, str]) -> str:
    """The dataset is there and can be written, and so can those of the tables that are there."""
    tables = tuple(tables_of(definition, sink.prefix))
    place = Place(sink.project, sink.dataset, sink.location)
    with closing(BigQueryWarehouse(place, tables, environment, SystemClock())) as warehouse:
        return f"can be written, {warehouse.look()} of {len(tables)} tables are there"


def _side(against: Against, environment: Mapping[str, str], timeout_s: float) -> str:
    """A table or query that may be read."""
    project, sql, shown = question(against)
    with closing(Reader(project, environment, timeout_s=timeout_s)) as reader:
        return f"{shown} can be read, {len(reader.columns(sql, shown))} columns"


def _bigtable(name: TableName, timeout_s: float) -> str:
    """The table and its family are there, and it keeps versions enough."""
    versions = GoogleTable(name, timeout_s).versions()
    return f"keeps {versions} versions of a cell" if versions else "keeps all versions of a cell"


def _asked(name: str, purpose: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", ask(), purpose)
    except CrossfootError as error:
        state: State = "missing" if isinstance(error, DataError) else "not reached"
        return Check(name, state, str(error), purpose, error.hint)


def _written(to: KafkaTopic, environment: Mapping[str, str]) -> Topic:
    return Topic(to.topic, resolve(to.settings, environment))


def _topic(topic: Topic, timeout_s: float) -> str:
    admin = admin_of(topic, _GROUP, timeout_s)
    count = len(admin.describe().partitions)
    if topic.append_time and not admin.has_append_time():
        raise DataError(
            "it has the producers' time, not the broker's append time", "set message.timestamp.type=LogAppendTime on it"
        )
    return f"{count} partition{'' if count == 1 else 's'}"


def _files(source: FileSource, place: files.Place) -> str:
    found = files.discover(source.files, place)
    count = len(found.groups)
    return f"{count} file{'' if count == 1 else 's'}"


def _socket(source: SocketSource, home: Path) -> str:
    folder = (home / source.path).parent
    if not os.access(folder, os.W_OK):
        raise ServiceError(f"a socket cannot be made in {folder}", "make the folder, or grant the right to write to it")
    return "its folder can be written"
