"""What a reader gives passes once the topic was asked for after it came."""

from dataclasses import dataclass, field

import pytest

from crossfoot.errors import DataError
from crossfoot.sources.kafka_admin import Asked, NotNowError, TopicState
from crossfoot.sources.kafka_gate import Gate
from crossfoot.testing.clocks import ManualClock
from tests.kafka import SaidAdmin, SaidReader

MOST = 1 << 20


@dataclass
class Answers(SaidAdmin):
    """An admin that answers when a test wants it: `now` is the id, or the error, or None before it came."""

    now: str | Exception | None = None
    partitions: int = 2
    asked: int = 0
    waits: list[float] = field(default_factory=list)

    def ask(self) -> Asked:
        self.asked += 1
        return self._answer

    def _answer(self, wait_s: float) -> TopicState | None:
        self.waits.append(wait_s)
        if isinstance(self.now, Exception):
            raise self.now
        return None if self.now is None else TopicState(self.now, tuple(range(self.partitions)))

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


class Stage:
    """A gate with all that it works with; `id-1` is what is read."""

    def __init__(self, bytes_max: int = MOST) -> None:
        self.admin, self.reader, self.clock = Answers(), SaidReader(), ManualClock(0)
        self.gate = Gate(self.admin, self.check, self.clock, bytes_max)
        self.notes: list[str] = []

    def check(self, found: str) -> None:
        if found != "id-1":
            raise DataError("another one")

    def take(self, wait_s: float = 0.0) -> int | None:
        """The first offset of what passes."""
        passed = self.gate.take(self.reader, MOST, wait_s)
        self.notes += passed.notes
        return None if passed.taken is None else next(iter(passed.taken.partitions.values()))["next"]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_nothing_passes_before_the_answer(stage):
    """It is waited for, as long as the caller has time."""
    stage.reader.say({0: (0, 1)})
    assert stage.take(0.5) is None
    stage.admin.now = "id-1"
    assert stage.take() == 1
    assert stage.admin.waits[0] == 0.5


def test_a_record_behind_a_pause_passes_in_the_call_that_reads_it(stage):
    """It is asked for at once."""
    stage.admin.now = "id-1"
    for first in range(3):
        stage.clock.advance(10)
        stage.reader.say({0: (first, 1)})
        assert stage.take() == first + 1
    assert stage.admin.asked == 3


def test_an_answer_is_not_for_what_came_after_the_question(stage):
    """That waits for an answer of its own."""
    stage.reader.say({0: (0, 1)})
    assert stage.take() is None
    stage.reader.say({0: (1, 1)})
    assert stage.take() is None
    stage.admin.now = "id-1"
    assert stage.take() == 1
    assert stage.admin.asked == 1
    stage.admin.now = "id-2"
    stage.clock.advance(1)
    with pytest.raises(DataError, match="another one"):
        stage.take()


def test_questions_are_apart(stage):
    """What comes meanwhile waits for the next one, together."""
    stage.admin.now = "id-1"
    for first in range(5):
        stage.reader.say({0: (first, 1)})
        stage.take()
    assert stage.admin.asked == 1
    stage.clock.advance(0.05)
    assert [stage.take() for _ in range(5)] == [2, 3, 4, 5, None]
    assert stage.admin.asked == 2


@pytest.mark.parametrize(("partitions", "apart_s"), [(2, 0.05), (400, 0.2), (9000, 1.0)])
def test_a_topic_of_many_partitions_is_asked_for_less_often(stage, partitions, apart_s):
    """An answer names them all; a second is the most."""
    stage.admin.now, stage.admin.partitions = "id-1", partitions
    stage.reader.say({0: (0, 1)})
    assert stage.take() == 1
    stage.clock.advance(2)
    stage.reader.say({0: (1, 1)})
    assert stage.take() == 2
    stage.reader.say({0: (2, 1)})
    stage.clock.advance(apart_s - 0.01)
    assert stage.take() is None
    stage.clock.advance(0.01)
    assert stage.take() == 3


def test_what_fills_half_of_the_room_is_asked_for_at_once():
    """A backlog does not stand still between two questions."""
    stage = Stage(bytes_max=200)
    stage.admin.now = "id-1"
    for first in range(3):
        stage.reader.say({0: (first, 1)}, data=b"x" * 100)
        assert stage.take() == first + 1
    assert stage.admin.asked == 3


def test_no_more_is_taken_than_there_is_room_for():
    """The reader waits, and so does the topic."""
    stage = Stage(bytes_max=200)
    for first in range(5):
        stage.reader.say({0: (first, 1)}, data=b"x" * 100)
        stage.take()
    assert len(stage.reader.batches) == 3


def test_a_question_that_fails_is_asked_again(stage):
    """Nothing passes meanwhile, and it is said once."""
    stage.admin.now = NotNowError("not now")
    stage.reader.say({0: (0, 1)})
    for _ in range(4):
        assert stage.take() is None
        stage.clock.advance(0.1)
    stage.admin.now = "id-1"
    stage.clock.advance(0.2)
    assert stage.take() == 1
    assert stage.notes == ["not now; it is asked again"]
    assert stage.admin.asked == 3


def test_failures_of_the_reader_wait_for_nothing(stage):
    """They are what says that nobody answers."""
    stage.reader.say({0: (0, 1)})
    stage.take()
    stage.reader.say({}, {"name": "_TRANSPORT"})
    assert stage.gate.take(stage.reader, MOST, 0.0).failures == [{"name": "_TRANSPORT"}]


def test_what_an_earlier_reader_gave_is_forgotten_with_it(stage):
    """An answer on its way is not for what comes from the next one."""
    stage.reader.say({0: (0, 1)})
    stage.take()
    stage.gate.clear()
    stage.reader.say({0: (0, 2)})
    stage.clock.advance(1)
    stage.admin.now = "id-1"
    assert stage.take() == 2
    assert stage.admin.asked == 2
    assert stage.take() is None
