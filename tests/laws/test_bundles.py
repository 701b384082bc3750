"""Whatever becomes of bundles, workers and the sink: readers see what was committed, and the end is right."""

from __future__ import annotations

import json
from collections import Counter as Tally
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.beam.counter import Counter
from crossfoot.engines.beam.images import Images
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.keeping import State
from crossfoot.engines.beam.outlets import BigtableOutlet
from crossfoot.engines.shard import Splitter, shard_plan
from crossfoot.errors import ServiceError, StoreError
from crossfoot.query.ledger import accounts_of
from crossfoot.query.times import read_time
from crossfoot.sinks.bigtable import BigtableWriter
from crossfoot.sinks.table_feeds import TableCounted, Way
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from tests.bigtables import MemoryTable, read
from tests.counting import CLICKS, NOW_US, click, count_records, lines
from tests.keyed import Bag, Value, view
from tests.unit.sinks.folding import queried
from tests.warehouses import FED, asked, opened

SHARDS = 3
EVENTS = 400


class Runner:
    """Gives bundles to workers, in any order, and again where they fail."""

    def __init__(self, seed: int, folder: Path, text: str = FED) -> None:
        self.folder = folder
        self.random, self.clock, self.table = Random(seed), ManualClock(NOW_US), MemoryTable()
        definition = load_text(text)
        self.job = Job("job", definition, SHARDS, "", every_s=0.0)
        writer = BigtableWriter(self.table, "job", SHARDS, self.clock)
        writer.ensure()
        writer.plan(json.loads(shard_plan(definition)), 0)
        self.states = [State(Value(), Bag(), Bag(), Bag()) for _ in range(SHARDS)]
        self.workers = [self.worker() for _ in range(2)]

    def worker(self) -> Counter:
        return Counter(self.job, self.clock, [BigtableOutlet(self.table, self.job)], Images())

    def bundle(self, number: int, blocks: list[bytes], worker: Counter, *, is_kept: bool) -> None:
        """A timer may fire before the blocks, between them and behind them."""
        mine = view(self.states[number])
        worker.begin()
        for block in self.random.sample(blocks, len(blocks)):
            self.fire(number, worker, mine)
            worker.apply(number, block, mine)
        self.fire(number, worker, mine)
        worker.end()
        if is_kept:
            self.states[number] = mine

    def fire(self, number: int, worker: Counter, state: State) -> None:
        """The timer that says that something may be written."""
        if self.random.random() < 0.3 and not (touched := worker.touch(number, state)).is_dirty:
            self.table.left = self.random.choice((1 << 60, self.random.randrange(30)))
            worker.write_out(number, touched, state)
            self.table.left = 1 << 60

    def bury(self, number: int) -> None:
        """A worker that was given up for dead in a bundle goes on with it after others have committed."""
        dead, old = self.worker(), view(self.states[number])
        dead.begin()
        touched = dead.touch(number, old)
        self.bundle(number, [b""], self.random.choice(self.workers), is_kept=True)
        self.bundle(number, [], self.workers[0], is_kept=True)
        dead.write_out(number, touched, old)

    def go(self, blocks: list[tuple[int, bytes]]) -> None:
        """All blocks, each twice; bundles fail, workers die and go on when they are dead, the sink is down."""
        left = {n: [block for number, block in blocks if number == n for _ in range(2)] for n in range(SHARDS)}
        while any(left.values()):
            number = self.random.choice([n for n, some in left.items() if some])
            chosen = self.random.sample(left[number], min(len(left[number]), self.random.randint(1, 4)))
            is_kept = self.random.random() < 0.6
            self.bundle(number, chosen, self.random.choice(self.workers), is_kept=is_kept)
            if is_kept:
                for block in chosen:
                    left[number].remove(block)
            if self.random.random() < 0.1:
                self.workers[self.random.randrange(2)] = self.worker()
            if self.random.random() < 0.1:
                self.bury(number)
            self.assert_a_reader_sees_a_whole()
            if self.random.random() < 0.1:
                self.feed(self.folder)

    def finish(self) -> None:
        worker = self.workers[0]
        for number, state in enumerate(self.states):
            worker.begin()
            worker.finish(number, state)
            worker.end()
            worker.begin()
            assert worker.write_out(number, worker.touch(number, state), state)
            worker.end()

    def feed(self, folder: Path) -> None:
        """Counted events go to the warehouse, until the service is down, or the process is killed."""
        self.table.left = self.random.choice((1 << 60, self.random.randrange(60)))
        with suppress(ServiceError):
            TableCounted(Way(self.table, "w", opened(folder)), 50).catch_up(lambda: False)
        self.table.left = 1 << 60

    def assert_a_reader_sees_a_whole(self) -> None:
        """The cells add up to the accounts that stand beside them."""
        try:
            store = BigtableStore(self.table)
        except StoreError:
            return
        counted = accounts_of(store).totals["counted"]
        rows = read(self.table).query("totals", by=[], grain="all").rows()
        assert sum(row["clicks"] for row in rows) == counted

    def assert_what_leaves_once_is_there_once(self, store: EmbeddedStore) -> None:
        """Counted events in the warehouse, refused records in the side log: each delivery of them is one."""
        TableCounted(Way(self.table, "w", opened(self.folder))).catch_up(lambda: False)
        sql = "SELECT count(*) AS n, count(DISTINCT uuid) AS ids, (SELECT sum(records)::int FROM accounts_latest"
        (found,) = asked(opened(self.folder), f"{sql} WHERE account = 'counted') AS counted FROM counted_events")
        assert set(found.values()) == {accounts_of(store).totals["counted"]}
        refused = Tally(BigtableStore(self.table).side_log(1 << 20)["raw"].to_pylist())
        assert refused == dict.fromkeys(store.side_log(1 << 20)["raw"].to_pylist(), 2)


def blocks_of(records: list[bytes], text: str = CLICKS) -> list[tuple[int, bytes]]:
    splitter = Splitter(load_text(text), SHARDS)
    parts = [splitter.lines("clicks.jsonl", line, NOW_US, first) for first, line in enumerate(records)]
    return [block for part in parts for block in part.blocks.items()]


SEEDS = [*range(5), *(pytest.param(seed, marks=pytest.mark.campaign) for seed in range(5, 100))]


@pytest.mark.parametrize("seed", SEEDS)
def test_bundles_fail_workers_die_and_the_sink_is_down(seed: int, tmp_path: Path):
    """As the embedded engine counts the same events once."""
    random = Random(seed)
    events = [click(random.randrange(EVENTS), page=f"p{random.randrange(9)}") for _ in range(EVENTS)]
    unique = {event["seq"]: event for event in reversed(events)}
    runner = Runner(seed, tmp_path)
    records = [lines([event]) for event in unique.values()]
    records[7::40] = [b"[%d\n" % number for number in range(len(records[7::40]))]
    runner.go(blocks_of([b"".join(records[at : at + 9]) for at in range(0, len(records), 9)]))
    runner.finish()
    store = count_records(tmp_path, records)
    assert queried(read(runner.table)) == queried(store)
    assert BigtableStore(runner.table).meta["final"]
    runner.assert_what_leaves_once_is_there_once(EmbeddedStore(store))


def test_windows_that_are_no_longer_kept_are_counted(tmp_path: Path):
    """By the watermark of the whole, as a store says it."""
    text = CLICKS.replace("received: none", "received: {field: at, unit: iso}").replace(
        "grains: [1m,", "retain: {1m: 10d}\n    grains: [1m,"
    )
    text += "accept: {lateness: 1h}\n"
    runner = Runner(1, tmp_path, text)
    for at, seqs in (("2015-09-12T10:00:00Z", range(3)), ("2015-10-12T10:00:00Z", range(9, 90))):
        runner.clock.at_us = read_time(at) or 0
        runner.go(blocks_of([lines(click(seq, at) for seq in seqs)], text))
    runner.finish()
    store = BigtableStore(runner.table)
    assert [store.expired(0, 2, 0), store.expired(0, 2, 1)] == [3, 0]
