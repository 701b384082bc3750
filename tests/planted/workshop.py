"""A copy of the project in which bugs are planted: patched, built with cargo's own caching, tested, and patched back.

It lies below the target folder and not in a new temporary folder each time, because cargo keeps what it built per path.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.planted.bugs import Bug, apply

_BUILT = (".git", ".venv", "target", "dist", "build", "__pycache__", ".*_cache", ".hypothesis", "*.so")
_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True)
class Workshop:
    """The copy and the folder that cargo builds it in."""

    tree: Path
    target: Path

    @contextmanager
    def planted(self, bug: Bug) -> Iterator[None]:
        """The bug is in the copy for a while."""
        apply(bug, self.tree)
        try:
            yield
        finally:
            apply(bug, self.tree, reverse=True)

    def failed_and_passed(self, bugs: Sequence[Bug]) -> tuple[int, int]:
        """Run the tests that bugs name, after building what they need."""
        counts = [self._pytest([bug.fails for bug in bugs if bug.place.endswith(".py")])]
        for place in sorted({bug.place for bug in bugs if bug.place.endswith(".rs")}):
            counts.append(self._cargo_test(place, [bug.test for bug in bugs if bug.place == place]))
        return sum(failed for failed, _ in counts), sum(passed for _, passed in counts)

    def _pytest(self, tests: Sequence[str]) -> tuple[int, int]:
        if not tests:
            return 0, 0
        self._build(["cargo", "build", "--quiet", "--locked", "--package", "crossfoot-py"])
        shutil.copy(self.target / "debug" / "lib_core.so", self.tree / "src" / "crossfoot" / "_core.abi3.so")
        return _counts(self._run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *sorted(set(tests))]))

    def _cargo_test(self, place: str, tests: Sequence[str]) -> tuple[int, int]:
        target = ["--test", Path(place).stem] if "/tests/" in place else ["--lib"]
        command = ["cargo", "test", "--quiet", "--locked", "--package", "crossfoot-core", *target]
        self._build([*command, "--no-run"])
        return _counts(self._run([*command, "--", "--exact", *sorted(set(tests))]))

    def _build(self, command: Sequence[str]) -> None:
        done = self._run(command)
        assert done.returncode == 0, f"the copy cannot be built: {done.stderr[-2000:]}"

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
        environment |= {
            "CARGO_TARGET_DIR": str(self.target),
            "PYO3_PYTHON": sys.executable,
            "PYTHONPATH": str(self.tree / "src"),
            # A patch and its way back may leave a file's size and second as they were.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            command, cwd=self.tree, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S
        )


def _counts(done: subprocess.CompletedProcess[str]) -> tuple[int, int]:
    """How many tests failed and passed, by the last line of pytest or cargo that says it."""
    lines = [line for line in done.stdout.splitlines() if re.search(r"\d+ (failed|passed)", line)]
    assert lines, f"no test was run: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert not re.search(r"\d+ error", lines[-1]), done.stdout[-2000:]
    found = {what: int(number) for number, what in re.findall(r"(\d+) (failed|passed)", lines[-1])}
    return found.get("failed", 0), found.get("passed", 0)


def open_workshop(project: Path) -> Workshop:
    """Copy the project. Copies get new times, so that cargo takes nothing for built that an earlier run left."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", project / "target")).resolve() / "planted"
    shutil.rmtree(target / "tree", ignore_errors=True)
    shutil.copytree(project, target / "tree", ignore=shutil.ignore_patterns(*_BUILT), copy_function=shutil.copy)
    return Workshop(target / "tree", target)
