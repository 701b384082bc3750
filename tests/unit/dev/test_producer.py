"""The seeded producer: the same lines in every run, each in its place of the topic."""

from dataclasses import dataclass, field

import pytest

from crossfoot.dev.folder import Chosen, Folder, Load
from crossfoot.dev.producer import Topic, Watch, begun_of, check_load, produce
from crossfoot.errors import CallError, HeldError, ServiceError
from crossfoot.files import held
from crossfoot.generate import blocks
from crossfoot.testing.clocks import ManualClock
from tests.kafka import MockCluster

FAST = Load(rate=1e9, copies=0.1, seed=7, total=1000)


@dataclass
class ListTopic:
    """A topic of three partitions as lists of (line, value); waiting moves a clock."""

    clock: ManualClock = field(default_factory=ManualClock)
    logs: list[list[tuple[int, bytes]]] = field(default_factory=lambda: [[], [], []])

    def partitions(self) -> int:
        return len(self.logs)

    def last_lines(self, _partitions: int) -> list[int]:
        return [log[-1][0] if log else -1 for log in self.logs]

    def send(self, line: int, partition: int, value: bytes) -> None:
        self.logs[partition].append((line, value))

    def poll(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def flush(self, _seconds: float) -> bool:
        return True

    @property
    def lines(self) -> list[tuple[int, bytes]]:
        return sorted(line for log in self.logs for line in log)


@pytest.fixture
def folder(tmp_path) -> Folder:
    place = Folder(tmp_path)
    place.keep(Chosen(1, 2, 3, 4))
    return place


def run(folder: Folder, topic, load: Load = FAST, stop=lambda: False) -> int:
    return produce(folder, load, topic, Watch(topic.clock, lambda _: None, stop))


def expected(folder: Folder, total: int) -> list[tuple[int, bytes]]:
    begun = begun_of(folder)
    assert begun
    return list(enumerate(b"".join(blocks(total, begun.workload)).splitlines()))


def after(calls: int):
    """True from so many calls on."""
    left = iter(range(calls))
    return lambda: next(left, None) is None


def test_every_line_is_sent_once(folder):
    """In its place, and the folder says that all are there."""
    topic = ListTopic()
    assert run(folder, topic) == 1000
    assert topic.lines == expected(folder, 1000)
    assert begun_of(folder).done == 1000


def test_a_run_that_was_stopped_goes_on(folder):
    """No line is left out, none comes twice."""
    topic = ListTopic()
    first = run(folder, topic, stop=after(300))
    second = run(folder, topic)
    assert (0 < first < 1000, first + second) == (True, 1000)
    assert topic.lines == expected(folder, 1000)


def test_the_topic_says_where_to_go_on(folder):
    """What a killed run had sent and the broker had not taken is sent again, partition by partition."""
    topic = ListTopic()
    run(folder, topic)
    del topic.logs[0][100:]
    del topic.logs[2][7:]
    assert run(folder, topic) == len(range(300, 1000, 3)) + len(range(23, 1000, 3))
    assert topic.lines == expected(folder, 1000)


def test_a_larger_total_adds_lines(folder):
    """The first ones are there already."""
    topic = ListTopic()
    run(folder, topic)
    assert run(folder, topic, Load(FAST.rate, FAST.copies, FAST.seed, 1500)) == 500
    assert topic.lines == expected(folder, 1500)


def test_the_rate_is_kept(folder):
    """A hundred lines at fifty a second are there after two seconds."""
    topic = ListTopic()
    run(folder, topic, Load(rate=50, total=100))
    assert topic.clock.elapsed_s() == pytest.approx(99 / 50, abs=0.05)


def test_event_times_follow_the_clock(folder):
    """Copies take no time of their own: after a minute the newest event is of that minute."""
    topic = ListTopic(ManualClock(1_800_000_000_000_000))
    run(folder, topic, Load(rate=100, copies=0.5, total=6000))
    newest = max(int(line.split(b'"ts":')[1].split(b",")[0]) for _, line in topic.lines)
    assert 1_800_000_055_000 < newest <= 1_800_000_061_000


@pytest.mark.parametrize(
    "load",
    [Load(rate=-1), Load(rate=float("nan")), Load(rate=float("inf")), Load(copies=1), Load(seed=-1), Load(total=-1)],
)
def test_a_load_that_cannot_be_is_a_wrong_call(load):
    """Before anything is made."""
    with pytest.raises(CallError, match="copies is a share below 1"):
        check_load(load, None)


def test_another_load_is_refused(folder):
    """The lines of a folder are the same for ever; what they were begun with is said."""
    run(folder, ListTopic())
    with pytest.raises(CallError, match="begun with another rate") as caught:
        check_load(Load(rate=5, copies=0.1, seed=7), begun_of(folder))
    assert "--rate 1e+09 --copies 0.1 --seed 7" in caught.value.hint


def test_two_producers_in_one_folder_are_one_too_many(folder):
    """Their lines would come in each other's way."""
    with held(folder.path / "produce.lock"), pytest.raises(HeldError, match=r"the lines of .* are sent by process \d+"):
        run(folder, ListTopic())


def test_kafka_keeps_the_numbers_of_lines(folder):
    """Against librdkafka's mock cluster: the header of the last record of each partition."""
    cluster = MockCluster()
    topic = Topic(cluster.bootstrap, "client_events")
    assert topic.partitions() == 4
    assert topic.last_lines(4) == [-1, -1, -1, -1]
    for line in range(6):
        topic.send(line, line % 4, b"{}")
    assert topic.flush(10)
    assert topic.last_lines(4) == [4, 5, 2, 3]


def test_a_broker_that_is_away_is_a_service_that_cannot_be_reached(monkeypatch):
    """With its address."""
    monkeypatch.setattr("crossfoot.dev.producer._ANSWER_S", 0.2)
    with pytest.raises(ServiceError, match=r"the broker at 127\.0\.0\.1:1 does not answer"):
        Topic("127.0.0.1:1", "client_events").partitions()
