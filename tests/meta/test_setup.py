"""What `make setup` and `.ci/run` say when something is missing or failed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.meta.source_tree import ROOT


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of programs that satisfies the check; tests spoil one of them."""
    for name in ("sh", "sed"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    for name, says in {"rustc": "rustc 1.88.0 (x)", "cargo": "cargo 1.88.0", "cc": "cc", "python3": ""}.items():
        program(tmp_path, name, f'echo "{says}"')
    program(tmp_path, "python3", f'exec "{sys.executable}" "$@"')
    return tmp_path


def program(folder: Path, name: str, body: str) -> None:
    """Write a small program."""
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def check(tools: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the check with nothing but these programs."""
    script = ROOT / "scripts" / "check-tools.sh"
    environment = {"PATH": str(tools)} | variables
    return subprocess.run([tools / "sh", script], env=environment, capture_output=True, text=True)


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_good_tools_name_the_python(tools: Path):
    """With everything there, the Python to use is printed."""
    result = check(tools)
    assert (result.returncode, result.stdout, result.stderr) == (0, "python3\n", "")


def test_an_old_rust_is_refused(tools: Path):
    """A Rust below 1.88 gives its version and the way to renew it."""
    program(tools, "rustc", 'echo "rustc 1.87.0 (x)"')
    assert "this is 1.87; renew it with 'rustup update stable'" in refusal(check(tools))


@pytest.mark.parametrize("name", ["rustc", "cargo"])
def test_a_missing_rust_is_refused(tools: Path, name: str):
    """Without Rust the way to get it is named."""
    (tools / name).unlink()
    assert "get it from https://rustup.rs" in refusal(check(tools))


def test_a_missing_linker_is_refused(tools: Path):
    """Without a C linker the package is named."""
    (tools / "cc").unlink()
    assert "sudo apt install gcc libc6-dev" in refusal(check(tools))


def test_an_old_python_is_refused(tools: Path):
    """A Python below 3.11 gives the ways to get a newer one."""
    program(tools, "python3", "exit 1")
    assert "Python 3.11 or newer is needed" in refusal(check(tools))


def test_a_named_python_is_not_replaced(tools: Path):
    """If the Python that was named is too old, no other is taken in its place."""
    program(tools, "old", "exit 1")
    assert "Python 3.11 or newer is needed" in refusal(check(tools, PYTHON="old"))


def total(tmp_path: Path, *logs: str) -> subprocess.CompletedProcess[str]:
    """Add up logs."""
    files = [tmp_path / str(number) for number in range(len(logs))]
    for file, log in zip(files, logs, strict=True):
        file.write_text(log)
    return subprocess.run([sys.executable, ROOT / "scripts" / "sum_tests.py", *files], capture_output=True, text=True)


def test_closing_lines_are_added_up(tmp_path: Path):
    """cargo's and pytest's counts are one sum."""
    log = """\
test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
1 failed, 5 passed, 2 skipped, 3 deselected, 1 error in 61.20s (0:01:01)
"""
    assert total(tmp_path, log).stdout == "14 passed, 3 failed, 3 skipped\n"


def test_logs_are_added_up(tmp_path: Path):
    """Those of the suite and of the services are one sum."""
    assert total(tmp_path, "5 passed in 1.00s\n", "2 passed, 1 skipped in 3.00s\n").stdout == (
        "7 passed, 0 failed, 1 skipped\n"
    )


@pytest.mark.parametrize("others", [(), ("5 passed in 1.00s\n",)])
def test_a_log_without_pytest_is_an_error(tmp_path: Path, others: tuple[str, ...]):
    """A run that never reached pytest is not counted as one without failures, whatever stands beside it."""
    result = total(tmp_path, *others, "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured\n")
    assert result.returncode != 0
