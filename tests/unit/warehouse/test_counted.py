"""The feeds beside counting: counted events, the ledger, cells; whatever the journal and the checkpoints hold."""

import json
import random

import pytest

from crossfoot import _core
from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.native import read_stream
from crossfoot.query.client import Store
from crossfoot.warehouse.store import quoted
from tests.counting import CLICKS, click, count, lines
from tests.crash.processes import records
from tests.warehouses import FED, SINK, asked, check_counted, opened

START = {"epoch": 0, "file": 0, "taken": {}, "bucket_us": 0, "total": 0, "missing": 0}
STAMPED = FED.replace("received: none", "received: {field: got, unit: iso}") + "accept: {lateness: 1h}\n"


def taken(store, mark, rows_max=1 << 20):
    """The ids since a mark as rows, and the mark behind them."""
    stream, text, _ = _core.counted_since(str(store), json.dumps(mark), rows_max)
    return read_stream(stream)["uuid"].to_pylist(), json.loads(text)


def test_counted_events_the_ledger_and_cells_are_there_after_a_run(tmp_path):
    (tmp_path / "clicks.jsonl").write_bytes(lines(records(300)))
    count(tmp_path, STAMPED)
    warehouse = opened(tmp_path, STAMPED)
    check_counted(warehouse, tmp_path / "store")
    check_cells(warehouse, tmp_path / "store")


def test_a_second_run_adds_what_is_new(tmp_path):
    for part in range(3):
        (tmp_path / "clicks.jsonl").write_bytes(lines(records(100 * (part + 1))[: 110 * (part + 1)]))
        count(tmp_path, STAMPED)
        check_counted(opened(tmp_path, STAMPED), tmp_path / "store")
    check_cells(opened(tmp_path, STAMPED), tmp_path / "store")


def check_cells(warehouse, store):
    """The newest cells of a table are those that a query gives."""
    for by in ((), ("page",), ("page", "country")):
        names = [*by, "window", "clicks", "paid", "ms", "slowest", "mean"]
        wanted = Store.open(store).query("clicks", by=by, grain="1h").to_arrow().select(names).to_pylist()
        where = f"WHERE \"by\" = '{','.join(by)}' AND grain = '1h'"
        found = asked(
            warehouse, f"SELECT {', '.join(map(quoted, names))} FROM cells_clicks_latest {where} ORDER BY ALL"
        )
        assert sorted(found, key=str) == sorted(wanted, key=str)


def test_a_dimension_of_any_type_is_a_text_that_says_which(tmp_path):
    text = FED.replace("page: {path: page, type: text}", "page: page")
    pages = ["a", "1", 1, True, "true", None, "null", '"', '"b"']
    (tmp_path / "clicks.jsonl").write_bytes(lines(click(n, page=page) for n, page in enumerate(pages)))
    count(tmp_path, text)
    sql = """SELECT page FROM cells_clicks_latest WHERE "by" = 'page' AND grain = '1h' ORDER BY page NULLS FIRST"""
    found = [row["page"] for row in asked(opened(tmp_path, text), sql)]
    assert found == [None, '"', '"1"', '"\\"b\\""', '"null"', '"true"', "1", "a", "true"]


@pytest.mark.parametrize("seed", range(20))
def test_ids_are_taken_once_across_checkpoints(seed, tmp_path):
    """Epochs, checkpoints and takings in any order, in parts of any size: every id once, none is left."""
    moves, definition = random.Random(seed), load_text(CLICKS)
    engine = EmbeddedEngine(tmp_path, definition)
    engine.register(["p"])
    engine.commit()
    seen, mark, n = [], START, 0
    for _ in range(40):
        move = moves.choice(["commit", "commit", "checkpoint", "take", "reopen"])
        if move == "commit":
            times = [f"2015-{moves.randrange(1, 13):02}-12T10:00:00Z" for _ in range(moves.randrange(1, 9))]
            engine.feed("p", lines(click(n + k, at) for k, at in enumerate(times)), 0)
            n += len(times)
            engine.commit()
        elif move == "checkpoint":
            engine.checkpoint()
        elif move == "take":
            more, mark = taken(tmp_path, mark, moves.choice([1, 3, 1000]))
            seen += more
        else:
            engine.abandon()
            engine = EmbeddedEngine(tmp_path, definition)
    while more := taken(tmp_path, mark)[0]:
        seen += more
        mark = taken(tmp_path, mark)[1]
    engine.close()
    assert (len(seen), len(set(seen)), mark["missing"]) == (n, n, 0)
    assert taken(tmp_path, mark)[0] == []


def test_ids_that_were_forgotten_are_counted_as_missing(tmp_path):
    """An export that begins late says how many counted events it can never have."""
    stamped = STAMPED.replace(SINK, "")
    definition = load_text(stamped.replace("lateness: 1h", "lateness: 1h, horizon: 2h, bucket: 1h"))
    engine = EmbeddedEngine(tmp_path, definition)
    engine.register(["p"])
    for day in range(10, 14):
        at = f"2015-09-{day}T10:00:00Z"
        engine.feed("p", lines(click(10 * day + k, at, got=at) for k in range(3)), 1_600_000_000_000_000)
        engine.commit()
        engine.checkpoint()
    engine.close()
    seen, mark = taken(tmp_path, START)
    assert mark["missing"] > 0
    assert len(seen) + mark["missing"] == 12
