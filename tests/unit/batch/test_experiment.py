"""The experiment on a few thousand records: the old batch differs by late events only, and that is what is said."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from bench import experiment, experiment_page
from bench.experiment_data import engagement
from bench.experiment_old import Losses
from crossfoot.cli.app import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store and the tables are."""
    return tmp_path_factory.mktemp("experiment")


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    """Three thousand generated events, held against all three sides."""
    return experiment.evaluate(engagement(folder, 3_000), Losses(block=100))


def of(found: dict[str, Any], side: str) -> list[dict[str, Any]]:
    """The comparisons with a side."""
    return [each for each in found["compared"] if each["side"] == side]


def rows(query: str) -> int:
    """How many rows it gives."""
    return len(duckdb.sql(query).to_arrow_table())


def test_the_batch_that_drops_late_events_differs_by_them_only(found: dict[str, Any]):
    """Cells differ, late events are the only cause, and by as many events as the old batch has less."""
    dropped = found["run"]["counted"] - found["accounts"]["batch"]["counted"]
    for each in of(found, "batch"):
        assert [cause["cause"] for cause in each["causes"]] == [experiment.LATE]
        assert (each["late_cells"], each["late_share"]) == (each["differing"], 100.0)
        assert each["causes"][0]["events"] == dropped > 0


def test_the_old_batch_is_that_of_the_command(found: dict[str, Any], folder: Path):
    """`crossfoot batch --drop-late 1h` writes the same cells."""
    call = ["batch", str(folder / "definition.yaml"), "--store", str(folder / "store"), "--out", str(folder / "hours")]
    assert main([*call, "--drop-late", "1h"]) == 0
    hours = (
        f"read_parquet('{folder}/hours/metric=engagement/by=item,kind/grain=1h/*/*.parquet', hive_partitioning=false)"
    )
    ours = f"read_parquet('{folder}/batch/item-kind-1h.parquet')"
    for left, right in ((hours, ours), (ours, hours)):
        assert rows(f"FROM {left}") > rows(f"FROM {left} EXCEPT ALL FROM {right}") == 0


def test_the_batch_that_counts_everything_is_equal(found: dict[str, Any]):
    """No cell differs, no copy is left, and nothing is too late."""
    assert [each["differing"] for each in of(found, "all")] == [0, 0]
    assert found["monitor"]["copies"] > found["monitor"]["doubled"] == 0
    assert (found["run"]["too_late"], found["run"]["unaccounted"]) == (0, 0)


def test_the_stream_half_loses_what_it_says(found: dict[str, Any]):
    """Records are lost under backpressure, and the rest, copies with them, is counted."""
    lost = found["stream_lost"]["under backpressure"] + found["stream_lost"].get("by a restart", 0)
    assert 0 < lost < found["run"]["records"]
    assert of(found, "stream")[0]["differing"] > 0


def test_a_section_says_the_figures(found: dict[str, Any]):
    """Those of the run."""
    section = experiment_page.section(found)
    assert f"{found['run']['counted']:,}" in section
    assert experiment.LATE in section
