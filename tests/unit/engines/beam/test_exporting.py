"""What an exported pipeline needs is what this project says that it needs."""

from __future__ import annotations

import re
import tomllib

from crossfoot.engines.beam.exporting import PACKAGES, requirements
from tests.meta.source_tree import ROOT


def test_the_packages_are_those_of_the_project():
    """And of its extras beam, bigquery and objects."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["beam"], *extras["bigquery"], *extras["objects"]]
    assert set(PACKAGES) == {re.split("[><=]", text)[0] for text in declared}


def test_all_that_they_lead_to_is_pinned():
    """One line for each, which Beam's workers can be given: this project's wheel comes by another way."""
    lines = [line for line in requirements("p.py", "p-requirements.txt").splitlines() if not line.startswith("#")]
    names = [line.split("==")[0] for line in lines]
    assert all(re.fullmatch(r"[a-z0-9-]+(\[gcp\])?==[^=]+", line) for line in lines)
    assert {"msgspec", "rich", "markdown-it-py", "mdurl"} <= set(names)
    assert (len(set(names)), "crossfoot" in names) == (len(names), False)
