"""What stands against a run, found before anything is written: definition, runner, table, subscription."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from crossfoot.clock import SystemClock
from crossfoot.definition.engines import Lack, beam_lacks
from crossfoot.definition.model import BigQuerySource, BigtableTable, FileSource, PubSubSource
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.runners import RUNNERS
from crossfoot.engines.shard import shard_plan
from crossfoot.errors import CallError, CrossfootError, DataError
from crossfoot.sinks.bigtable import BigtableWriter
from crossfoot.sources.bigquery_table import Table
from crossfoot.sources.pubsub_client import check_there, open_channel
from crossfoot.stores.bigtable_rows import ABOUT, About, about_of
from crossfoot.stores.bigtable_table import GoogleTable, RowTable, TableName

_ANSWER_S = 10.0


def lacks(job: Job, runner: str) -> Iterator[Lack]:
    """What the engine or the runner does not do."""
    yield from beam_lacks(job.definition)
    if RUNNERS[runner].is_away and (job.inputs or any(isinstance(s, FileSource) for s in job.definition.sources)):
        what = f"workers of {runner} do not see the files of this machine"
        yield Lack("source", f"{what}: read a subscription or a BigQuery table")


def check_services(job: Job, environment: Mapping[str, str], goes_on: bool) -> None:
    """Ask the tables and the subscriptions; nothing is written.

    CrossfootError with what is missing, or where the table holds other cells. `goes_on`: the job has a state already.
    """
    for sink in job.definition.sinks:
        if isinstance(sink, BigtableTable):
            with_table(sink, lambda table: check_table(table, job, goes_on))
    for source in () if job.inputs else job.definition.sources:
        if isinstance(source, PubSubSource):
            channel = open_channel(environment)
            path = f"projects/{source.project}/subscriptions/{source.subscription}"
            with closing(channel):
                check_there(channel, "subscription", path, _ANSWER_S)
        elif isinstance(source, BigQuerySource):
            with closing(Table(source, environment)) as raw:
                raw.check()
                raw.partitions()


def check_table(table: RowTable, job: Job, goes_on: bool) -> None:
    """DataError where it will not do: missing, of another job, with cells of another definition or state."""
    table.versions()
    about = about_of(table.row(ABOUT))
    if about.head is None:
        if goes_on:
            what = f"{table.name} holds nothing of the job {job.name}, so there is no state to go on with"
            raise DataError(what, "start it anew, without --update")
        return
    _is_ours(about, table.name, job)
    if goes_on and about.plan != json.loads(shard_plan(job.definition)):
        what = f"the state of the job {job.name} was counted with another definition than this one"
        raise DataError(what, "start another job with another table, and compare them: crossfoot reconcile")
    if about.states and not goes_on:
        what = f"{table.name} holds the cells of an earlier run, and this one begins with none"
        raise DataError(what, f"name another table, or empty this one: cbt deleteallrows {table.name.table}")


def _is_ours(about: About, name: TableName, job: Job) -> None:
    assert about.head is not None
    owner, shards = about.head["owner"], about.head["shards"]
    if owner != job.name:
        what = f"{name} holds the cells of {owner}, not of the job {job.name}"
        raise DataError(what, f"name another table, or the job: --name {owner}")
    if shards != job.shards:
        what = f"{name} holds the cells of {shards} shards, not of {job.shards}"
        raise DataError(what, f"the number is for the life of a job: --shards {shards}, or another table")


def claim(job: Job) -> None:
    """Say in the table whose it is and what is counted. Before the job begins."""
    plan = json.loads(shard_plan(job.definition))
    for sink in job.definition.sinks:
        if isinstance(sink, BigtableTable):
            with_table(sink, lambda table: _claim(table, job, plan))


def _claim(table: RowTable, job: Job, plan: dict[str, object]) -> None:
    writer = BigtableWriter(table, job.name, job.shards, SystemClock())
    if writer.ensure().plan is None:
        writer.plan(plan, 0)


def with_table(sink: BigtableTable, call: Callable[[RowTable], None]) -> None:
    table = GoogleTable(TableName(sink.project, sink.instance, sink.table))
    try:
        call(table)
    finally:
        table.close()


def findings(job: Job, runner: str, environment: Mapping[str, str], goes_on: bool) -> list[tuple[str, str, str]]:
    """Everything that stands against a run, as rows: what, result, why."""
    rows = [(lack.path, "FAILED", lack.why) for lack in lacks(job, runner)]
    if not any(path == "sinks" for path, _, _ in rows):
        try:
            check_services(job, environment, goes_on)
        except CallError:
            raise
        except CrossfootError as error:
            rows.append(("services", "FAILED", f"{error}: {error.hint}"))
    return rows or [("definition, runner and services", "ok", f"{job.shards} shards on {runner}")]
