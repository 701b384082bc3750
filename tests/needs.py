"""What a test may need beside the project: absent, the test is skipped with the way to get it, and fails in CI."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

DATA_VARIABLE = "CROSSFOOT_TEST_DATA"
INCLUDED = Path(__file__).resolve().parents[1] / "examples" / "data"


def needs(what: str, how: str) -> NoReturn:
    """End the test that needs it."""
    absent(f"needs {what}; {how}")


def absent(line: str) -> NoReturn:
    """End the test: skipped for a person, failed under ``CI=true``, where nothing may be left out unseen."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)


def shared_data(name: str) -> Path:
    """The path of a real data set: one that comes with the project, or else in the folder of the larger ones."""
    if (included := INCLUDED / name).exists():
        return included
    root = os.environ.get(DATA_VARIABLE)
    if not root:
        needs(f"the data set {name}", f"set {DATA_VARIABLE} to the folder that holds it")
    path = Path(root) / name
    if not path.exists():
        needs(f"the data set {name}", f"it is not in {DATA_VARIABLE}={root}")
    return path
