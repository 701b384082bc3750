"""The events behind one cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossfoot.cli import main
from crossfoot.definition.load import load_text
from tests.archives import unsealed
from tests.counting import STAMPED, click, count_records

ARCHIVED = STAMPED + "archive: {bytes: 100000000}\n"


def at(seq: int, time: str, got: str, **values: Any) -> dict[str, Any]:
    return click(seq, f"2015-09-12T{time}Z", got=f"2015-09-12T{got}Z", **values)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    records = [
        at(1, "10:10:00", "10:10:01"),
        at(2, "10:20:00", "10:20:01", page="b"),
        at(1, "10:10:00", "10:15:00"),
        at(3, "11:10:00", "11:10:01"),
        at(1, "10:10:00", "11:11:00", ms=6, page="b"),
        at(4, "10:30:00", "11:40:00"),
        at(5, "10:40:00", "11:40:00", page=None),
    ]
    return count_records(tmp_path, records, ARCHIVED)


def asked(store: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[tuple[Any, ...]]:
    """Position, account, mark."""
    assert main(["why", "clicks", "--store", str(store), *words, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    return [(row["position"], row["account"], row["mark"]) for row in rows]


def test_exactly_the_events_of_a_cell(store, capsys):
    """With its copies, also the one that another cell would have, and the one that came too late."""
    found = asked(store, capsys, "--grain", "1h", "--window", "2015-09-12T10:00Z", "--by", "page=a")
    assert found == [
        (0, "counted", None),
        (2, "duplicate", "copy"),
        (4, "too_late", "too late"),
        (5, "too_late", "too late"),
    ]


def test_other_cells(store, capsys):
    """A window of a zone, a value of null, everything, a number."""
    assert [
        row[0] for row in asked(store, capsys, "--by", "page", "--grain", "1h", "--window", "2015-09-12T10:59Z")
    ] == [6]
    assert [row[0] for row in asked(store, capsys, "--by", "page=a", "country=FR")] == [0, 2, 4, 5, 3]
    assert len(asked(store, capsys)) == 7
    day = asked(
        store, capsys, "--grain", "1d Europe/Paris", "--window", "2015-09-12", "--tz", "Europe/Paris", "--limit", "3"
    )
    assert [row[0] for row in day] == [0, 2, 4]
    assert asked(store, capsys, "--grain", "1h", "--window", "2015-09-13T10:00Z") == []


def test_a_row_says_where_an_event_came_from(store, capsys):
    """Source, partition, position, its times."""
    words = ["--grain", "1h", "--window", "2015-09-12T11:00Z", "--format", "csv"]
    assert main(["why", "clicks", "--store", str(store), *words]) == 0
    times = "2015-09-12T11:10:00Z,2015-09-12T11:10:01Z,2015-09-12T11:10:01Z"
    assert capsys.readouterr().out.splitlines() == [
        "source,partition,position,event_time,received,t,account,reason,mark,id",
        f'files,clicks.jsonl,3,{times},counted,"",,3',
    ]


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["clicks", "--grain", "1h"], 2, "error: which window of 1h?"),
        (["clicks", "--grain", "7x"], 2, "error: this is no grain: 7x"),
        (["clicks", "--by", "ms=1"], 2, "error: clicks has no dimension ms"),
        (["nothing"], 2, "error: there is no metric nothing"),
        (["clicks", "--limit", "-1"], 2, "error: --limit cannot be negative: -1"),
        (["clicks", "--store", "elsewhere"], 5, "error: there is no store in elsewhere"),
    ],
)
def test_what_is_refused(store, monkeypatch, capsys, words, code, error):
    """One line and the next step."""
    monkeypatch.chdir(store.parent)
    given = words if "--store" in words else [*words, "--store", "store"]
    assert main(["why", *given]) == code
    assert capsys.readouterr().err.splitlines()[0] == error


def test_an_archive_that_is_not_sealed_yet(tmp_path, capsys):
    """A run has begun: there is an archive, and the next step is not to keep one."""
    with unsealed(tmp_path / "store", load_text(ARCHIVED), b""):
        assert main(["why", "clicks", "--store", str(tmp_path / "store")]) == 5
    assert "the archive is not sealed yet" in capsys.readouterr().err
