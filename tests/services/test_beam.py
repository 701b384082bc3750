"""Apache Beam on this machine, a real Bigtable emulator: the same cells as the embedded engine's."""

from __future__ import annotations

import pytest

from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.bigtable_table import HOST
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import count
from tests.needs import shared_data
from tests.real.test_wikipedia import DEFINITION
from tests.services.beaming import Beam, make_table, opened, sink_of
from tests.unit.sinks.folding import queried


@pytest.fixture
def beam(bigtable, monkeypatch, tmp_path):
    """Beam's environment, whose workers find the emulator."""
    monkeypatch.setenv(HOST, bigtable.address)
    return Beam(tmp_path)


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
