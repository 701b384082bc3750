"""crossfoot reconcile --repair."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossfoot.cli.app import main
from tests.backfilling import ARCHIVED
from tests.unit.backfill.test_repair import faulty


def call(folder: Path, *arguments: str, lost: bool = True) -> int:
    """The command's exit code, for a store that has one event in another cell than its archive says."""
    store = faulty(folder, lost=lost).store
    (folder / "clicks.yaml").write_text(ARCHIVED)
    against = ["--against", str(folder / "right" / "store"), "--metric", "clicks", "--grain", "1m", "--by", "page"]
    return main(["reconcile", str(folder / "clicks.yaml"), "--store", str(store), *against, "--repair", *arguments])


def test_what_a_repair_brings_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """On no terminal too, with what to do next."""
    assert call(tmp_path) == 1
    said = capsys.readouterr().out
    assert "generation 1 is built, and not in force" in said
    assert "with the repair 9 of 9 cells are equal" in said
    assert "the same with --yes puts the repair in force" in said


def test_a_repair_that_is_put_in_force_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert call(tmp_path, "--yes") == 0
    assert "generation 1 is in force" in capsys.readouterr().out


def test_json_is_one_document_with_the_repair(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert call(tmp_path, "--format", "json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["equal"], found["repair"]["equal"], found["repair"]["cells"]) == (8, 9, 9)
    assert found["repair"]["report"]["differs"]


def test_nothing_to_repair_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert call(tmp_path, lost=False) == 0
    assert "every cell is equal: there is nothing to repair" in capsys.readouterr().out


def test_what_was_built_for_nothing_stays_until_it_is_pruned(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Where the other side is wrong, the archive says what the store says."""
    store = faulty(tmp_path).store
    (tmp_path / "clicks.yaml").write_text(ARCHIVED)
    against = ["--against", str(store), "--metric", "clicks", "--grain", "1m", "--by", "page", "--repair"]
    right = str(tmp_path / "right" / "store")
    assert main(["reconcile", str(tmp_path / "clicks.yaml"), "--store", right, *against]) == 1
    said = capsys.readouterr().out
    assert "the archive says the same as the store: there is nothing to repair from it" in said
    assert "`crossfoot backfill --prune` removes it" in said
