"""The live loop over a mock cluster."""

import time
from functools import partial

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import Crashed, EmbeddedEngine
from crossfoot.errors import CallError, DataError
from crossfoot.seen.state import SinkState, Spent, State, decode, encode
from crossfoot.services.live import LiveLoop, LiveWatch
from crossfoot.sources.live import Failing, Moved, Seen
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from tests.counting import CLICKS, NOW_US, STAMPED, click, lines
from tests.kafka import QUICK, MockCluster, Run


@pytest.fixture
def cluster() -> MockCluster:
    return MockCluster()


def partition(folder, number: int = 0) -> dict:
    partitions = EmbeddedStore(folder / "store").meta["partitions"]
    return next(known for known in partitions if known["name"] == f"kafka:clicks/{number}")


def test_once_counts_up_to_the_ends_of_the_logs(cluster, tmp_path):
    """Each record is in one account."""
    cluster.put("clicks", click(1), click(2), b"nonsense")
    cluster.put("clicks", click(1), partition=3)
    assert Run(cluster, tmp_path).run() == {"counted": 2, "duplicate": 1, "malformed": 1}


def test_a_later_run_goes_on_at_the_position_of_the_store(cluster, tmp_path):
    """What was counted is not read again."""
    cluster.put("clicks", click(1))
    Run(cluster, tmp_path).run()
    cluster.put("clicks", click(2))
    assert Run(cluster, tmp_path).run() == {"counted": 1}
    assert (partition(tmp_path)["first_offset"], partition(tmp_path)["next_offset"]) == (0, 2)


def test_records_without_content_have_an_account(cluster, tmp_path):
    """A null and an empty text stand at a position, and cannot be decoded."""
    cluster.put("clicks", None, b"", b"\n", click(1))
    assert Run(cluster, tmp_path).run() == {"counted": 1, "malformed": 3}
    assert partition(tmp_path)["records"] == 4


def test_what_was_counted_is_committed_when_the_run_is_asked_to_stop(cluster, tmp_path):
    """The end of a run is an epoch."""
    cluster.put("clicks", click(1), click(2))
    run = Run(cluster, tmp_path)
    counted = lambda: bool(run.states) and run.states[-1].accounts["counted"] == 2  # noqa: E731
    assert run.run(once=False, stop=counted) == {"counted": 2}
    assert partition(tmp_path)["records"] == 2


def test_records_come_while_it_runs(cluster, tmp_path):
    """Nobody has to ask for them."""
    cluster.put("clicks", click(1))
    run, sent = Run(cluster, tmp_path), []

    def stop() -> bool:
        counted = run.states[-1].accounts["counted"] if run.states else 0
        if counted == 1 and not sent:
            sent.append(cluster.put("clicks", click(2), partition=1))
        return counted == 2

    assert run.run(once=False, stop=stop) == {"counted": 2}


def test_idle_partitions_move_the_clock(cluster, tmp_path):
    """Three of the four partitions are empty: without heartbeats they would hold everything back."""
    stamp = {"got": "2015-09-12T10:00:00Z"}
    cluster.put("clicks", {**click(1), **stamp})
    run = Run(cluster, tmp_path, text=STAMPED)
    moved = lambda: bool(run.states) and run.states[-1].clock_us is not None  # noqa: E731
    assert run.run(once=False, stop=moved) == {"counted": 1}
    assert run.states[-1].watermark_us is not None


def test_lag_is_part_of_the_state(cluster, tmp_path):
    """A run that is at the ends has none."""
    cluster.put("clicks", click(1))
    run = Run(cluster, tmp_path)
    run.run()
    assert [(lag.partition, lag.records) for lag in run.states[-1].lags] == [(f"kafka:clicks/{n}", 0) for n in range(4)]


def test_a_position_that_the_log_does_not_have_stops(cluster, tmp_path):
    """Another cluster with a topic of the same name is not the one that was counted."""
    cluster.put("clicks", click(1), click(2))
    Run(cluster, tmp_path).run()
    run = Run(MockCluster(), tmp_path)
    with pytest.raises(DataError, match="kafka:clicks/0 was cut: offset 2 was reached, its log ends at 0"):
        run.run()
    run.close()


class Given:
    """A source with one partition, which says how long it was asked to wait."""

    def __init__(self, name: str, blocks: list[bytes]) -> None:
        self.name, self.blocks = name, blocks
        self.calls: list[str] = []
        self.waits: list[float] = []

    def open(self, _known):
        return [(self.name, self.name)]

    def begin(self, _names):
        return {}

    def feed(self, into, _bytes_max, wait_s, now_us):
        self.waits.append(wait_s)
        data = self.blocks.pop(0) if self.blocks else b""
        if data:
            into.feed(self.name, data, now_us)
            self.calls.append("feed")
        return Moved(len(data), 0, (f"{self.name} says so",) * bool(data))

    def look(self, _now_us):
        return Seen()

    def mark(self):
        handed = self.calls.count("feed")
        return lambda: self.calls.append(f"committed {handed}")

    def is_done(self):
        return not self.blocks

    def lags(self, _now_us):
        return []

    def close(self): ...


def loop_over(folder, *sources, once: bool = True, **watch) -> LiveLoop:
    engine = EmbeddedEngine(folder / "store", load_text(CLICKS))
    loop = LiveLoop(engine, sources, QUICK, LiveWatch(**watch))
    loop.run(once)
    engine.close()
    return loop


def test_nobody_is_waited_for_while_another_source_has_records(tmp_path):
    """An empty source holds up none."""
    busy, empty = Given("busy", [lines([click(n)]) for n in range(5)]), Given("empty", [])
    loop_over(tmp_path, busy, empty)
    assert empty.waits == [0.0] * 5


def test_all_sources_wait_when_nobody_has_anything(tmp_path):
    """Together at most half of an epoch."""
    sources = [Given("a", []), Given("b", [])]
    loop_over(tmp_path, *sources, once=False, stop=lambda: len(sources[1].waits) >= 2)
    assert sources[0].waits == [0.0, QUICK.epoch_seconds / 4]


def test_a_source_is_told_behind_each_epoch(tmp_path):
    """What it acknowledges elsewhere is committed."""
    source, notes = Given("a", [lines([click(1)])]), []
    loop_over(tmp_path, source, note=notes.append, clock=ManualClock(NOW_US))
    assert source.calls == ["feed", "committed 1"]
    assert notes == ["a says so"]


def test_a_source_is_read_on_while_an_epoch_is_written(tmp_path):
    """It is told of what it had handed over when that was begun, once the store has it; and never before."""
    source = Given("a", [lines([click(number)]) for number in range(200)])
    stored: list[int] = []

    def told(state: State) -> None:
        stored.append(EmbeddedStore(tmp_path / "store").meta["partitions"][0]["records"])
        assert stored[-1] >= state.accounts["counted"] >= acknowledged(source)

    source.feed = partial(slowly, source.feed)
    loop_over(tmp_path, source, state=told)
    assert len(set(stored)) > 3
    told_of = {at: call for at, call in enumerate(source.calls) if call.startswith("committed")}
    assert acknowledged(source) == 200
    assert any(source.calls[:at].count("feed") > int(call.split()[1]) for at, call in told_of.items())


def test_an_epoch_that_cannot_be_written_ends_the_run(tmp_path):
    """Also where nothing more comes: nobody would be told of what is not durable."""
    source, over = Given("a", [lines([click(number)]) for number in range(3)]), time.monotonic() + 20
    engine = EmbeddedEngine(tmp_path / "store", load_text(CLICKS), crash_at=("frame.half", 2))
    loop = LiveLoop(engine, [source], QUICK, LiveWatch(stop=lambda: time.monotonic() > over))
    with pytest.raises(Crashed):
        loop.run(once=False)
    engine.abandon()
    assert time.monotonic() < over
    assert acknowledged(source) == 0


def slowly(feed, *args):
    time.sleep(0.002)
    return feed(*args)


def acknowledged(source: Given) -> int:
    return max((int(call.split()[1]) for call in source.calls if call.startswith("committed")), default=0)


class Away(Given):
    """A source whose other side is away."""

    def feed(self, into, bytes_max, wait_s, now_us):
        super().feed(into, bytes_max, wait_s, now_us)
        return Moved(notes=("it began", Failing("nobody answers; it is tried again")))


def test_what_fails_for_now_is_seen(tmp_path):
    """And can be shown; what a source only says is no failure."""
    states = []
    loop_over(tmp_path, Away("a", [b"", b""]), state=states.append)
    (retry,) = decode(encode(states[-1])).retrying
    assert (retry.place, retry.reason) == ("a", "nobody answers; it is tried again")


class Failed:
    """Sinks of which one fails at each attempt, one attempt an epoch."""

    def __init__(self) -> None:
        self.attempts = 0

    @property
    def states(self):
        return (SinkState("cells", 0, 1, 0, "it is full", self.attempts),)

    def tell(self, _epoch):
        self.attempts += 1

    def finish(self, *_): ...


def test_a_sink_that_fails_is_told_and_seen(tmp_path):
    """Each attempt, while counting goes on; who takes notes holds back what comes again."""
    states, notes = [], []
    engine = EmbeddedEngine(tmp_path / "store", load_text(CLICKS))
    source = Given("a", [lines([click(1)])])
    loop = LiveLoop(engine, [source], QUICK, LiveWatch(state=states.append, note=notes.append), Failed())
    loop.run(once=True)
    engine.close()
    failed = [note for note in notes if note == "cells: it is full; it is tried again"]
    assert all(isinstance(note, Failing) for note in failed)
    assert len(failed) == states[-1].retries == states[-1].retrying[0].attempts > 1
    assert states[-1].retrying[0].place == "sink cells"


def test_what_made_no_epoch_is_no_commit(tmp_path):
    """An idle run says nothing of how long commits take."""
    states = []
    idle = lambda: len(states) > 9  # noqa: E731
    loop_over(tmp_path, Given("a", []), once=False, state=states.append, stop=idle)
    assert (states[-1].epoch, states[-1].epochs) == (states[0].epoch, Spent())


def test_a_partition_has_one_reader(tmp_path):
    """It would be counted by both."""
    with pytest.raises(CallError, match="a and a both read a"):
        loop_over(tmp_path, Given("a", []), Given("a", []))


def test_a_backlog_waits_at_the_broker(cluster, tmp_path):
    """However long it is: in the queue are at most its bytes, and what one call to librdkafka brings more."""
    record = b'{"seq": %d, "at": "2015-09-12T10:00:00Z"}'
    for part in range(4):
        cluster.put("clicks", *(record % number for number in range(part, 300_000, 4)), partition=part)
    run = Run(cluster, tmp_path)
    assert run.run() == {"counted": 300_000}
    assert max(state.queued_bytes for state in run.states) <= (1 << 20) + 10_000 * 100
