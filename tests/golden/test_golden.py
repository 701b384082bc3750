"""Golden folders: a definition, a log, and what comes out, worked out without an engine.

Every engine plays every folder whole and with an epoch per step; the embedded engine is also crashed at each of its
durable steps and goes on. What is expected is checked against hand-written SQL, or explained in words (``truth.md``).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfoot.engines.embedded import durable_steps
from tests.engines import DRIVERS, Crash, EmbeddedDriver, Redefine, play, play_with_crash
from tests.golden import folders
from tests.golden.answers import answers, side_log
from tests.golden.truth import truth_of

EMBEDDED = pytest.mark.parametrize("folder", folders.FOLDERS, ids=lambda folder: folder.name)
EVERY = pytest.mark.parametrize(
    ("name", "epochs", "folder"),
    [
        pytest.param(name, epochs, folder, id=f"{name}-{epochs}-{folder.name}")
        for name in DRIVERS
        for epochs in ("one", "each")
        for folder in folders.FOLDERS
    ],
)
REDEFINED = pytest.mark.parametrize(
    "folder",
    [folder for folder in folders.FOLDERS if (folder / "definition-2.yaml").exists()],
    ids=lambda folder: folder.name,
)
SQL = pytest.mark.parametrize(
    "folder", [folder for folder in folders.FOLDERS if (folder / "truth.sql").exists()], ids=lambda folder: folder.name
)


def test_there_are_enough_folders():
    """At least 40, each with its truth in SQL or in words."""
    assert len(folders.FOLDERS) >= 40
    assert [f.name for f in folders.FOLDERS if not any((f / name).exists() for name in ("truth.sql", "truth.md"))] == []


@SQL
def test_what_is_expected_is_what_sql_says(folder: Path):
    """Cells (and the ledger, where SQL says it) of ``expected.json`` are those of the hand-written SQL."""
    expected, truth = folders.read(folder).expected, truth_of(folder)
    tables = {(t["metric"], tuple(t["by"]), t["grain"]): t["rows"] for t in expected["cells"]}
    assert truth["cells"], "the SQL says nothing"
    assert {place: tables[place] for place in truth["cells"]} == truth["cells"]
    assert truth.get("ledger", expected["ledger"]) == expected["ledger"]


@EVERY
def test_an_engine_gives_what_is_expected(name: str, epochs: str, folder: Path, tmp_path: Path):
    """In one epoch, and in an epoch per step."""
    golden = folders.read(folder)
    driver = DRIVERS[name](golden.definition, tmp_path)
    play(driver, golden.steps, always_commit=epochs == "each")
    check(golden, answers(driver.engine))


@EMBEDDED
@pytest.mark.parametrize("step", durable_steps())
def test_a_crash_at_a_durable_step_changes_nothing(folder: Path, step: str, tmp_path: Path):
    """Killed there in the second epoch that comes by, with a checkpoint in each."""
    golden = folders.read(folder)
    driver = EmbeddedDriver(golden.definition, tmp_path, checkpoint_bytes=1, merge_segments=2)
    play_with_crash(driver, golden.steps, Crash(step, 2))
    check(golden, answers(driver.engine))


@pytest.mark.parametrize("step", durable_steps())
def test_every_durable_step_is_come_by(step: str, tmp_path: Path):
    """In a log of 24 epochs the crash does come, at each step, also the tenth time."""
    golden = folders.read(folders.HOME / "many-sets")
    driver = EmbeddedDriver(golden.definition, tmp_path, checkpoint_bytes=1, merge_segments=2)
    assert play_with_crash(driver, golden.steps, Crash(step, 10))
    check(golden, answers(driver.engine))


@REDEFINED
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("step", durable_steps())
def test_a_crash_while_the_definition_changes_changes_nothing(folder: Path, step: str, nth: int, tmp_path: Path):
    """Killed while a store, all of it in its journal, is opened under another definition, or in the epochs after."""
    golden = folders.read(folder)
    changed = next(at for at, each in enumerate(golden.steps) if isinstance(each, Redefine))
    driver = EmbeddedDriver(golden.definition, tmp_path, merge_segments=2)
    play(driver, golden.steps[:changed])
    play_with_crash(driver, golden.steps, Crash(step, nth), done=changed)
    check(golden, answers(driver.engine))


@EMBEDDED
def test_both_engines_keep_the_same_members(folder: Path, tmp_path: Path):
    """Digests of every ledger row and the bytes of the side log agree."""
    golden = folders.read(folder)
    kept = []
    for name in DRIVERS:
        driver = DRIVERS[name](golden.definition, tmp_path)
        play(driver, golden.steps)
        kept.append((sorted(driver.engine.ledger(), key=repr), side_log(driver.engine)))
    assert kept[0] == kept[1]


def check(golden: folders.Golden, found: dict[str, object]) -> None:
    """Everything that the folder expects; of the side log only what it names."""
    expected = dict(golden.expected)
    named = expected.pop("side")
    entries = found.pop("side")
    assert isinstance(entries, list)
    assert len(entries) == len(named)
    assert [{name: entry[name] for name in want} for entry, want in zip(entries, named, strict=True)] == named
    assert {name: found[name] for name in expected} == expected
