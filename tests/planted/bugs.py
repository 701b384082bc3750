"""Planted bugs: patch files that break one rule each, and name the test that must fail with them.

The head of a patch is two lines, ``rule: …`` and ``fails: …``; a test is named as ``path::name``, with the parameters
in brackets for pytest and with the path of modules for a unit test in ``crates/core/src``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).parent
PATCHES = sorted(HOME.glob("*.patch"))


@dataclass(frozen=True, slots=True)
class Bug:
    """What a patch breaks, and which test says so."""

    patch: Path
    rule: str
    fails: str

    @property
    def name(self) -> str:
        return self.patch.stem

    @property
    def place(self) -> str:
        """The file of the named test."""
        return self.fails.partition("::")[0]

    @property
    def test(self) -> str:
        """The name of the test in its file."""
        return self.fails.partition("::")[2]


def read(patch: Path) -> Bug:
    """The bug of a patch file."""
    rule, fails = patch.read_text(encoding="utf-8").splitlines()[:2]
    assert rule.startswith("rule: "), patch
    assert fails.startswith("fails: "), patch
    return Bug(patch, rule.removeprefix("rule: "), fails.removeprefix("fails: "))


BUGS = [read(patch) for patch in PATCHES]


def apply(bug: Bug, tree: Path, *, only_check: bool = False, reverse: bool = False) -> None:
    """Apply a patch to a tree, take it back, or only see whether it fits. No context may differ."""
    flags = {"--check": only_check, "--reverse": reverse}
    command = ["git", "apply", *(flag for flag, wanted in flags.items() if wanted), str(bug.patch)]
    if shutil.which("git") is None:
        flags = {"--dry-run": only_check, "--reverse": reverse}
        chosen = [flag for flag, wanted in flags.items() if wanted]
        command = ["patch", "--strip=1", "--fuzz=0", "--force", "--silent", *chosen, f"--input={bug.patch}"]
    # Inside a repository, git would leave out what is not below its root: the tree may lie in another one.
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{bug.name} does not fit the sources, make it anew: {done.stdout}{done.stderr}"
