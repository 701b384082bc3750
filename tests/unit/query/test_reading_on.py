"""A store that stays open while others count."""

import shutil

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.errors import StoreError
from crossfoot.query.client import Store
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.stores.protocol import Scan
from tests.counting import CLICKS, click, clicks_engine, feed


@pytest.fixture
def engine(tmp_path):
    with clicks_engine(tmp_path / "store") as made:
        yield made


def clicks(store: Store) -> int:
    return store.query("clicks").rows()[0]["clicks"]


def test_each_query_sees_the_newest_epoch(engine):
    """The store is not opened again."""
    feed(engine, click(1))
    store = Store.open(engine.path)
    assert clicks(store) == 1
    feed(engine, click(2), click(3))
    assert clicks(store) == 3
    assert store.query("clicks").facts.epoch == store.epoch


def test_a_store_that_does_not_follow_keeps_its_epoch_until_it_is_refreshed(engine):
    """Also for tables that are asked for later, and when checkpoint and merge have removed what it reads."""
    feed(engine, click(1))
    store = Store.open(engine.path, follows=False)
    feed(engine, click(2))
    engine.checkpoint()
    feed(engine, click(3))
    engine.checkpoint()
    assert clicks(store) == 1
    store.refresh()
    assert clicks(store) == 3


def test_a_series_of_one_group_is_read_by_its_key(engine):
    """Each dimension is said to equal something: what others have is not looked at, and the answer is the same."""
    feed(engine, click(1), click(2, page="b"), click(3, "2015-09-12T12:00:00Z", page="b"))
    engine.checkpoint()
    feed(engine, click(4, page="b"), click(5, page=None))
    store = Store.open(engine.path)
    asked = {"by": ["page"], "grain": "1h"}
    series = store.query("clicks", where="page = 'b'", **asked).rows()
    assert series == [row for row in store.query("clicks", **asked).rows() if row["page"] == "b"]
    assert [row["clicks"] for row in series] == [2, 1]
    later = store.query("clicks", where="page = 'b'", since="2015-09-12T11:00:00Z", **asked).rows()
    assert later == series[1:]


def test_a_series_that_is_asked_for_again_has_what_was_counted_since(engine):
    """In cells that it had, in new ones, and in a range that is wider on both sides."""
    feed(engine, click(1, "2015-09-12T12:00:00Z"))
    store = Store.open(engine.path)
    asked = {"grain": "1h", "since": "2015-09-12T12:00Z", "until": "2015-09-12T14:00Z"}
    assert [row["clicks"] for row in store.query("clicks", **asked).rows()] == [1]
    for seq, hour in enumerate((12, 11, 13, 14), 2):
        feed(engine, click(seq, f"2015-09-12T{hour}:00:00Z"))
    assert [row["clicks"] for row in store.query("clicks", **asked).rows()] == [2, 1]
    assert [row["clicks"] for row in store.query("clicks", grain="1h").rows()] == [1, 2, 1, 1]


def test_a_damaged_frame_is_named_as_when_opened_anew(engine):
    """And what it said before, it says no more."""
    feed(engine, click(1))
    store = EmbeddedStore(engine.path)
    journal = engine.path / "journal-00000001"
    whole = journal.stat().st_size
    feed(engine, click(2))
    data = bytearray(journal.read_bytes())
    data[whole + 60] ^= 1
    journal.write_bytes(data)
    with pytest.raises(StoreError) as new:
        EmbeddedStore(engine.path)
    for _ in range(2):
        with pytest.raises(StoreError) as refreshed:
            store.refresh()
        assert str(refreshed.value) == str(new.value)
        assert f"journal-00000001 at byte {whole}" in refreshed.value.message


def test_another_store_in_the_same_folder_is_read_from_its_beginning(engine, tmp_path):
    """Its epochs are others."""
    feed(engine, click(1))
    feed(engine, click(2))
    store = Store.open(engine.path)
    assert clicks(store) == 2
    engine.abandon()
    shutil.rmtree(engine.path)
    other = EmbeddedEngine(tmp_path / "store", load_text(CLICKS))
    other.register(["a"])
    feed(other, click(7))
    assert clicks(store) == 1
    other.abandon()


def test_what_is_kept_in_memory_are_cells_not_epochs(engine):
    """A hundred epochs of one cell: what has changed is that cell."""
    store = EmbeddedStore(engine.path, (0, 0))
    for number in range(100):
        feed(engine, click(number))
    store.refresh()
    assert store.scan(Scan(0, 0, 0)).column("clicks").to_pylist() == [100]
    assert [part.num_rows for part in store.changed(0, 0, 0)] == [1]
