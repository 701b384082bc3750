"""The pipeline as a Python file counts as the command does; what stands against a run is said in one line."""

from __future__ import annotations

import pytest

from crossfoot.dev.bigquery import PROJECT
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from tests.counting import CLICKS, click, count_records
from tests.services.beaming import RUN, make_table, opened, sink_of
from tests.unit.sinks.folding import queried

BEAM = ("-m", "crossfoot", "beam")


@pytest.fixture
def definition(tmp_path):
    """Clicks of a file, and a table."""
    count_records(tmp_path, [click(seq, page=f"p{seq % 7}") for seq in range(500)] + [click(3)])
    table = make_table()
    (tmp_path / "beam.yaml").write_text(CLICKS + sink_of(table), "utf-8")
    return tmp_path / "beam.yaml", table


def test_an_exported_pipeline_counts_as_the_command_does(beam, definition, tmp_path):
    """By itself, with the options that it was written with."""
    path, table = definition
    code, out, err = beam.run(*BEAM, "export", str(path), "--out", "pipeline.py", "--runner", "direct")
    assert (code, out.splitlines()) == (0, ["written: pipeline.py", "written: pipeline-requirements.txt"]), err
    assert "apache-beam==2.77.0" in (tmp_path / "pipeline-requirements.txt").read_text()
    code, _, err = beam.run("pipeline.py")
    assert code == 0, err
    assert queried(opened(table)) == queried(tmp_path / "store")
    assert accounts_of(BigtableStore.open(str(table))).totals["conflict"] == 1


def test_a_check_names_what_stands_against_a_run(beam, definition):
    """The exit code is 1, and nothing is written."""
    path, _ = definition
    code, out, _ = beam.run(*BEAM, "check", str(path), "--runner", "direct", "--format", "csv")
    assert (code, "ok" in out) == (0, True)
    path.write_text(CLICKS + "sinks: [{bigtable: {project: test, instance: instance, table: nowhere}}]\n", "utf-8")
    code, out, _ = beam.run(*BEAM, "check", str(path), "--runner", "dataflow", "--format", "csv")
    assert code == 1
    assert "workers of dataflow do not see the files of this machine" in out
    assert "there is no such table: bigtable:test/instance/nowhere" in out


def test_a_check_names_a_dataset_that_is_not_there(beam, definition, dataset):
    """The table is fine."""
    path, _ = definition
    for name, code, said in ((dataset, 0, "ok"), ("nowhere", 1, "there is no such BigQuery dataset")):
        sinks = f"}}}}, {{bigquery: {{project: {PROJECT}, dataset: {name}}}}}]\n"
        path.with_name("fed.yaml").write_text(path.read_text("utf-8").replace("}}]\n", sinks), "utf-8")
        found, out, err = beam.run(*BEAM, "check", "fed.yaml", "--runner", "direct", "--format", "csv")
        assert (found, said in out) == (code, True), (out, err)


def test_a_definition_that_cannot_run_is_refused_before_anything_is_written(beam, definition):
    """By the part and the reason."""
    path, table = definition
    path.write_text(path.read_text("utf-8") + "archive: {keep: 30d}\n", "utf-8")
    code, _, err = beam.run(*RUN, str(path), "--runner", "direct")
    assert (code, "beam on direct cannot run this: no records are kept" in err) == (3, True), err
    assert table
