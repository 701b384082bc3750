"""The sink that writes a Bigtable table, and the store that reads it: the same answers, whatever happens on the way."""

import json

import pytest

from crossfoot.errors import CallError, DataError, ServiceError, StoreError
from crossfoot.query.ledger import accounts_of
from crossfoot.sinks import marks
from crossfoot.sinks.bigtable import BigtableWriter, bigtable_feed
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.bigtable_rows import ABOUT, Row, about_of, state_cell
from crossfoot.stores.bigtable_table import TableName
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from tests.bigtables import MemoryTable, catch_up, cells_of, read
from tests.counting import STAMPED, click, clicks_engine, count_records, feed
from tests.unit.sinks.folding import queried


@pytest.fixture
def engine(tmp_path):
    with clicks_engine(tmp_path / "store") as made:
        feed(made, click(1), click(2, page=None), click(3, page="ß\u0000é", country="null"))
        yield made


def test_the_table_answers_as_the_store_does(engine):
    """All cells, the facts, and what is refused."""
    table = MemoryTable()
    assert catch_up(engine.path, table) == len(cells_of(table)) == len(queried(engine.path))
    assert queried(read(table)) == queried(engine.path)
    asked = read(table).query("clicks", by=["page"], grain="1d Europe/Paris", where="page = 'a'")
    assert asked.facts.epoch == EmbeddedStore(engine.path).meta["epoch"]
    with pytest.raises(CallError, match="clicks is not counted by city"):
        read(table).query("clicks", by=["city"])


def test_only_what_has_changed_is_written_again(engine):
    """One page has changed: its cells, and those of the whole."""
    table = MemoryTable()
    feeding = bigtable_feed(engine.path, table, ManualClock(1), 0.0)
    feeding.catch_up(lambda: False)
    feed(engine, click(4, page="b"))
    assert feeding.catch_up(lambda: False) == 3 + 3 + 3 + 1
    assert queried(read(table)) == queried(engine.path)


def test_an_older_version_that_comes_late_changes_nothing(engine):
    """A writer that was paused sends what it had; and all that was ever written may come again."""
    table = MemoryTable()
    catch_up(engine.path, table)
    old = list(table.written)
    feed(engine, click(4))
    catch_up(engine.path, table)
    for row in old:
        table.put(row)
    assert queried(read(table)) == queried(engine.path)


def test_an_epoch_that_is_half_written_is_not_seen(engine):
    """The sink is killed in the middle: a reader has the epoch before, whole; the next attempt brings the new one."""
    table = MemoryTable()
    catch_up(engine.path, table)
    before = queried(engine.path)
    feed(engine, click(4), click(5, page="new"))
    table.left = 5
    with pytest.raises(ServiceError):
        catch_up(engine.path, table)
    assert queried(read(table)) == before
    table.left = 1 << 60
    catch_up(engine.path, table)
    assert queried(read(table)) == queried(engine.path)


def test_what_several_attempts_have_pushed_out_is_refused(engine):
    """Two versions are kept, and two attempts were cut off: nothing is guessed."""
    table = MemoryTable(kept=2)
    catch_up(engine.path, table)
    for seq in (4, 5):
        feed(engine, click(seq))
        table.left = 5
        with pytest.raises(ServiceError):
            catch_up(engine.path, table)
    with pytest.raises(ServiceError, match="what was there before is gone"):
        queried(read(table))


def test_a_reader_learns_how_many_versions_are_kept(engine):
    """It was four when the first cells were written; then somebody set three."""
    table = MemoryTable()
    catch_up(engine.path, table)
    table.kept = 3
    catch_up(engine.path, table)
    head = about_of(table.row(ABOUT)).head
    assert (head["versions"], head["making"]) == (3, "1")


def test_a_table_that_was_emptied_gets_everything_again(engine):
    """The mark is of another making of the table."""
    table = MemoryTable()
    feeding = bigtable_feed(engine.path, table, ManualClock(1), 0.0)
    feeding.catch_up(lambda: False)
    table.rows.clear()
    catch_up(engine.path, table, now_us=2)
    assert queried(read(table)) == queried(engine.path)


def test_a_table_of_another_store_is_refused(engine, tmp_path):
    """Before anything is written."""
    table = MemoryTable()
    catch_up(engine.path, table)
    (tmp_path / "other").mkdir()
    other = count_records(tmp_path / "other", [click(9)])
    before = dict(table.rows)
    with pytest.raises(DataError, match="bigtable:p/i/t holds the cells of another store"):
        catch_up(other, table)
    assert table.rows == before


def test_a_store_that_was_put_back_is_refused(engine):
    """Its epochs would never be seen."""
    table = MemoryTable()
    catch_up(engine.path, table)
    table.put(Row(ABOUT, [state_cell(0, 99, {})]))
    feed(engine, click(4))
    with pytest.raises(DataError, match="has epoch 99, and the store has 3: it was put back"):
        catch_up(engine.path, table)


def test_a_poisoned_row_is_named_and_holds_nothing_up(engine):
    """Its table is not answered from; the others are. Once it is taken, all is well."""
    table = MemoryTable()
    table.refuses = lambda row: "it is poisoned" if "ß".encode() in row.key and b"/1m/" in row.key else ""
    feeding = bigtable_feed(engine.path, table, ManualClock(1), 0.0)
    feeding.catch_up(lambda: False)
    assert feeding.missing == 2
    note = json.loads(marks.path_of(engine.path, feeding.name).with_suffix(".refused.json").read_text())
    assert {each["table"] for each in note.values()} == {"clicks/page,country/1m", "clicks/page/1m"}
    assert [each["values"] for each in note.values()][1] == {"page": "ß\u0000é"}
    with pytest.raises(StoreError, match="1 cells of clicks/page/1m could not be written"):
        read(table).query("clicks", by=["page"], grain="1m")
    assert len(read(table).query("clicks", grain="1m")) == 1
    table.refuses = lambda _: ""
    feed(engine, click(5, page="ß\u0000é", country="null"))
    assert feeding.catch_up(lambda: False)
    assert feeding.missing == 0
    assert queried(read(table)) == queried(engine.path)


def test_a_text_too_long_for_a_key_is_named(engine, tmp_path):
    """Bigtable's limit of a row key."""
    from crossfoot.stores.bigtable_table import _too_large

    feed(engine, click(6, page="x" * 5000))
    table = MemoryTable()
    table.refuses = _too_large
    feeding = bigtable_feed(engine.path, table, ManualClock(1), 0.0)
    feeding.catch_up(lambda: False)
    assert feeding.missing == 6


def test_shards_add_up_and_the_slowest_says_how_far(tmp_path):
    """Two stores as shards of one table; the third has said nothing yet. Of final ones the furthest says it."""
    table, stores = MemoryTable(), []
    for shard, seqs in enumerate([(1, 2), (3,)]):
        (tmp_path / str(shard)).mkdir()
        records = [click(seq, f"2015-09-12T1{shard}:00:00Z", got=f"2015-09-12T1{shard}:00:00Z") for seq in seqs]
        stores.append(EmbeddedStore(count_records(tmp_path / str(shard), records, STAMPED), (0, 0)))
    write_shards(table, stores, shards=3)
    assert read(table).query("clicks").facts.complete_up_to_us is None
    table.rows.clear()
    write_shards(table, stores, shards=2, final=False)
    found = read(table).query("clicks", by=["page"])
    assert found.rows()[0]["clicks"] == 3
    first, second = (store.meta["watermark_us"] for store in stores)
    assert found.facts.complete_up_to_us == first < second
    accounts = accounts_of(BigtableStore(table))
    assert (accounts.records, accounts.totals["counted"], accounts.unaccounted) == (3, 3, 0)
    write_shards(table, stores, shards=2)
    assert read(table).query("clicks").facts.complete_up_to_us == second


def write_shards(table: MemoryTable, stores: list[EmbeddedStore], shards: int, *, final: bool = True) -> None:
    """As an engine of several shards does."""
    from crossfoot.stores.bigtable_rows import BigtableRows, state_of, without_minutes

    writer = BigtableWriter(table, "job", shards, ManualClock(1))
    writer.ensure()
    plan = stores[0].meta["plan"]
    writer.plan(plan, 1)
    rows = BigtableRows(plan)
    for shard, store in enumerate(stores):
        for place, _ in rows.paths:
            for part in store.changed_partials(*place):
                assert not list(writer.write(list(rows.mutations(*place, part, shard, 7)), lambda: False))
        meta = store.meta | {"final": final}
        writer.commit(shard, 7, state_of(meta, without_minutes(store.ledger()), {}, {}))


def test_the_ledger_is_that_of_the_store_without_minutes(engine):
    """Accounts, records and digests."""
    table = MemoryTable()
    catch_up(engine.path, table)
    ours, theirs = accounts_of(BigtableStore(table)), accounts_of(EmbeddedStore(engine.path))
    assert ours.as_json() == theirs.as_json()
    with pytest.raises(CallError, match="holds no side log"):
        BigtableStore(table).side_log(1)


def test_retention_hides_what_the_store_has_forgotten(tmp_path):
    """The rows are still there; the answers and what is refused are the same."""
    text = STAMPED.replace("Europe/Paris]\n", "Europe/Paris]\n    retain: {1m: 2h}\n")
    at = [f"2015-09-12T1{hour}:00:00Z" for hour in (0, 1, 2, 7)]
    store = count_records(tmp_path, [click(n, time, got=time) for n, time in enumerate(at)], text)
    table = MemoryTable()
    catch_up(store, table)
    for opened in (read(table), store):
        assert queried(opened) == queried(store)
    with pytest.raises(CallError, match=r"windows of 1m before .* are not kept any more"):
        read(table).query("clicks", grain="1m", since="2015-09-12T10:00Z")


def test_a_table_without_a_store_says_so():
    """And how one gets there."""
    with pytest.raises(StoreError, match="no store was written to bigtable:p/i/t yet"):
        BigtableStore(MemoryTable())


@pytest.mark.parametrize("text", ["bigtable:a/b", "bigtable:a//c", "bigtable:"])
def test_a_place_that_is_none_is_refused(text):
    """Project, instance and table."""
    with pytest.raises(CallError, match="this names no Bigtable table"):
        TableName.of(text)


def test_an_open_reader_goes_on_to_the_newest(engine):
    """Without `follows` it stays where it was."""
    from crossfoot.query.client import Store

    table = MemoryTable()
    catch_up(engine.path, table)
    follows, stays = read(table), Store(BigtableStore(table), follows=False)
    before = queried(engine.path)
    feed(engine, click(4))
    catch_up(engine.path, table)
    assert queried(follows) == queried(engine.path)
    assert queried(stays) == before
