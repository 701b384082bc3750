"""Cells that have changed since a mark."""

import json
from itertools import chain

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.sinks.cells import changed, messages
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import BOUNDED, click, clicks_engine, feed
from tests.unit.sinks.folding import fold, queried


@pytest.fixture
def engine(tmp_path):
    with clicks_engine(tmp_path / "store") as made:
        yield made


def since(engine: EmbeddedEngine, mark=(0, 0)) -> tuple[dict[bytes, dict], tuple[int, int]]:
    """The changed cells, and the mark of who has them."""
    store = EmbeddedStore(engine.path, mark)
    cells = fold(message for each in changed(store) for message in messages(each, store.meta["epoch"]))
    return cells, store.mark


def keys(cells: dict[bytes, dict], grain: str, *by: str) -> list[list]:
    found = [json.loads(key) for key in cells]
    return sorted(key["values"] for key in found if key["grain"] == grain and key["by"] == list(by))


def test_a_key_is_canonical_and_a_value_is_absolute(engine):
    """One key for one cell, whoever makes it; texts and numbers as `query` has them."""
    feed(engine, click(1, page="é"))
    store = EmbeddedStore(engine.path, (0, 0))
    sent = dict(message for each in changed(store) for message in messages(each, 7))
    key = '{"by":["page"],"grain":"1m","metric":"clicks","values":["é"],"window":"2015-09-12T10:00:00Z"}'
    value = '{"epoch":7,"measures":{"clicks":1,"mean":5.0,"ms":5,"paid":"0.10","slowest":5}}'
    assert sent[key.encode()] == value.encode()


def test_without_a_mark_everything_has_changed(engine):
    """From the journal, and from segments."""
    feed(engine, click(1), click(2, page="b"))
    assert since(engine)[0] == queried(engine.path)
    engine.checkpoint()
    feed(engine, click(3, country=None))
    assert since(engine)[0] == queried(engine.path)


def test_only_what_frames_after_the_mark_have_touched_has_changed(engine):
    """With the values of all epochs."""
    feed(engine, click(1), click(2, page="b"))
    _, mark = since(engine)
    feed(engine, click(3, page="b"), click(4, page="c"))
    cells, _ = since(engine, mark)
    assert keys(cells, "1m", "page") == [["b"], ["c"]]
    assert cells.items() <= queried(engine.path).items()


def test_values_are_added_up_over_segments_and_journal(engine):
    """A cell of a checkpoint that is touched again."""
    feed(engine, click(1), click(2, page="b"))
    engine.checkpoint()
    _, mark = since(engine)
    feed(engine, click(3, page="b"))
    cells, _ = since(engine, mark)
    assert keys(cells, "1h", "page") == [["b"]]
    assert [measures["clicks"] for key, measures in cells.items() if b'"b"' in key] == [2] * 6
    assert cells.items() <= queried(engine.path).items()


def test_a_mark_behind_a_checkpoint_finds_what_the_segments_since_hold(engine):
    """Older segments are not among them."""
    feed(engine, click(1))
    engine.checkpoint()
    _, mark = since(engine)
    feed(engine, click(2, page="b"))
    engine.checkpoint()
    feed(engine, click(3, page="c"))
    cells, _ = since(engine, mark)
    assert keys(cells, "1d Europe/Paris", "page") == [["b"], ["c"]]
    assert cells.items() <= queried(engine.path).items()


def test_nothing_has_changed_since_now(engine):
    """Also after a checkpoint, which changes no cell."""
    feed(engine, click(1))
    _, mark = since(engine)
    assert since(engine, mark)[0] == {}
    engine.checkpoint()
    assert since(engine, mark)[0] == {}


def test_a_store_that_stays_open_tells_what_changed_since_it_was_taken(engine):
    """Also of a journal that a checkpoint has moved into segments since."""
    feed(engine, click(1), click(2, page="b"))
    store = EmbeddedStore(engine.path, (0, 0))
    store.taken()
    feed(engine, click(3, page="b"))
    store.refresh()
    engine.checkpoint()
    feed(engine, click(4, page="c"))
    store.refresh()
    pages = [page for part in store.changed(0, 1, 0) for page in part.column("page").to_pylist()]
    assert pages == ["b", "c"]
    store.taken()
    assert list(store.changed(0, 1, 0)) == []


def test_changed_cells_come_in_parts(engine, monkeypatch):
    """Each cell once, in their order, whatever their number; from the journal and from segments."""
    monkeypatch.setattr("crossfoot.stores.embedded._CHANGED_CELLS", 3)
    for moved in (False, True):
        feed(engine, *[click(number + 100 * moved, page=f"{number:02}") for number in range(10)])
        if moved:
            engine.checkpoint()
        parts = [part.column("page").to_pylist() for part in EmbeddedStore(engine.path, (0, 0)).changed(0, 1, 0)]
        assert [len(part) for part in parts] == [3, 3, 3, 1]
        assert list(chain(*parts)) == [f"{number:02}" for number in range(10)]


def test_the_row_of_further_values_has_a_key_of_its_own(tmp_path):
    """It is neither null nor the text, and a later epoch changes it in place."""
    engine = EmbeddedEngine(tmp_path / "bounded", load_text(BOUNDED))
    engine.register(["a"])
    feed(engine, click(1, page=None), click(2, page="b"))
    before, mark = since(engine)
    feed(engine, click(3, page="(other)"))
    after, _ = since(engine, mark)
    key = b'{"(other)":true,"by":["page"],"grain":"1m","metric":"clicks","window":"2015-09-12T10:00:00Z"}'
    assert (before[key]["clicks"], after[key]["clicks"]) == (1, 2)
    assert {**before, **after} == queried(engine.path)
    engine.abandon()
