"""Apache Beam on this machine, real emulators: the same cells as the embedded engine's."""

from __future__ import annotations

import pytest

from crossfoot.query.client import Store
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import count
from tests.needs import shared_data
from tests.real.test_wikipedia import DEFINITION
from tests.services.beaming import RUN, Clicks, make_table, opened, sink_of, until_counted
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
