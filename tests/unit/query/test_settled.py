"""Answers of two counts: what a batch has settled, and what the store counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crossfoot import Store
from crossfoot.cli import main
from crossfoot.definition.load import load_file, load_text
from crossfoot.errors import CallError, DataError
from crossfoot.services.batch import Job, run
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.stores.settled import Settled, joined
from crossfoot.testing.clocks import ManualClock
from tests.counting import count

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


def old(folder: Path, out: str = "old", text: str = TEXT, **job: Any) -> None:
    loaded, place = load_text(text), Place(folder, folder, (folder / out,))
    made = Job(loaded, folder / out, folder / ".crossfoot", (), place, drop_late_us=HOUR_US, **job)
    run(made, Settings(), Watch(clock=ManualClock(NOW_US)))


@contextmanager
def settled_in(folder: Path, out: str) -> Iterator[Path]:
    """The store takes visits from another batch."""
    names = folder / ".crossfoot" / "settled.json"
    before = names.read_bytes()
    names.write_text(json.dumps({"visits": str(folder / out)}))
    try:
        yield folder / out
    finally:
        names.write_bytes(before)


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
    for since, until in ((10, 11), (12, 13)):
        old(folder, "chosen", since_us=NOW_US - (14 - since) * HOUR_US, until_us=NOW_US - (14 - until) * HOUR_US)
    with settled_in(folder, "chosen"):
        result = store.query("visits", grain="1h", since="2025-03-10T10:00Z")
    assert [row["visits"] for row in result.rows()] == [1, 1, 1, 1]
    assert [part.batch is None for part in result.facts.parts] == [False, True, False, True]


def test_a_batch_that_has_not_run_settles_nothing(tmp_path):
    """No folder yet, an empty one, and notes that are damaged."""
    assert Settled(tmp_path / "none").spans == []
    (tmp_path / "_done.ndjson").write_text('{"of": "x"}\n{"settled": [null')
    assert Settled(tmp_path).spans == []
    (tmp_path / "_done.ndjson").write_text('{"of": "x"}\n{"settled": 1}\n')
    with pytest.raises(DataError, match="the notes of the batch are damaged"):
        Settled(tmp_path)
    with pytest.raises(DataError, match=r"the notes of the batch cannot be read: .*Not a directory"):
        Settled(tmp_path / "_done.ndjson")


def run_at(folder: Path, hour: int, *visits: dict[str, Any]) -> None:
    """Count these too; the clock says so many hours after ten."""
    with (folder / "visits.jsonl").open("a") as file:
        file.writelines(json.dumps(each) + "\n" for each in visits)
    count(folder, TEXT, watch=Watch(clock=ManualClock(NOW_US + (hour - 4) * HOUR_US)))


@pytest.mark.parametrize("lost", [1, 2])
def test_an_archive_that_lost_something_settles_what_came_after(tmp_path, lost):
    """Hours that were not over when the archive was whole again may lack events, wherever they are lost."""
    run_at(tmp_path, 1, visit(1, "10:10", "10:11"))
    run_at(tmp_path, 2, visit(2, "11:10", "11:11"))
    run_at(tmp_path, 3, visit(3, "11:20", "12:50"), visit(4, "12:10", "12:10"))
    run_at(tmp_path, 6, visit(5, "14:10", "14:10"), visit(6, "15:10", "15:10"))
    parts = sorted((tmp_path / "store" / "archive").glob("day=2025*/*.parquet"))
    parts[lost - 1].unlink()
    place = Place(tmp_path, tmp_path, (tmp_path / "old",))
    made = Job(load_text(TEXT), tmp_path / "old", tmp_path / "store", (), place)
    assert run(made, Settings(), Watch()).lost
    assert Settled(tmp_path / "old").spans == [(NOW_US + (lost + 1 - 4 + 1) * HOUR_US, NOW_US + HOUR_US)]


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
    out = folder / "plain"
    place = Place(folder, folder, (out,))
    run(Job(load_file(folder / "visits.yaml"), out, folder / ".crossfoot", (), place), Settings(), Watch())
    with settled_in(folder, "plain"):
        both = store.query("visits", grain=grain, **asked)
    assert both.facts.parts != ()
    assert both.table.equals(store.query("visits", grain=grain, live=True, **asked).table)


@pytest.mark.parametrize(
    ("part", "of", "text"),
    [
        ("metrics.visits", "  visits:\n", "  seen:\n"),
        ("metrics.visits", "  visits:\n", "  visits:\n    where: page = 'a'\n"),
        ("metrics.visits", "paid: sum(paid), ", ""),
        ("metrics.visits", "sum(paid)", "min(paid)"),
        ("metrics.visits", "    by: [[page], []]\n", "    by: [[page, user], []]\n"),
        ("metrics.visits", "[15m, 1h, 1d]", "[1h, 1d]"),
        ("event.where", "  id: seq\n", "  id: seq\n  where: page = 'a'\n"),
        ("event.id", "id: seq", "id: [seq, page]"),
        ("event.fields.user", "path: user", "path: seq"),
        ("accept.lateness", "lateness: 3h", "lateness: 2h"),
        ("accept.lateness", "lateness: 3h", "lateness: 4h"),
    ],
)
def test_a_batch_of_another_definition_is_refused(folder, store, tmp_path, part, of, text):
    """Whatever would give the metric other cells; what the store alone answers is answered."""
    assert of in TEXT
    out = str(tmp_path / "other")
    old(folder, out, TEXT.replace(of, text, 1))
    with settled_in(folder, out), pytest.raises(DataError, match=f"was made by another definition: {part}$") as refused:
        store.query("visits", grain="1h")
    assert "--live" in refused.value.hint
    with settled_in(folder, out):
        assert len(store.query("visits", grain="1h", live=True)) == 4
        assert len(store.query("visits", grain="1h", since="2025-03-10T13:00Z")) == 1


@pytest.mark.parametrize(
    ("of", "text"),
    [
        ("  people:", "  persons:"),
        ("grains: [15m, 1h, 1d]", "grains: [15m, 1h, 1d]\n    retain: {15m: 2d}"),
        ("lateness: 3h", "lateness: 3h, out_of_order: 1m"),
        ("archive: {bytes: 100000000}\n", "archive: {bytes: 100000000}\nmonitor: {}\n"),
    ],
)
def test_a_definition_with_the_same_cells_is_taken(folder, store, tmp_path, of, text):
    """Other metrics, how long windows are kept, what is looked at."""
    assert of in TEXT
    out = str(tmp_path / "other")
    old(folder, out, TEXT.replace(of, text, 1))
    with settled_in(folder, out):
        assert len(store.query("visits", grain="1h").facts.parts) == 2


@pytest.mark.parametrize(
    ("data", "error"), [(None, "is missing"), (b"PAR1 and no more", "is damaged"), (b"", "is damaged")]
)
def test_a_file_of_a_settled_window_that_is_not_whole_is_named(folder, store, tmp_path, data, error):
    """No window vanishes; where the file is not asked for nothing is wrong. The batch writes what is missing."""
    out = str(tmp_path / "other")
    old(folder, out)
    file = Path(out) / "metric=visits/by=-/grain=1h/hour=2025-03-10T11/cells.parquet"
    file.unlink() if data is None else file.write_bytes(data)
    with settled_in(folder, out):
        with pytest.raises(DataError, match=f"a file of the batch {error}: {file}"):
            store.query("visits", grain="1h")
        assert len(store.query("visits", by=["page"], grain="1h")) == 4
        file.unlink(missing_ok=True)
        old(folder, out)
        assert len(store.query("visits", grain="1h")) == 4


def test_a_file_with_other_columns_is_damaged(folder, store, tmp_path):
    """It was put there by somebody else."""
    out = tmp_path / "other"
    old(folder, str(out))
    table = out / "metric=visits/by=-/grain=1h"
    (table / "hour=2025-03-10T11/cells.parquet").write_bytes(
        (out / "metric=people/by=-/grain=1h/hour=2025-03-10T11/cells.parquet").read_bytes()
    )
    with settled_in(folder, str(out)), pytest.raises(DataError, match="a file of the batch is damaged"):
        store.query("visits", grain="1h")


def test_a_definition_that_changed_since_is_noticed(folder, store):
    """A store that goes on with another field has the same cells; one that accepts more has not."""
    kept = folder / ".crossfoot" / "definition.yaml"
    before = kept.read_bytes()
    try:
        kept.write_text(TEXT.replace("  fields:\n", "  fields:\n    device: {path: device, type: text}\n"))
        assert len(store.query("visits", grain="1h").facts.parts) == 2
        kept.write_text(TEXT.replace("lateness: 3h", "lateness: 5h"))
        with pytest.raises(DataError, match=r"accept\.lateness"):
            store.query("visits", grain="1h")
    finally:
        kept.write_bytes(before)
