"""The whole way with Beam at its end: Kafka, preprocess, Kafka, relay, Pub/Sub, Beam on Prism, Bigtable, query."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from crossfoot.cli import main
from crossfoot.dev.bigquery import PROJECT
from crossfoot.query.client import Store
from crossfoot.query.ledger import Accounts, accounts_of
from crossfoot.stores.bigtable import BigtableStore
from tests.real.data import edits, history
from tests.real.recount import count, ledger
from tests.services.beaming import RUN, Beam, make_table, opened, sink_of, until_counted
from tests.services.edits import EDITS
from tests.services.test_whole_path import GIT, SEEDED, assert_same_accounts, seeded
from tests.services.way import Way
from tests.unit.sinks.folding import queried
from tests.warehouses import check_all_cells
from tests.warehouses import opened as warehouse_of

WIKIPEDIA = replace(EDITS, received="{field: time, unit: iso}", accept="accept: {lateness: 2d, transport: 10000d}")


class BeamWay(Way):
    """The same way; a pipeline counts what comes out of it."""

    def __init__(self, beam: Beam, dataset: str, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.beam, self.table = beam, make_table()
        sinks = sink_of(self.table).replace("]\n", f", {{bigquery: {{project: {PROJECT}, dataset: {dataset}}}}}]\n")
        self.fed = self.pull + sinks

    def _count(self, store: Path, lines: int) -> Accounts:
        definition = store.with_suffix(".yaml")
        definition.write_text(self.fed, "utf-8")
        process = self.beam.start(*RUN, str(definition), "--prism", self.beam.prism)
        until_counted(process, self.table, lines)
        assert main(["beam", "feed", str(definition), "--once"]) == 0
        return accounts_of(BigtableStore.open(str(self.table)))


CASES = {
    "wikipedia": (WIKIPEDIA, "accept: {lateness: 2d}", edits),
    "git": (GIT, "accept: {lateness: 7d}", lambda: history()[:20_000]),
    "seeded": (SEEDED, "", lambda: seeded(50_000)),
    "half a million": (SEEDED, "", lambda: seeded(500_000)),
}


def cases() -> list[object]:
    long = {"git", "half a million"}
    return [pytest.param(name, marks=pytest.mark.campaign) if name in long else name for name in CASES]


@pytest.mark.parametrize("case", cases())
def test_beam_counts_what_comes_the_whole_way(beam, broker, pubsub, dataset, tmp_path, case):
    """Cell by cell as the embedded engine counts the raw lines, in the table and in a dataset; every account."""
    events, accept, lines_of = CASES[case]
    lines = lines_of()
    way = BeamWay(beam, dataset, broker, pubsub.address, events, True)
    accounts = way.go(lines, tmp_path / "live")

    received = "none" if events is SEEDED else events.received
    raw = events.at(way.stage.name, "{files: [raw.jsonl]}", received, accept)
    parts = {"events": lines} if events is SEEDED else {f"part-{part}": lines[part::2] for part in range(2)}
    (tmp_path / "embedded").mkdir()
    expected = count("embedded", raw, parts, tmp_path / "embedded")
    assert queried(opened(way.table)) == queried(tmp_path / "embedded" / "store")
    check_all_cells(warehouse_of(tmp_path, way.fed, **os.environ), Store.open(tmp_path / "embedded" / "store"))
    assert_same_accounts(accounts, ledger(expected), len(lines))
    expected.abandon()
