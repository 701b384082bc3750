"""Apache Beam on this machine, real emulators: the same cells as the embedded engine's."""

from __future__ import annotations

import pytest

from crossfoot.query.client import Store
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import CLICKS, STAMPED, click, count, lines
from tests.needs import shared_data
from tests.real.test_wikipedia import DEFINITION
from tests.services.beaming import RUN, Clicks, make_table, opened, sink_of, until_counted
from tests.services.objects import on_s3
from tests.unit.sinks.folding import queried
from tests.warehouses import check_all_cells, check_counted
from tests.warehouses import opened as warehouse_of


@pytest.mark.parametrize("runner", ["prism", "direct"])
def test_files_are_counted_as_by_the_embedded_engine(beam, tmp_path, runner):
    """Edits of Wikipedia on four shards: every cell, every account, and that nothing more will come."""
    data, table = shared_data("wikipedia-edits") / "wikiticker-2015-09-12-sampled.json.gz", make_table()
    (tmp_path / "beam.yaml").write_text(DEFINITION + sink_of(table), "utf-8")
    beam.count(tmp_path / "beam.yaml", "--input", str(data), "--runner", runner, "--prism", beam.prism)
    count(tmp_path, DEFINITION, [str(data)])
    assert queried(opened(table)) == queried(tmp_path / "store")
    found, expected = accounts_of(BigtableStore.open(str(table))), accounts_of(EmbeddedStore(tmp_path / "store"))
    assert (found.records, found.totals, found.unaccounted) == (expected.records, expected.totals, 0)
    assert found.digests == expected.digests


@pytest.mark.parametrize("runner", ["prism", "direct"])
def test_what_is_kept_of_old_files_is_said_by_their_own_time(beam, tmp_path, runner):
    """Three files of three months of 2015, and shards that get nothing: kept and complete as `crossfoot run` says."""
    text, table = STAMPED.replace("clicks.jsonl", "'*.jsonl'"), make_table()
    text = text.replace("grains: [1m,", "retain: {1m: 30d}\n    grains: [1m,")
    for month in (7, 8, 9):
        at = f"2015-{month:02}-20T10:00:00Z"
        (tmp_path / f"{month}.jsonl").write_bytes(lines([click(month, at, got=at)]))
    (tmp_path / "beam.yaml").write_text(text + sink_of(table), "utf-8")
    beam.count(tmp_path / "beam.yaml", "--runner", runner, "--prism", beam.prism, "--shards", "6")
    count(tmp_path, text)
    found, expected = BigtableStore.open(str(table)), EmbeddedStore(tmp_path / "store")
    assert queried(opened(table)) == queried(tmp_path / "store")
    assert (found.meta["watermark_us"], found.meta["final"]) == (expected.meta["watermark_us"], True)
    assert found.expired(0, 2, 0) == expected.expired(0, 2, 0) == 2


def test_objects_of_a_bucket_are_counted_as_files_are(beam, s3, tmp_path, monkeypatch):
    """By their URL, a pattern: as `crossfoot run` counts them."""
    shelf, table = on_s3(s3.port), make_table()
    for name, value in shelf.environment.items():
        monkeypatch.setenv(name, value)
    for part in range(3):
        shelf.put(f"day/{part}.jsonl", lines(click(seq) for seq in range(part * 50, part * 50 + 60)))
    text = CLICKS.replace("clicks.jsonl", f"'{shelf.url}day/*.jsonl'")
    (tmp_path / "beam.yaml").write_text(text + sink_of(table), "utf-8")
    beam.lend("obstore", "fsspec")
    beam.count(tmp_path / "beam.yaml", "--runner", "direct")
    count(tmp_path, text)
    assert queried(opened(table)) == queried(tmp_path / "store")
    found, expected = accounts_of(BigtableStore.open(str(table))), accounts_of(EmbeddedStore(tmp_path / "store"))
    assert (found.records, found.totals, found.digests) == (180, expected.totals, expected.digests)


def test_a_warehouse_is_fed_by_who_follows_a_job(beam, tmp_path):
    """Edits of Wikipedia: when the command has ended, cells, counted events and accounts are there."""
    data, table = shared_data("wikipedia-edits") / "wikiticker-2015-09-12-sampled.json.gz", make_table()
    text = DEFINITION + sink_of(table).replace("]\n", ", {warehouse: {folder: warehouse}}]\n")
    (tmp_path / "beam.yaml").write_text(text, "utf-8")
    beam.count(tmp_path / "beam.yaml", "--input", str(data), "--runner", "direct")
    count(tmp_path, DEFINITION, [str(data)])
    check_all_cells(warehouse_of(tmp_path, text), Store.open(tmp_path / "store"))
    check_counted(warehouse_of(tmp_path, text), tmp_path / "store")


@pytest.mark.parametrize("runner", ["prism", "direct"])
def test_a_subscription_is_counted_as_the_file(beam, pubsub, tmp_path, runner):
    """Blocks of events with copies, late ones and some ahead of their time, each message published twice."""
    events = Clicks(tmp_path, pubsub.address, 20_000)
    events.place.publish(*events.messages, *reversed(events.messages))
    process = beam.start(*RUN, str(events.definition), "--runner", runner, "--prism", beam.prism)
    until_counted(process, events.table, 2 * len(events.lines))
    events.assert_counted(2 * len(events.lines))
