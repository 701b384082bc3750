"""What `beam run` does beside the job that it follows. The job itself is none here: it is done at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfoot.cli import main
from crossfoot.cli.beam import _fed
from crossfoot.engines.beam import beginning, runners, submit
from crossfoot.seen.state import SinkState
from crossfoot.services import table_feed
from crossfoot.sinks.table_feeds import TableCounted
from tests.beams import Shards
from tests.counting import click
from tests.warehouses import FED, asked, opened


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shards:
    """A table with the cells of a job, which ends as soon as it is begun."""
    made = Shards()
    made.leave([click(seq) for seq in range(9)])
    monkeypatch.setattr(runners, "need_beam", lambda: None)
    monkeypatch.setattr(beginning, "begin", lambda *_, claimed: claimed())
    monkeypatch.setattr(submit, "follow", lambda *_: "DONE")
    (tmp_path / "clicks.yaml").write_text(FED.replace("[{", "[{bigtable: {project: p, instance: i, table: t}}, {"))
    (tmp_path / "clicks.jsonl").touch()
    return made


def run(folder: Path, *more: str) -> int:
    return main(["beam", "run", str(folder / "clicks.yaml"), "--runner", "direct", *more])


def test_who_feeds_a_warehouse_says_how_far_it_is(shards: Shards, tmp_path: Path, monkeypatch, capsys):
    """And no other one is asked for it."""
    made: list[TableCounted] = []

    def feeds_of(*_: object) -> list[TableCounted]:
        made.append(shards.counted(tmp_path))
        return made[-1:]

    monkeypatch.setattr(table_feed, "feeds_of", feeds_of)
    assert run(tmp_path) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"clicks: done\nwarehouse counted: up to epoch {made[0].epoch}\n")
    assert (len(made), made[0].epoch > 0) == (1, True)
    assert asked(opened(tmp_path), "SELECT count(*) AS n FROM counted_events") == [{"n": 9}]


def test_a_warehouse_that_is_behind_at_the_end_is_an_error(shards: Shards, tmp_path: Path, monkeypatch, capsys):
    """With what brings it up to date."""
    monkeypatch.setattr(table_feed, "feeds_of", lambda *_: [shards.cells(tmp_path)])
    shards.table.left = 0
    assert run(tmp_path) == 6
    said = capsys.readouterr()
    assert said.out == "clicks: done\n"
    assert "error: warehouse cells is behind: the table does not answer\nnext: bring it up to date:" in said.err


def test_what_fails_meanwhile_is_told_where_no_person_looks(capsys: pytest.CaptureFixture[str]):
    """As services do that run for days."""
    with _fed([]) as beside:
        beside._notes.of([SinkState("warehouse cells", 0, 0, 0, failing="the table does not answer", attempts=1)])
    assert capsys.readouterr().err == "warehouse cells: the table does not answer; it is tried again\n"


@pytest.mark.usefixtures("shards")
def test_standard_input_is_no_file_of_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(tmp_path, "--input", "-") == 2
    assert "error: workers of Beam do not see standard input" in capsys.readouterr().err
