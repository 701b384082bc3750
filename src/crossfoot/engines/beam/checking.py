"""What stands against a run, found before anything is written: definition, runner, table, subscription."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial

from crossfoot.clock import SystemClock
from crossfoot.definition.engines import Lack, beam_lacks, refuse
from crossfoot.definition.model import BigQuerySource, BigtableTable, PubSubSource
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.options import check_options
from crossfoot.engines.beam.runners import RUNNERS
from crossfoot.engines.beam.submit import Launch
from crossfoot.engines.shard import shard_plan
from crossfoot.errors import CrossfootError, DataError
from crossfoot.sinks.bigtable import BigtableWriter
from crossfoot.sources.bigquery_table import Table
from crossfoot.sources.pubsub_client import check_there, open_channel
from crossfoot.stores.bigtable_rows import ABOUT, About, about_of
from crossfoot.stores.bigtable_table import GoogleTable, RowTable, TableName

Ask = Callable[[], None]
Row = tuple[str, str, str]
"""What was checked, the result, and why."""
_ANSWER_S = 10.0
_ALL_BUT_ABOUT = ((ABOUT + b"\0", b"g"),)
_STORE = re.compile("[0-9a-f]{16}")
"""The owner of a table that a store feeds; see `crossfoot.warehouse.outbox.known_as`."""


def lacks(job: Job, runner: str) -> Iterator[Lack]:
    """What the engine or the runner does not do."""
    yield from beam_lacks(job.definition)
    if RUNNERS[runner].is_away and job.is_of_here:
        what = f"workers of {runner} do not see the files of this machine"
        yield Lack("source", f"{what}: read URLs, a subscription or a BigQuery table")


def check(job: Job, launch: Launch, environment: Mapping[str, str], *more: tuple[str, Ask]) -> None:
    """CrossfootError with the first that stands against a run; nothing is written. `more` is asked as well."""
    refuse(f"beam on {launch.runner}", lacks(job, launch.runner))
    for _, ask in (*_asked(job, launch, environment), *more):
        ask()


def _asked(job: Job, launch: Launch, environment: Mapping[str, str]) -> Iterator[tuple[str, Ask]]:
    """What is asked, and how. A job that is updated has a state already."""
    yield "options", partial(check_options, job, launch)
    for sink in job.definition.sinks:
        if isinstance(sink, BigtableTable):
            yield "table", partial(with_table, sink, lambda table: check_table(table, job, launch.update))
    for source in () if job.inputs else job.definition.sources:
        if isinstance(source, PubSubSource):
            yield "subscription", partial(_check_subscription, source, environment)
        elif isinstance(source, BigQuerySource):
            yield "source", partial(_check_source, source, environment)


def _check_subscription(source: PubSubSource, environment: Mapping[str, str]) -> None:
    path = f"projects/{source.project}/subscriptions/{source.subscription}"
    with closing(open_channel(environment)) as channel:
        check_there(channel, "subscription", path, _ANSWER_S)


def _check_source(source: BigQuerySource, environment: Mapping[str, str]) -> None:
    with closing(Table(source, environment)) as raw:
        raw.check()
        raw.partitions()


def check_table(table: RowTable, job: Job, goes_on: bool) -> None:
    """DataError where it will not do: missing, of another job, with cells of another definition or state."""
    table.versions()
    about = about_of(table.row(ABOUT))
    if about.head is not None:
        _is_ours(about, table.name, job)
    elif goes_on:
        what = f"{table.name} holds nothing of the job {job.name}, so there is no state to go on with"
        raise DataError(what, "start it anew, without --update")
    # A run that was cut off may have written cells, and has not said of any version that all of it is there.
    if not goes_on and (about.states or any(True for _ in table.read(_ALL_BUT_ABOUT))):
        what = f"{table.name} holds the cells of an earlier run, and this one begins with none"
        raise DataError(what, f"name another table, or empty this one: cbt deleteallrows {table.name.table}")
    if goes_on and about.plan != json.loads(shard_plan(job.definition)):
        what = f"the state of the job {job.name} was counted with another definition than this one"
        hint = "start another job with another table, and compare what both say: crossfoot query METRIC --store TABLE"
        raise DataError(what, hint)


def _is_ours(about: About, name: TableName, job: Job) -> None:
    assert about.head is not None
    owner, shards = about.head["owner"], about.head["shards"]
    holds = "holds the cells of" if about.states else "is claimed for"
    if owner != job.name:
        of_store = _STORE.fullmatch(owner) is not None
        what = f"{name} {holds} {'a store' if of_store else owner}, not the job {job.name}"
        raise DataError(what, "name another table" if of_store else f"name another table, or the job: --name {owner}")
    if shards != job.shards:
        what = f"{name} {holds} {shards} shards, not {job.shards}"
        raise DataError(what, f"the number is for the life of a job: --shards {shards}, or another table")


def claim(job: Job) -> None:
    """Say in the table whose it is and what is counted. Before the job begins."""
    plan = json.loads(shard_plan(job.definition))
    for sink in job.definition.sinks:
        if isinstance(sink, BigtableTable):
            with_table(sink, lambda table: _claim(table, job, plan))


def _claim(table: RowTable, job: Job, plan: dict[str, object]) -> None:
    writer = BigtableWriter(table, job.name, job.shards, SystemClock())
    if writer.ensure().plan != plan:  # one that was claimed, and got no cells, may be of another
        writer.plan(plan, 0)


def with_table(sink: BigtableTable, call: Callable[[RowTable], None]) -> None:
    table = GoogleTable(TableName(sink.project, sink.instance, sink.table))
    try:
        call(table)
    finally:
        table.close()


def findings(job: Job, launch: Launch, environment: Mapping[str, str], *more: tuple[str, Ask]) -> list[Row]:
    """Everything that stands against a run, and what is to be known of its runner. `more` is asked as well."""
    rows = [(lack.path, "FAILED", lack.why) for lack in lacks(job, launch.runner)]
    for what, ask in (*_asked(job, launch, environment), *more):
        try:
            ask()
        except CrossfootError as error:
            rows.append((what, "FAILED", f"{error}: {error.hint}"))
    runner = RUNNERS[launch.runner]
    notes = [("runner", "note", f"{launch.runner}: {each}") for each in runner.notes_on(job)]
    return [*(rows or [("definition, runner and services", "ok", f"{job.shards} shards on {launch.runner}")]), *notes]
