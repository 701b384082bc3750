"""Answers of two counts: what a batch has settled, and what the store counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossfoot import Store
from crossfoot.cli import main
from crossfoot.definition.load import load_file
from crossfoot.errors import CallError, DataError
from crossfoot.services.batch import Job, Watch, run
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.stores.settled import Settled, joined
from crossfoot.testing.clocks import ManualClock

TEXT = """
crossfoot: 1
namespace: visits
source: {files: visits.jsonl, format: json}
event:
  time: {field: at, unit: iso}
  received: {field: got, unit: iso}
  id: seq
  fields:
    page: {path: page, type: text}
    paid: {path: paid, type: decimal(2)}
    user: {path: user, type: integer}
accept: {lateness: 3h}
archive: {bytes: 100000000}
metrics:
  visits:
    by: [[page], []]
    measures: {visits: count, paid: sum(paid), most: max(user)}
    grains: [15m, 1h, 1d]
    settled: {batch: old}
  people: {by: [[page], []], measures: {users: distinct(user)}, grains: [1h, 1d], settled: {batch: old}}
  alone: {by: [[]], measures: {visits: count}, grains: [1h]}
"""
NOW_US = 1_741_615_200_000_000  # 2025-03-10T14:00Z
HOUR_US = 3_600_000_000


def visit(seq: int, at: str, got: str, **values: Any) -> dict[str, Any]:
    day = "2025-03-10T"
    return {"seq": seq, "at": f"{day}{at}:00Z", "got": f"{day}{got}:00Z", "page": "a", "paid": "1.50", **values}


VISITS = [
    visit(1, "10:10", "10:11", user=7),
    visit(2, "10:40", "12:30", user=9, page=None),  # later than an hour after the end of its hour
    visit(3, "11:05", "11:05", user=8),
    visit(4, "12:05", "12:31", user=7),
    visit(5, "13:05", "13:05", user=1, page="b"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that counts all five, and an old batch that computes an hour one hour after its end, at 14:00."""
    folder = tmp_path_factory.mktemp("settled")
    (folder / "visits.yaml").write_text(TEXT)
    (folder / "visits.jsonl").write_text("".join(json.dumps(each) + "\n" for each in VISITS))
    assert main(["run", str(folder / "visits.yaml"), "--format", "json"]) == 0
    old(folder, since_us=None)
    return folder


def old(folder: Path, out: str = "old", **job: Any) -> None:
    loaded, place = load_file(folder / "visits.yaml"), Place(folder, folder, (folder / out,))
    made = Job(loaded, folder / out, folder / ".crossfoot", (), place, drop_late_us=HOUR_US, **job)
    run(made, Settings(), Watch(clock=ManualClock(NOW_US)))


@pytest.fixture
def store(folder: Path) -> Store:
    return Store.open(folder / ".crossfoot")


def test_settled_hours_are_the_batchs_and_fresh_ones_the_stores(store):
    """Hours before 13:00 were over for an hour at 14:00: there the late visit is missing, as in the old pipeline."""
    rows = store.query("visits", by=["page"], grain="1h").rows()
    assert [(row["page"], row["window"][11:16], row["visits"], row["paid"]) for row in rows] == [
        ("a", "10:00", 1, "1.50"),
        ("a", "11:00", 1, "1.50"),
        ("a", "12:00", 1, "1.50"),
        ("b", "13:00", 1, "1.50"),
    ]
    alive = store.query("visits", by=["page"], grain="1h", live=True).rows()
    assert [row["visits"] for row in alive if row["page"] is None] == [1]


def test_an_answer_says_which_is_which(store, folder):
    """The parts, in order; an answer of the store alone has none."""
    facts = store.query("visits", grain="1h").facts
    assert [(part.since_us, part.until_us, part.batch) for part in facts.parts] == [
        (None, NOW_US - HOUR_US, str(folder / "old")),
        (NOW_US - HOUR_US, None, None),
    ]
    assert store.query("visits", grain="1h", live=True).facts.parts == ()
    assert store.query("alone", grain="1h").facts.parts == ()
    assert store.query("visits", grain="1h", since="2025-03-10T13:00Z").facts.parts == ()


def test_what_adds_up_is_added_up_over_both(store):
    """A day of which only hours are settled: its settled hours are the batch's, the rest is the store's."""
    (day,) = store.query("visits", grain="1d").rows()
    assert (day["visits"], day["paid"], day["most"]) == (4, "6.00", 8)
    (whole,) = store.query("visits").rows()
    assert (whole["window"], whole["visits"]) == (None, 4)
    assert store.query("visits", grain="1d", live=True).rows()[0]["visits"] == 5


def test_a_range_inside_the_settled_part_asks_nobody_else(store):
    """Also where it is empty, and with a condition."""
    asked = {"grain": "15m", "since": "2025-03-10T10:00Z", "until": "2025-03-10T11:00Z"}
    (row,) = store.query("visits", by=["page"], where="page = 'a'", **asked).rows()
    assert (row["window"], row["visits"]) == ("2025-03-10T10:00:00Z", 1)
    assert store.query("visits", by=["page"], where="page = 'z'", **asked).rows() == []
    assert len(store.query("visits", **asked).facts.parts) == 1


def test_distinct_values_are_taken_as_they_stand(store):
    """A stored table of the batch has its own number; a day that is not over is the store's, whole."""
    assert [row["users"] for row in store.query("people", grain="1h").rows()] == [1, 1, 1, 1]
    assert [row["users"] for row in store.query("people", grain="1d").rows()] == [4]
    with pytest.raises(CallError, match="people by windows of 2h cannot be added up of what the batch has settled"):
        store.query("people", grain="2h")
    assert [row["users"] for row in store.query("people", grain="2h", live=True).rows()] == [3, 2]


def test_only_chosen_hours_are_settled(folder, store):
    """The hours of two passes; what lies between is the store's."""
    chosen = folder / ".crossfoot" / "settled.json"
    named = chosen.read_bytes()
    for since, until in ((10, 11), (12, 13)):
        old(folder, "chosen", since_us=NOW_US - (14 - since) * HOUR_US, until_us=NOW_US - (14 - until) * HOUR_US)
    chosen.write_text(json.dumps({"visits": str(folder / "chosen")}))
    try:
        result = store.query("visits", grain="1h", since="2025-03-10T10:00Z")
    finally:
        chosen.write_bytes(named)
    assert [row["visits"] for row in result.rows()] == [1, 1, 1, 1]
    assert [part.batch is None for part in result.facts.parts] == [False, True, False, True]


def test_a_batch_that_has_not_run_settles_nothing(tmp_path):
    """No folder yet, an empty one, and notes that are damaged."""
    assert Settled(tmp_path / "none").spans == []
    (tmp_path / "_done.ndjson").write_text('{"of": "x"}\n{"settled": [null')
    assert Settled(tmp_path).spans == []
    (tmp_path / "_done.ndjson").write_text('{"settled": 1}\n')
    with pytest.raises(DataError, match="the notes of the batch are damaged"):
        Settled(tmp_path)


def test_spans_are_joined():
    """In any order, where they meet or overlap."""
    assert joined([(5, 7), (None, 3), (3, 4), (6, 9)]) == [(None, 4), (5, 9)]


def test_the_command_says_it_too(folder, capsys):
    """Parts in the JSON form; `--live` leaves them out."""
    asked = ["query", "visits", "--store", str(folder / ".crossfoot"), "--grain", "1h", "--format", "json"]
    assert main(asked) == 0
    parts = json.loads(capsys.readouterr().out)["parts"]
    assert parts[0] == {"from": "batch", "since": None, "until": "2025-03-10T13:00:00Z", "folder": str(folder / "old")}
    assert parts[1] == {"from": "store", "since": "2025-03-10T13:00:00Z", "until": None}
    assert main([*asked, "--live"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"] == []


def test_naming_a_batch_changes_nothing_that_is_kept(folder, tmp_path):
    """The store goes on when the definition names another folder, or none."""
    text = TEXT.replace("    settled: {batch: old}\n", "").replace(", settled: {batch: old}", "")
    (tmp_path / "visits.yaml").write_text(text)
    (tmp_path / "visits.jsonl").write_bytes((folder / "visits.jsonl").read_bytes())
    assert main(["run", str(tmp_path / "visits.yaml"), "--format", "json"]) == 0
    (tmp_path / "visits.yaml").write_text(TEXT)
    assert main(["run", str(tmp_path / "visits.yaml"), "--format", "json"]) == 0
    assert json.loads((tmp_path / ".crossfoot" / "settled.json").read_text())["visits"] == str(tmp_path / "old")
    (tmp_path / "visits.yaml").write_text(text)
    assert main(["run", str(tmp_path / "visits.yaml"), "--format", "json"]) == 0
    assert not (tmp_path / ".crossfoot" / "settled.json").exists()


@pytest.mark.parametrize("grain", ["15m", "1h", "2h", "1d", "all"])
@pytest.mark.parametrize("asked", [{}, {"by": ["page"]}, {"since": "2025-03-10T11:00Z"}, {"where": "page is null"}])
def test_a_batch_that_drops_nothing_gives_the_stores_answer(folder, store, grain, asked):
    """The same table, with the same types and order, though most of it comes from elsewhere."""
    named = folder / ".crossfoot" / "settled.json"
    before, out = named.read_bytes(), folder / "plain"
    place = Place(folder, folder, (out,))
    run(Job(load_file(folder / "visits.yaml"), out, folder / ".crossfoot", (), place), Settings(), Watch())
    named.write_text(json.dumps({"visits": str(out)}))
    try:
        both = store.query("visits", grain=grain, **asked)
    finally:
        named.write_bytes(before)
    assert both.facts.parts != ()
    assert both.table.equals(store.query("visits", grain=grain, live=True, **asked).table)
