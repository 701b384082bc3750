"""The pipeline as a Python file counts as the command does; what stands against a run is said in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crossfoot import __version__
from crossfoot.dev.bigquery import PROJECT
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.bigtable_rows import ABOUT, Cell, Row, about_of
from crossfoot.stores.bigtable_table import GoogleTable
from tests.counting import CLICKS, click, count_records
from tests.meta.source_tree import ROOT
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


@pytest.fixture(scope="module")
def wheel() -> Path:
    """That of `make wheel`, which is built where the sources are newer."""
    sources = [path for folder in ("src", "crates") for path in (ROOT / folder).rglob("*.[pr][ys]")]
    newest = max(path.stat().st_mtime for path in sources)
    found = [path for path in (ROOT / "dist").glob("crossfoot-*.whl") if path.stat().st_mtime > newest]
    if not found:
        build = [sys.executable, "-m", "maturin", "build", "--release", "--locked", "--quiet", "--out", "dist"]
        subprocess.run(build, cwd=ROOT, check=True)
        found = sorted((ROOT / "dist").glob("crossfoot-*.whl"), key=lambda path: path.stat().st_mtime)
    return found[-1]


def test_an_exported_pipeline_counts_as_the_command_does(beam, definition, tmp_path):
    """By itself, with the options that it was written with; a second run of it is told in one line."""
    path, table = definition
    code, out, err = beam.run(*BEAM, "export", str(path), "--out", "pipeline.py", "--runner", "direct")
    assert (code, out.splitlines()) == (0, ["written: pipeline.py", "written: pipeline-requirements.txt"]), err
    code, _, err = beam.run("pipeline.py")
    assert code == 0, err
    assert queried(opened(table)) == queried(tmp_path / "store")
    assert accounts_of(BigtableStore.open(str(table))).totals["conflict"] == 1
    code, _, err = beam.run("pipeline.py")
    assert (code, "of an earlier run" in err, "Traceback" in err) == (4, True, False), err


def test_a_table_with_cells_of_a_run_that_was_cut_off_is_refused(beam, definition):
    """Many of them, of no version that is whole."""
    path, table = definition
    opened_table = GoogleTable(table)
    opened_table.write([Row(b"5/clicks//1m/%05d" % at, [Cell("0000", 7, b"1")]) for at in range(5_000)])
    opened_table.close()
    code, _, err = beam.run(*RUN, str(path), "--runner", "direct")
    assert (code, "of an earlier run" in err, len(err.splitlines())) == (4, True, 2), err


def test_an_exported_pipeline_says_what_is_wrong_in_one_line(beam, definition, tmp_path):
    """What cannot run and options, before the table is claimed; and a damaged file."""
    path, table = definition
    (tmp_path / "cut.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00damaged")
    given = ("--out", "pipeline.py", "--runner", "direct", "--input", "cut.jsonl.gz")
    assert beam.run(*BEAM, "export", str(path), *given)[0] == 0
    text = (tmp_path / "pipeline.py").read_text("utf-8")
    (tmp_path / "changed.py").write_text(text.replace("sinks: [", "archive: {keep: 30d}\nsinks: ["), "utf-8")
    code, _, err = beam.run("changed.py")
    assert (code, "beam on direct cannot run this: no records are kept" in err) == (3, True), err
    code, _, err = beam.run("pipeline.py", "--max_num_workers=many")
    assert (code, "max_num_workers" in err, "Traceback" in err) == (2, True, False), err
    assert about_of(GoogleTable(table).row(ABOUT)).head is None
    code, _, err = beam.run("pipeline.py")
    assert (code, "error: cut.jsonl.gz is damaged at" in err, "Traceback" in err) == (4, True, False), err


def test_requirements_and_the_wheel_make_an_environment_that_counts(beam, definition, tmp_path, wheel):
    """As the next step says: in a fresh environment, which then runs the file on Prism."""
    path, table = definition
    code, _, err = beam.run(*BEAM, "export", str(path), "--out", "pipeline.py", "--prism", beam.prism)
    assert code == 0, err
    assert beam.prism not in (tmp_path / "pipeline.py").read_text("utf-8")
    subprocess.run([sys.executable, "-I", "-m", "venv", tmp_path / "fresh"], check=True)
    python, needed = str(tmp_path / "fresh" / "bin" / "python"), str(tmp_path / "pipeline-requirements.txt")
    pip = [python, "-I", "-m", "pip", "install", "--quiet", "--no-compile", "--find-links", str(wheel.parent)]
    subprocess.run([*pip, f"crossfoot=={__version__}", "-r", needed], check=True)
    subprocess.run([python, "-I", "-m", "pip", "check"], check=True)
    subprocess.run([python, "-I", "-c", "from apache_beam.runners.dataflow import dataflow_runner"], check=True)
    subprocess.run([python, "-I", "pipeline.py", f"--prism_location={beam.prism}"], cwd=tmp_path, check=True)
    assert queried(opened(table)) == queried(tmp_path / "store")


def test_other_files_are_exported_too(beam, definition, tmp_path):
    """Instead of those of the definition."""
    path, table = definition
    (tmp_path / "others.jsonl").write_bytes((tmp_path / "clicks.jsonl").read_bytes())
    (tmp_path / "clicks.jsonl").unlink()
    given = ("--out", "pipeline.py", "--runner", "direct", "--input", "others.jsonl")
    code, _, err = beam.run(*BEAM, "export", str(path), *given)
    assert code == 0, err
    code, _, err = beam.run("pipeline.py")
    assert code == 0, err
    assert accounts_of(BigtableStore.open(str(table))).totals["counted"] == 500


def test_what_cannot_run_is_not_exported(beam, definition, tmp_path):
    """By the reason that a check gives; a folder that is not there is no fault of ours."""
    path, _ = definition
    code, _, err = beam.run(*BEAM, "export", str(path), "--out", "nowhere/pipeline.py", "--runner", "direct")
    assert (code, "nothing can be written to nowhere/pipeline.py" in err) == (2, True), err
    kafka = "{kafka: {brokers: localhost, topic: clicks}, format: json}"
    text = path.read_text("utf-8").replace("{files: clicks.jsonl, format: json}", kafka)
    path.write_text(text.replace("received: none", "received: broker"), "utf-8")
    code, _, err = beam.run(*BEAM, "export", str(path), "--out", "pipeline.py", "--runner", "direct")
    assert (code, "beam on direct cannot run this: files, BigQuery tables" in err) == (3, True), err
    assert not (tmp_path / "pipeline.py").exists()


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
