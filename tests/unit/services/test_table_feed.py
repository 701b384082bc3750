"""Warehouses beside a job: what is missing is said at once, what fails is told once and tried again."""

from __future__ import annotations

import pytest

from crossfoot.cli import main
from crossfoot.errors import ServiceError
from crossfoot.services.table_feed import Beside, catch_up
from crossfoot.testing.clocks import ManualClock
from tests.beams import Shards
from tests.counting import CLICKS, click
from tests.warehouses import asked, opened

TABLE, WAREHOUSE = "{bigtable: {project: p, instance: i, table: t}}", "{warehouse: {folder: w, feeds: [%s]}}"


@pytest.mark.parametrize(
    ("sinks", "said"),
    [
        (WAREHOUSE % "cells", "the definition names no Bigtable table"),
        (TABLE, "no warehouse of the definition takes cells or counted events"),
        (f"{TABLE}, {WAREHOUSE % 'raw'}", "no warehouse of the definition takes cells or counted events"),
    ],
)
def test_a_definition_with_nothing_to_feed_is_refused(sinks: str, said: str, tmp_path, capsys):
    """By a call error, before anything is reached for."""
    (tmp_path / "clicks.yaml").write_text(f"{CLICKS}sinks: [{sinks}]\n")
    assert main(["beam", "feed", str(tmp_path / "clicks.yaml"), "--once"]) == 2
    assert said in capsys.readouterr().err


def test_what_fails_is_told_and_tried_again(tmp_path):
    """A table that does not answer at first."""
    shards, told = Shards(), []
    shards.leave([click(seq) for seq in range(9)])
    shards.table.left = 0
    beside = Beside([shards.counted(tmp_path)], ManualClock(), told.append)
    try:
        beside.wait(lambda: bool(told))
        shards.table.left = 1 << 60
        beside.wait(lambda: not [key for key in shards.table.rows if key.startswith(b"#ids/")])
    finally:
        beside.finish(60)
    assert told == ["warehouse counted: the table does not answer; it is tried again"]
    assert asked(opened(tmp_path), "SELECT count(*) AS n FROM counted_events") == [{"n": 9}]


def test_who_catches_up_is_told_what_could_not_be_fed(tmp_path):
    shards = Shards()
    shards.leave([click(1)])
    shards.table.left = 0
    with pytest.raises(ServiceError, match="does not answer"):
        catch_up([shards.counted(tmp_path)], lambda: False)
    shards.table.left = 1 << 60
    assert catch_up([shards.counted(tmp_path)], lambda: False) == [("warehouse counted", 1, 1, 0)]
