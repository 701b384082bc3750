"""What stands against a run is found before anything is written."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from crossfoot.definition.engines import beam_lacks
from crossfoot.definition.load import load_text
from crossfoot.engines.beam.checking import check_table, lacks
from crossfoot.engines.beam.job import Job
from crossfoot.engines.shard import shard_plan
from crossfoot.errors import DataError
from crossfoot.sinks.bigtable import BigtableWriter
from crossfoot.testing.clocks import ManualClock
from tests.bigtables import MemoryTable
from tests.counting import CLICKS

SINK = "sinks: [{bigtable: {project: p, instance: i, table: t}}]\n"
OTHER, WAREHOUSE = "{bigtable: {project: p, instance: i, table: other}}", "{warehouse: {folder: warehouse}}"
JOB = Job("clicks", load_text(CLICKS + SINK), 4, "")
PULLED = CLICKS.replace(
    "{files: clicks.jsonl, format: json}", "{pubsub: {project: p, subscription: s}, format: prepared}"
)


def claimed(job: Job = JOB, counted: bool = False) -> MemoryTable:
    """A table as a job leaves it: claimed, or with cells."""
    table = MemoryTable()
    writer = BigtableWriter(table, job.name, job.shards, ManualClock(1))
    writer.ensure()
    writer.plan(json.loads(shard_plan(job.definition)), 0)
    if counted:
        writer.commit(0, 1, {})
    return table


@pytest.mark.parametrize(
    ("text", "path", "why"),
    [
        (CLICKS, "sinks", "no Bigtable table is named"),
        (CLICKS + "sinks: [{parquet: out}]\n", "sinks", "no Bigtable table is named"),
        (
            CLICKS.replace("format: json}", "format: json, follow: true}") + SINK,
            "source.follow",
            "files are read to their end",
        ),
        (
            CLICKS.replace("  clicks:\n", "  clicks:\n    values_max: 1\n") + SINK,
            "metrics.clicks.values_max",
            "shards cannot agree",
        ),
        (CLICKS + SINK.replace("]", ", {parquet: out}]"), "sinks", "only Bigtable and warehouses are written to"),
        (CLICKS + SINK.replace("]", f", {OTHER}, {WAREHOUSE}]"), "sinks", "a warehouse is fed from one Bigtable table"),
        (CLICKS + SINK + "archive: {keep: 30d}\n", "archive", "no records are kept"),
    ],
)
def test_what_the_engine_does_not_do_is_named(text: str, path: str, why: str):
    """By the part of the definition."""
    found = next(beam_lacks(load_text(text)))
    assert (found.path, found.why.startswith(why)) == (path, True)


def test_a_definition_of_files_of_tables_and_of_prepared_events_can_run():
    table = CLICKS.replace("{files: clicks.jsonl, format: json}", "{bigquery: {table: raw.clicks}, format: json}")
    assert [*beam_lacks(load_text(table + SINK))] == []
    carried = PULLED.replace("received: none", "received: carried") + "accept: {lateness: 1h}\n"
    assert [*beam_lacks(load_text(CLICKS + SINK)), *beam_lacks(load_text(carried + SINK))] == []
    assert [*beam_lacks(load_text(CLICKS + SINK.replace("]", f", {WAREHOUSE}]")))] == []


def test_workers_elsewhere_do_not_see_the_files_of_this_machine():
    assert [*lacks(JOB, "prism")] == []
    assert [lack.path for lack in lacks(JOB, "dataflow")] == ["source"]


def test_workers_elsewhere_see_a_table():
    table = load_text(CLICKS.replace("{files: clicks.jsonl", "{bigquery: {table: raw.clicks}") + SINK)
    assert [*lacks(replace(JOB, definition=table), "dataflow")] == []


@pytest.mark.parametrize(
    ("table", "job", "goes_on", "said"),
    [
        (claimed(counted=True), JOB, False, "holds the cells of an earlier run"),
        (claimed(), replace(JOB, name="other"), False, "holds the cells of clicks, not of the job other"),
        (claimed(), replace(JOB, shards=8), False, "holds the cells of 4 shards, not of 8"),
        (MemoryTable(), JOB, True, "so there is no state to go on with"),
        (claimed(), replace(JOB, definition=load_text(CLICKS.replace("1m", "15m") + SINK)), True, "another definition"),
    ],
)
def test_a_table_that_does_not_do_is_refused(table: MemoryTable, job: Job, goes_on: bool, said: str):
    """And is left as it was."""
    before = len(table.written)
    with pytest.raises(DataError, match=said):
        check_table(table, job, goes_on)
    assert len(table.written) == before


def test_an_empty_table_and_one_to_go_on_with_will_do():
    """The latter under the same definition."""
    check_table(MemoryTable(), JOB, goes_on=False)
    check_table(claimed(), JOB, goes_on=False)
    check_table(claimed(counted=True), JOB, goes_on=True)
