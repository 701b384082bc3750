"""A sink that is fed: it is brought up to the newest epoch, whatever happens to it."""

import threading

import pytest

from crossfoot.clock import SystemClock
from crossfoot.errors import ServiceError
from crossfoot.sinks import marks
from crossfoot.sinks.cell_feed import CellFeed
from crossfoot.sinks.cells import changed
from crossfoot.sinks.feeder import Feeder, retry_after_s
from crossfoot.sinks.marks import Mark
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import click, count_records
from tests.unit.sinks.folding import Collected, fold, queried


@pytest.fixture
def store(tmp_path):
    return count_records(tmp_path, [click(1), click(2, page="b")])


def epoch_of(store) -> int:
    return EmbeddedStore(store).meta["epoch"]


def feed(store, target: Collected) -> Feeder:
    """One catch-up, and the end."""
    feeder = Feeder(CellFeed(store, target, changed), SystemClock())
    feeder.tell(epoch_of(store))
    feeder.end()
    feeder.join(10)
    return feeder


def test_a_sink_gets_everything_and_keeps_a_mark(store):
    """The next feeder has nothing to do."""
    target = Collected()
    state = feed(store, target).state
    assert (state.epoch, state.behind, state.cells) == (epoch_of(store), 0, len(target.sent[0]))
    assert fold(target.sent[0]) == queried(store)
    assert marks.read(store, "collected").epoch == epoch_of(store)
    feed(store, target)
    assert len(target.sent) == 1


def test_later_epochs_bring_what_has_changed(store, tmp_path):
    """And no more."""
    target = Collected()
    feed(store, target)
    with (tmp_path / "clicks.jsonl").open("a") as out:
        out.write('{"seq": 3, "at": "2015-09-12T10:00:00Z", "page": "b", "country": "FR", "ms": 1}\n')
    count_records_again(tmp_path)
    feed(store, target)
    assert len(target.sent[1]) < len(target.sent[0])
    assert fold([*target.sent[1], *target.sent[0]]) == queried(store)


def count_records_again(folder) -> None:
    from tests.counting import count

    count(folder)


def test_another_sink_of_the_same_name_gets_everything(store):
    """A topic that was made again has nothing."""
    target = Collected()
    feed(store, target)
    target.who = "second"
    marks.write(store, "collected", Mark("first", 0, 0))
    feed(store, target)
    assert target.sent[0] == target.sent[1]


def test_a_damaged_mark_is_no_mark(store):
    """The sink gets everything once more, which does not harm it."""
    feed(store, Collected())
    marks.path_of(store, "collected").write_text("{")
    target = Collected()
    feed(store, target)
    assert fold(target.sent[0]) == queried(store)


def test_a_sink_that_is_down_says_so_and_keeps_its_mark(store):
    """The run ends nevertheless, and the next one goes on."""
    target = Collected()
    target.down = ServiceError("nobody answers")
    state = feed(store, target).state
    assert (state.failing, state.epoch, state.behind) == ("nobody answers", 0, epoch_of(store))
    assert marks.read(store, "collected").epoch == 0
    target.down = None
    feed(store, target)
    assert fold(target.sent[0]) == queried(store)


def test_a_fault_of_a_library_is_a_failure_like_others(store):
    """The thread lives on."""
    target = Collected()
    target.down = TypeError("what is this")
    assert feed(store, target).state.failing == "TypeError: what is this"


def test_a_sink_that_hangs_holds_nobody_up(store):
    """Telling returns at once; the end waits as long as it was told."""
    target, entered, free = Collected(), threading.Event(), threading.Event()

    def hang() -> str:
        entered.set()
        free.wait(20)
        return "first"

    target.identity = hang  # type: ignore[method-assign]
    feeder = Feeder(CellFeed(store, target, changed), SystemClock())
    feeder.tell(epoch_of(store))
    assert entered.wait(10)
    feeder.tell(epoch_of(store))
    feeder.end()
    assert not feeder.join(0)
    assert feeder.state.behind == epoch_of(store)
    free.set()
    assert feeder.join(10)


def test_the_pause_after_failures_grows_to_a_bound():
    """It never grows without end, and it never overflows."""
    assert [retry_after_s(attempts) for attempts in (1, 2, 3, 7, 100_000)] == [0.5, 1.0, 2.0, 30.0, 30.0]
