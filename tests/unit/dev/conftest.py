"""What the tests of the local stack share."""

from pathlib import Path

import pytest

from tests.unit.dev.fakes import Bin


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bin:
    """An empty PATH to put programs on."""
    return Bin(tmp_path / "bin", monkeypatch)
