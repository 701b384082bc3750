"""The stub file of the native module says what the built module has."""

import subprocess
import sys
from pathlib import Path


def test_the_stub_agrees_with_the_extension(project: Path):
    """Names, signatures and kinds are compared by mypy's stubtest, in both directions."""
    command = [sys.executable, "-m", "mypy.stubtest", "crossfoot._core", "--mypy-config-file", "pyproject.toml"]
    result = subprocess.run(
        [*command, "--ignore-disjoint-bases"],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
