"""Whatever becomes of bundles, workers and the sink: readers see what was committed, and the end is right."""

from __future__ import annotations

import json
from collections import Counter as Tally
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.beam.counter import Counter, with_end
from crossfoot.engines.beam.images import Images
from crossfoot.engines.beam.job import Job
from crossfoot.engines.beam.keeping import State
from crossfoot.engines.beam.outlets import BigtableOutlet
from crossfoot.engines.shard import Splitter, shard_plan
from crossfoot.errors import ServiceError, StoreError
from crossfoot.query.ledger import accounts_of
from crossfoot.sinks.bigtable import BigtableWriter
from crossfoot.sinks.table_feeds import TableCounted, Way
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from tests.bigtables import MemoryTable, read
from tests.counting import CLICKS, NOW_US, STAMPED, click, count_records, lines
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


RETAINED = STAMPED.replace("grains: [1m,", "retain: {1m: 10d}\n    grains: [1m,")
NONE_LATE = [*((seq, f"2015-09-{1 + seq // 6:02}T10:00:00Z", 0) for seq in range(120))]
MUCH_LATE = [*NONE_LATE, (200, "2015-10-01T10:00:00Z", 0), (201, "2015-10-03T10:00:00Z", 2)]


@pytest.mark.parametrize("events", [NONE_LATE, MUCH_LATE, NONE_LATE[:1], []], ids=["plain", "late", "one", "none"])
def test_the_end_of_old_input_is_that_of_its_own_clock(events: list[tuple[int, str, int]], tmp_path: Path):
    """Years later: what is complete, and what is still kept, is what the embedded engine says of the same records."""
    runner = Runner(1, tmp_path, RETAINED)
    records = [lines([click(seq, at, got=f"{at[:11]}{10 + late}:00:01Z")]) for seq, at, late in events]
    parts = [b"".join(records[at : at + 9]) for at in range(0, len(records), 9)]
    splitter = Splitter(runner.job.definition, SHARDS)
    splits = [splitter.lines("clicks.jsonl", part, NOW_US, 9 * at) for at, part in enumerate(parts)]
    runner.go([(number, b"") for number in range(SHARDS)] + [*with_end(splits, runner.job)])
    runner.finish()
    store, found = EmbeddedStore(count_records(tmp_path, records, RETAINED)), BigtableStore(runner.table)
    assert queried(read(runner.table)) == queried(tmp_path / "store")
    assert (found.meta["watermark_us"], found.meta["final"]) == (store.meta["watermark_us"], True)
    assert [found.expired(0, 2, grain) for grain in (0, 1)] == [store.expired(0, 2, grain) for grain in (0, 1)]


def ended(folder: Path, seqs: range) -> Runner:
    """All is counted and nothing is written out; then the table is down."""
    runner = Runner(1, folder)
    for number, block in blocks_of([lines(click(seq) for seq in seqs)]):
        runner.bundle(number, [block], runner.workers[0], is_kept=True)
    runner.workers[0].begin()
    for number, state in enumerate(runner.states):
        runner.workers[0].finish(number, state)
    runner.workers[0].end()
    runner.table.left = 0
    return runner


def test_the_end_of_a_job_waits_for_a_table_that_is_down(tmp_path: Path):
    """With growing delays; what was counted is all there then."""
    runner, waits = ended(tmp_path, range(50)), list[float]()

    def pause(seconds: float) -> None:
        runner.clock.advance(seconds)
        waits.append(seconds)
        runner.table.left = 1 << 60 if len(waits) == 7 else 0

    for number, state in enumerate(runner.states):
        worker = runner.workers[0]
        worker.begin()
        worker.write_last(number, worker.touch(number, state), state, pause)
        worker.end()
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert accounts_of(BigtableStore(runner.table)).totals["counted"] == 50


def test_the_end_of_a_job_does_not_wait_for_ever(tmp_path: Path):
    runner = ended(tmp_path, range(50))
    worker, state = runner.workers[0], runner.states[0]
    worker.begin()
    with pytest.raises(ServiceError, match="could not be written out for 10 minutes"):
        worker.write_last(0, worker.touch(0, state), state, runner.clock.advance)
    assert runner.clock.at_us >= NOW_US + 600 * 10**6
