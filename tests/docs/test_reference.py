"""The reference is made from the code."""

import subprocess
import sys
from pathlib import Path


def test_the_reference_is_up_to_date(project: Path):
    """Every generated page is what the code says today; ``make reference`` writes them again."""
    call = [sys.executable, "scripts/write_reference.py", "--check"]
    result = subprocess.run(call, cwd=project, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
