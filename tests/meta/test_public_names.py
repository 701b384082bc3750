"""The public names are a promise: they are recorded, and each can be imported."""

import subprocess
import sys
from pathlib import Path

import pytest

import crossfoot

RECORD = "docs/reference/public-names.txt"


def test_public_names_equal_the_record(project: Path):
    """A name joins or leaves the public names only together with the record."""
    assert sorted(crossfoot.__all__) == (project / RECORD).read_text().split()


@pytest.mark.parametrize("name", crossfoot.__all__)
def test_every_public_name_can_be_imported(name: str):
    """Each name leads to an object."""
    assert getattr(crossfoot, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    """A name that is not public is refused as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = crossfoot.nonsense


HEAVY = ("pyarrow", "sqlglot", "duckdb", "pandas", "polars", "rich", "cyclopts", "msgspec", "yaml", "datasketches")


def test_importing_the_package_is_light():
    """``import crossfoot`` loads no library."""
    code = f"import sys, crossfoot; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
