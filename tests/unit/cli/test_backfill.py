"""crossfoot backfill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossfoot.cli.app import main
from crossfoot.generations import number_in_force
from crossfoot.query.client import Store
from tests.backfilling import ARCHIVED, CHANGED
from tests.counting import click, count_records

RECORDS = [click(seq, f"2015-09-12T10:0{seq}:00Z", page=f"p{seq % 3}", got="2015-09-12T10:08:00Z") for seq in range(7)]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a store and the definition that it shall have."""
    count_records(tmp_path, RECORDS, ARCHIVED)
    (tmp_path / "changed.yaml").write_text(CHANGED)
    return tmp_path


def call(folder: Path, *arguments: str) -> int:
    """The command's exit code."""
    return main(["backfill", str(folder / "changed.yaml"), "--store", str(folder / "store"), *arguments])


def test_without_yes_it_is_shown_and_not_switched(shop: Path, capsys: pytest.CaptureFixture[str]):
    assert call(shop) == 0
    said = capsys.readouterr().out
    assert "new, of 7 events" in said
    assert "generation 1 is built, and not in force" in said
    assert number_in_force(shop / "store") == 0


def test_json_holds_every_table(shop: Path, capsys: pytest.CaptureFixture[str]):
    assert call(shop, "--format", "json", "--yes") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["switched"], found["generation"], len(found["tables"])) == (True, 1, 9)


def test_a_dry_run_builds_nothing(shop: Path, capsys: pytest.CaptureFixture[str]):
    assert call(shop, "--dry-run") == 0
    assert "counted again from the archive" in capsys.readouterr().out
    assert not (shop / "store" / "generations").exists()


def test_one_metric_leaves_the_others_as_they_are(shop: Path):
    assert call(shop, "--metric", "by_country", "--yes") == 0
    sets = {metric.name: metric.sets for metric in Store.open(shop / "store").metrics}
    assert sets == {
        "clicks": (("page", "country"), ("page",), ()),
        "totals": ((),),
        "by_country": (("country",), ()),
    }


def test_a_metric_is_given_up_when_that_is_said(shop: Path):
    (shop / "changed.yaml").write_text(
        CHANGED.replace("  totals: {by: [[]], measures: {clicks: count}, grains: [all]}\n", "")
    )
    assert call(shop, "--drop", "totals", "--yes") == 0
    assert "totals" not in [metric.name for metric in Store.open(shop / "store").metrics]


def test_a_metric_that_is_not_there_is_named(shop: Path, capsys: pytest.CaptureFixture[str]):
    assert call(shop, "--metric", "nothing") == 2
    assert "there is no metric nothing" in capsys.readouterr().err


def test_other_generations_are_removed(shop: Path, capsys: pytest.CaptureFixture[str]):
    call(shop, "--yes")
    assert call(shop, "--prune") == 0
    assert "removed generations: 0" in capsys.readouterr().out
