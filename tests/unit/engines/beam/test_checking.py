"""What stands against a run is found before anything is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from crossfoot.definition.engines import beam_lacks
from crossfoot.definition.load import load_text
from crossfoot.engines.beam import checking, runners
from crossfoot.engines.beam.checking import _claim, check, check_table, findings, lacks
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.options import check_options
from crossfoot.engines.beam.runners import RUNNERS, check_prism, find_prism
from crossfoot.engines.beam.submit import Launch, arguments, submitted
from crossfoot.engines.shard import shard_plan
from crossfoot.errors import CallError, DataError, DefinitionError, ServiceError
from crossfoot.sinks.bigtable import BigtableWriter
from crossfoot.stores.bigtable_rows import ABOUT, Cell, Row, about_of
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


def with_a_row(table: MemoryTable) -> MemoryTable:
    """A cell of a run that came to an end before it could say that all of its cells are there."""
    table.write([Row(b"5/clicks/page/1h/", [Cell("0000", 7, b"1")])])
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
    job = replace(JOB, files=("clicks.jsonl",))
    assert [*lacks(job, "prism")] == []
    assert [lack.path for lack in lacks(job, "dataflow")] == ["source"]
    assert [*lacks(replace(job, files=("gs://bucket/clicks.jsonl",)), "dataflow")] == []


def test_workers_elsewhere_see_a_table():
    table = load_text(CLICKS.replace("{files: clicks.jsonl", "{bigquery: {table: raw.clicks}") + SINK)
    assert [*lacks(replace(JOB, definition=table), "dataflow")] == []


@pytest.mark.parametrize(
    ("table", "job", "goes_on", "said"),
    [
        (claimed(counted=True), JOB, False, "holds the cells of an earlier run"),
        (claimed(counted=True), replace(JOB, name="other"), False, "holds the cells of clicks, not the job other"),
        (claimed(counted=True), replace(JOB, shards=8), False, "holds the cells of 4 shards, not 8"),
        (claimed(), replace(JOB, shards=8), False, "is claimed for 4 shards, not 8"),
        (with_a_row(claimed()), JOB, False, "holds the cells of an earlier run"),
        (with_a_row(MemoryTable()), JOB, False, "holds the cells of an earlier run"),
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


def test_a_table_says_what_is_counted_by_the_job_that_runs():
    """One that was claimed for another definition, and got no cells."""
    table, job = claimed(), replace(JOB, definition=load_text(CLICKS.replace("1m", "15m") + SINK))
    check_table(table, job, goes_on=False)
    _claim(table, job, json.loads(shard_plan(job.definition)))
    assert about_of(table.row(ABOUT)).plan == json.loads(shard_plan(job.definition))


def test_a_table_of_a_store_is_named_as_one():
    """Its owner is no name of a job."""
    with pytest.raises(DataError, match="holds the cells of a store, not the job clicks") as raised:
        check_table(claimed(replace(JOB, name="e4bc294a14c1c903", shards=1), counted=True), JOB, goes_on=False)
    assert raised.value.hint == "name another table"


LIVE = replace(JOB, definition=load_text(PULLED.replace("none", "carried") + "accept: {lateness: 1h}\n" + SINK))


@pytest.mark.parametrize(
    ("runner", "job", "which"),
    [
        ("prism", LIVE, "on prism"),
        ("direct", LIVE, "on direct"),
        ("portable", LIVE, "on portable"),
        ("dataflow", JOB, "whose sources have an end"),
    ],
)
def test_a_job_is_not_updated_where_it_leaves_no_state(runner: str, job: Job, which: str):
    """Its counts would begin with nothing, over those that the table holds."""
    with pytest.raises(CallError, match=f"a job {which} leaves no state to go on with"):
        check_options(job, Launch(runner, update=True))


def test_an_update_reaches_dataflow():
    """Once: a pipeline that is written down is not one for ever."""
    launch = Launch("dataflow", options=("--region=here",), update=True)
    assert "--update" in submitted(LIVE, launch)
    assert "--update" not in [*submitted(LIVE, replace(launch, update=False)), *arguments(LIVE, launch)]


@pytest.mark.parametrize(
    ("named", "said"), [("/nonexist", "there is no such program: /nonexist"), ("", "there is no prism on this machine")]
)
def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, named: str, said: str):
    monkeypatch.setenv("PATH", "/nonexist")
    with pytest.raises(CallError, match=said):
        check_prism(find_prism(named))


def test_a_program_is_named_by_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Beam takes no name that is on the path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_prism(program(tmp_path / "prism", "")) == find_prism("prism") == find_prism() == f"{tmp_path}/prism"


def program(path: Path, does: str) -> str:
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("does", ["", "exit 3", "echo usage: tail FILE", "exec sleep 60"])
def test_a_program_that_is_no_prism_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str):
    """Whether it ends or not."""
    monkeypatch.setattr(runners, "_ANSWER_S", 0.5)
    with pytest.raises(CallError, match=f"this program is no prism: {tmp_path}/tool"):
        check_prism(program(tmp_path / "tool", does))


def test_what_is_no_program_is_looked_at_by_beam_where_it_can_be(tmp_path: Path):
    """It fetches a release and unpacks an archive; of a file it has to be told where it is."""
    check_prism("https://github.com/apache/beam/releases/tag/v2.77.0")
    ZipFile(tmp_path / "prism.zip", "w").close()
    check_prism(f"{tmp_path}/prism.zip")
    with pytest.raises(CallError, match="there is no such program: prism"):
        check_prism("prism")


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job with nothing to write to, whose options are wrong as well."""

    def fails(*_: object) -> None:
        raise CallError("there is no such option", "leave it out")

    monkeypatch.setattr(checking, "check_options", fails)
    return replace(LIVE, definition=replace(LIVE.definition, sinks=()), inputs=("clicks.jsonl",))


def down() -> None:
    raise ServiceError("it is down", "start it")


def test_everything_that_stands_against_a_run_is_found(wrong: Job):
    """None hides another one."""
    rows = findings(wrong, Launch("dataflow"), {}, ("warehouse", down))
    assert [what for what, result, _ in rows if result == "FAILED"] == ["sinks", "source", "options", "warehouse"]


@pytest.mark.parametrize(
    ("runner", "job", "said"),
    [
        ("prism", JOB, "a job that ends cannot go on"),
        ("prism", LIVE, "stand still after a subscription had been quiet"),
        ("direct", JOB, "state is in its memory"),
        ("portable", LIVE, "finalise bundles"),
        ("portable", JOB, "user state"),
    ],
)
def test_what_is_to_be_known_of_a_runner_is_said(runner: str, job: Job, said: str):
    """As it matters to the job."""
    assert any(said in note for note in RUNNERS[runner].notes_on(job))


def test_the_first_of_it_is_a_reason_not_to_begin(wrong: Job):
    """Before anything is asked."""
    with pytest.raises(DefinitionError, match="beam on dataflow cannot run this: no Bigtable table is named"):
        check(wrong, Launch("dataflow"), {}, ("warehouse", down))


def test_what_is_to_be_known_is_no_reason_against_a_run(wrong: Job):
    rows = findings(wrong, Launch("direct"), {})
    assert [result for _, result, _ in rows] == ["FAILED", "FAILED", "note"]
