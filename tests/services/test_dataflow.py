"""Dataflow itself: only where a project is named. Whoever sets the variable pays for what it starts."""

from __future__ import annotations

import os
from subprocess import Popen, run

import pytest

from crossfoot.stores.bigtable_table import HOST, TableName
from tests.services.beaming import RUN, Beam, until

VARIABLE = "CROSSFOOT_TEST_DATAFLOW"
HOW = f"set {VARIABLE} to PROJECT,REGION,gs://BUCKET,DEFINITION,WHEEL,RECORDS"


def test_dataflow_writes_what_was_published(tmp_path, monkeypatch):
    """So many records of the definition's subscription, as the guide has it; a second run is told, or goes on."""
    if VARIABLE not in os.environ:
        pytest.skip(HOW)
    project, region, bucket, definition, wheel, records = os.environ[VARIABLE].split(",")
    monkeypatch.delenv(HOST, raising=False)
    beam, name = Beam(tmp_path), "crossfoot-test"
    job = (definition, "--runner", "dataflow", "--name", name, "--shards", "64")
    code, _, err = beam.run("-m", "crossfoot", "beam", "export", *job, "--out", "pipeline.py")
    assert code == 0, err
    options = {
        "project": project,
        "region": region,
        "temp_location": f"{bucket}/temp",
        "staging_location": f"{bucket}/staging",
        "extra_package": wheel,
        "requirements_file": "pipeline-requirements.txt",
        "autoscaling_algorithm": "THROUGHPUT_BASED",
        "max_num_workers": "16",
    }
    given = [word for key, value in options.items() for word in ("--option", f"{key}={value}")]
    try:
        follow(beam.start(*RUN, *job, *given), definition, records)
        code, _, err = beam.run(*RUN, *job, *given)
        assert (code, "of an earlier run" in err) == (4, True), err
        follow(beam.start(*RUN, *job, *given, "--update"), definition, records)
    finally:
        cancel(name, region)


def follow(process: Popen[str], definition: str, records: str) -> None:
    """Until the table holds so many records; the job goes on."""
    until(process, table_of(definition), int(records))
    process.terminate()
    process.communicate(timeout=60)


def cancel(name: str, region: str) -> None:
    """Jobs are cancelled by their id."""
    jobs = ["gcloud", "dataflow", "jobs"]
    listed = [*jobs, "list", f"--region={region}", f"--filter=name={name}", "--status=active", "--format=value(id)"]
    found = run(listed, check=True, timeout=120, capture_output=True, text=True).stdout.split()
    run([*jobs, "cancel", *found, f"--region={region}"], check=True, timeout=120)


def table_of(definition: str) -> TableName:
    from pathlib import Path

    from crossfoot.definition.load import load_file

    sink = load_file(Path(definition)).sinks[0]
    return TableName(sink.project, sink.instance, sink.table)  # type: ignore[union-attr]
