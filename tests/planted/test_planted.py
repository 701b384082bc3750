"""Each planted bug makes the test fail that its patch names: the suite would notice such a change.

The patches must fit and the tests must be there at any time; planting them, with a build for each, is a campaign.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.planted import bugs
from tests.planted.bugs import BUGS, Bug
from tests.planted.workshop import Workshop, open_workshop

EVERY = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)


def test_there_are_enough_bugs():
    """At least 12, and no two patches break the same thing."""
    assert len(BUGS) >= 12
    assert len({bug.rule for bug in BUGS}) == len(BUGS)


@EVERY
def test_a_patch_fits_the_sources(bug: Bug, project: Path):
    """It applies to the project as it is, and only to what the product is made of."""
    bugs.apply(bug, project, only_check=True)
    changed = [line for line in bug.patch.read_text(encoding="utf-8").splitlines() if line.startswith("+++ ")]
    assert all(line.startswith(("+++ b/crates/core/src/", "+++ b/src/crossfoot/")) for line in changed)


def test_every_named_pytest_test_is_there(project: Path):
    """Pytest finds each of them."""
    named = sorted({bug.fails for bug in BUGS if bug.place.endswith(".py")})
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *named,
    ]
    found = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-2000:]


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.place.endswith(".rs")], ids=lambda bug: bug.name)
def test_every_named_cargo_test_is_there(bug: Bug, project: Path):
    """The file holds a test function of that name."""
    text = (project / bug.place).read_text(encoding="utf-8")
    assert f"#[test]\nfn {bug.test.rpartition('::')[2]}()" in text.replace("    ", "")


@pytest.fixture(scope="session")
def workshop(pytestconfig: pytest.Config) -> Workshop:
    """The copy, where all named tests pass as long as nothing is planted."""
    assert not hasattr(pytestconfig, "workerinput"), "there is one copy: plant bugs without --numprocesses"
    started = time.monotonic()
    workshop = open_workshop(pytestconfig.rootpath)
    failed, passed = workshop.failed_and_passed(BUGS)
    assert (failed, passed) == (0, len({bug.fails for bug in BUGS}))
    say(pytestconfig, f"nothing planted: all {passed} named tests pass", started)
    return workshop


@pytest.mark.campaign
@EVERY
def test_a_planted_bug_is_found(bug: Bug, workshop: Workshop, pytestconfig: pytest.Config):
    """The named test fails."""
    started = time.monotonic()
    with workshop.planted(bug):
        assert workshop.failed_and_passed([bug]) == (1, 0), f"no test noticed that this is broken: {bug.rule}"
    say(pytestconfig, f"{bug.name}: found by {bug.fails}", started)


def say(config: pytest.Config, line: str, started: float) -> None:
    """A line of progress with the seconds it took, past what pytest captures."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n  {line} ({time.monotonic() - started:.0f} s)", end="", flush=True)
