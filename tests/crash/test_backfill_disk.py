"""A backfill whose disk is full is one clear line; nothing is switched, and with room again it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfoot.generations import number_in_force
from tests.backfilling import assert_rebuilt_agrees
from tests.crash.processes import DEFINITION, SMALL, call, prepare
from tests.crash.test_places import limited, refused

MORE = "metrics:\n  by_country: {by: [[country], []], measures: {clicks: count}, grains: [1h]}\n"


@pytest.mark.parametrize("size", [0, 1_000, 6_000, 20_000])
def test_a_backfill_without_room(tmp_path: Path, size: int):
    prepare(tmp_path)
    (tmp_path / "clicks.yaml").write_text(DEFINITION + "archive: {}\n")
    (tmp_path / "changed.yaml").write_text(DEFINITION.replace("metrics:\n", MORE) + "archive: {}\n")
    assert call(tmp_path, "run", "clicks.yaml", environment=SMALL)[0] == 0
    told = call(tmp_path, "backfill", "changed.yaml", "--yes", environment=SMALL, before=limited(size))
    refused(told, "cannot ", "free some space")
    assert number_in_force(tmp_path / ".crossfoot") == 0
    code, _, error = call(tmp_path, "backfill", "changed.yaml", "--yes", environment=SMALL)
    assert code == 0, error
    assert_rebuilt_agrees(tmp_path / ".crossfoot")
