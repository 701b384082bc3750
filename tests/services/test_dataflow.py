"""Dataflow itself: only where a project is named. Whoever sets the variable pays for what it starts."""

from __future__ import annotations

import os
from subprocess import run

import pytest

from crossfoot.stores.bigtable_table import HOST, TableName
from tests.services.beaming import RUN, Beam, until

VARIABLE = "CROSSFOOT_TEST_DATAFLOW"
HOW = f"set {VARIABLE} to PROJECT,REGION,gs://BUCKET,DEFINITION,WHEEL,RECORDS"


def test_dataflow_writes_what_was_published(tmp_path, monkeypatch):
    """So many records of the definition's subscription; the job is cancelled then."""
    if VARIABLE not in os.environ:
        pytest.skip(HOW)
    project, region, bucket, definition, wheel, records = os.environ[VARIABLE].split(",")
    monkeypatch.delenv(HOST, raising=False)
    options = {
        "project": project,
        "region": region,
        "temp_location": f"{bucket}/temp",
        "staging_location": f"{bucket}/staging",
        "extra_package": wheel,
    }
    beam, name = Beam(tmp_path), "crossfoot-test"
    given = [word for key, value in options.items() for word in ("--option", f"{key}={value}")]
    process = beam.start(*RUN, definition, "--runner", "dataflow", "--name", name, *given)
    until(process, table_of(definition), int(records))
    process.terminate()
    process.communicate(timeout=60)
    cancelled = run(["gcloud", "dataflow", "jobs", "cancel", name, f"--region={region}"], check=False, timeout=120)
    assert cancelled.returncode == 0


def table_of(definition: str) -> TableName:
    from pathlib import Path

    from crossfoot.definition.load import load_file

    sink = load_file(Path(definition)).sinks[0]
    return TableName(sink.project, sink.instance, sink.table)  # type: ignore[union-attr]
