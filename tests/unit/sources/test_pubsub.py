"""Deliveries on their way into our own log."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfoot import _core
from crossfoot.clock import SystemClock
from crossfoot.errors import CrossfootError, DataError
from crossfoot.log import frames
from crossfoot.log.log import Log
from crossfoot.log.reader import LogReader
from crossfoot.sources import pubsub
from crossfoot.sources.pubsub import ACKS_MAX, Acks, Broken, Deliveries, Flow, PullDoor
from crossfoot.sources.pubsub_client import message_class

END = object()


def answer(*messages: tuple[str, bytes], **attributes: str) -> bytes:
    """What a stream says, as Google's own classes write it: ids and data."""
    said = message_class("StreamingPullResponse")()
    said.subscription_properties.exactly_once_delivery_enabled = True
    for ack_id, data in messages:
        received = said.received_messages.add(ack_id=ack_id, delivery_attempt=3)
        received.message.data, received.message.message_id = data, "17"
        received.message.publish_time.GetCurrentTime()
        received.message.attributes.update(attributes)
    return bytes(said.SerializeToString())


def ids_of(fields: bytes) -> list[str]:
    return list(message_class("AcknowledgeRequest").FromString(fields).ack_ids)


class Said:
    """A subscription whose stream says what a test puts; what was acknowledged and extended is kept in queues."""

    def __init__(self) -> None:
        self.stream: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.acknowledged: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        self.extended: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        self.opened = 0

    def receive(self) -> Iterator[Deliveries]:
        self.opened += 1
        while (said := self.stream.get()) is not END:
            if isinstance(said, Broken):
                raise said
            for count, ids, data, ends in _core.deliveries(answer(*said), False):  # type: ignore[misc]
                yield Deliveries(Acks(count, ids), data, ends)
        raise Broken("closed")

    def acknowledge(self, ids: bytes) -> None:
        self.acknowledged.put(ids_of(ids))

    def extend(self, ids: bytes) -> None:
        self.extended.put(ids_of(ids))

    def close(self) -> None:
        self.stream.put(END)


class Slow(Log):
    """A log that appends when it is told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, SystemClock())
        self.may = threading.Event()

    def append_block(self, data: bytes, ends: array[int], received_us: Sequence[int] | None = None) -> int:
        self.may.wait()
        return super().append_block(data, ends, received_us)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def door(said) -> Iterator[PullDoor]:
    made = PullDoor(said, "pubsub:clicks", Flow(1, 1_000), SystemClock())
    yield made
    made.close()


def records(log: Log) -> list[bytes]:
    reader, found = LogReader(log, 0), []
    while frame := reader.next():
        ends = [0, *memoryview(frame.columns()[0]).cast("I")]
        found += [frame.data[start:end] for start, end in itertools.pairwise(ends)]
    return found


def test_what_is_acknowledged_is_in_the_log(said, door, tmp_path):
    """In the order in which it came, a block as one record."""
    log = Log(tmp_path / "log" / "a", SystemClock())
    door.start(log)
    said.stream.put([("1", b"a"), ("2", b"\xffblock\nof lines")])
    assert said.acknowledged.get(timeout=10) == ["1", "2"]
    assert records(log) == [b"a", b"\xffblock\nof lines"]


def test_nothing_is_acknowledged_before_it_is_synced(said, door, tmp_path):
    """However long that takes; then all that came meanwhile is one append."""
    log = Slow(tmp_path / "log" / "a")
    door.start(log)
    for number in range(3):
        said.stream.put([(str(number), b"x")])
    with pytest.raises(queue.Empty):
        said.acknowledged.get(timeout=0.05)
    log.may.set()
    ids: list[str] = []
    while len(ids) < 3:
        ids += said.acknowledged.get(timeout=10)
    assert ids == ["0", "1", "2"]


def test_deadlines_are_extended_while_messages_wait(said, door, tmp_path, monkeypatch):
    """Those that are being appended, and those behind them."""
    monkeypatch.setattr(pubsub, "DEADLINE_S", 0.06)
    log = Slow(tmp_path / "log" / "a")
    door.start(log)
    said.stream.put([("1", b"x"), ("2", b"x")])
    assert said.extended.get(timeout=10) == ["1", "2"]
    assert {*said.extended.get(timeout=10)} == {"1", "2"}
    log.may.set()
    assert said.acknowledged.get(timeout=10) == ["1", "2"]


def test_a_stream_that_ends_is_opened_again(said, door, tmp_path):
    """It is noted once, when it does not come back at once, and once when it does."""
    log = Log(tmp_path / "log" / "a", SystemClock())
    door.start(log)
    for _ in range(3):
        said.stream.put(Broken("unavailable: down"))
    said.stream.put([("1", b"a")])
    assert said.acknowledged.get(timeout=10) == ["1"]
    assert said.opened == 4
    assert door.notes() == [
        "pubsub:clicks: unavailable: down; it is tried again without end",
        "pubsub:clicks: messages come again",
    ]


def test_what_no_client_recovers_from_is_raised_where_the_log_is_read(said, door, tmp_path):
    """The run ends with it."""
    door.start(Log(tmp_path / "log" / "a", SystemClock()))
    said.stream.put(Broken("not found", DataError("there is no such Pub/Sub subscription: s")))
    door._threads["stream-0"].join(10)
    with pytest.raises(CrossfootError, match="there is no such Pub/Sub subscription"):
        door.notes()


def test_a_log_that_has_failed_acknowledges_nothing_more(said, door, tmp_path):
    """Who reads the log is told."""
    log = Log(tmp_path / "log" / "a", SystemClock())
    log.close()
    door.start(log)
    said.stream.put([("1", b"a")])
    door._threads["append"].join(10)
    assert said.acknowledged.empty()
    with pytest.raises(CrossfootError, match="closed"):
        door.notes()


def test_what_waits_is_appended_as_far_as_one_append_goes(said, tmp_path, monkeypatch):
    """However much may wait."""
    for module in (pubsub, frames):
        monkeypatch.setattr(module, "FRAME_BYTES_MAX", 40)
    log, door = Slow(tmp_path / "log" / "a"), PullDoor(said, "pubsub:clicks", Flow(1, 1_000), SystemClock())
    door.start(log)
    for number in range(9):
        said.stream.put([(str(number), b"x" * 15)])
    while len(door._held) + len(door._waiting) < 9:
        time.sleep(0.01)
    log.may.set()
    ids: list[str] = []
    while len(ids) < 9:
        ids += said.acknowledged.get(timeout=10)
    door.close()
    assert (ids, records(log)) == ([*"012345678"], [b"x" * 15] * 9)


@pytest.mark.parametrize(
    ("said", "attempt"), [({}, 0), ({"attempt": "12"}, 12), ({"attempt": "x"}, 0), ({"attempt": "9" * 10}, 0)]
)
def test_the_attempt_of_a_message_may_stand_before_its_data(said, attempt):
    """None, where it does not say a number."""
    ((count, ids, data, ends),) = _core.deliveries(answer(("1", b"a"), ("2", b""), form="single", **said), True)
    mark = attempt.to_bytes(4, "little")
    assert (count, ids_of(ids), data, list(memoryview(ends).cast("I"))) == (2, ["1", "2"], mark + b"a" + mark, [5, 9])


def test_many_deliveries_are_acknowledged_by_several_requests(said, door, tmp_path):
    """Of an answer, or of several; long ids too."""
    log = Log(tmp_path / "log" / "a", SystemClock())
    door.start(log)
    ids = ["x" * 700 + str(number) for number in range(2 * ACKS_MAX + 1)]
    said.stream.put([(ack_id, b"a") for ack_id in ids[:ACKS_MAX]])
    said.stream.put([(ack_id, b"a") for ack_id in ids[ACKS_MAX:]])
    found: list[str] = []
    while len(found) < len(ids):
        some = said.acknowledged.get(timeout=10)
        assert len("".join(some)) < 500 << 10
        found += some
    assert found == ids


def test_small_answers_are_acknowledged_together(said, door, tmp_path):
    """What was appended at once, by one request."""
    log = Slow(tmp_path / "log" / "a")
    door.start(log)
    for number in range(100):
        said.stream.put([(str(number), b"x")])
    until = time.monotonic() + 10
    while len(door._waiting) + len(door._held) < 100 and time.monotonic() < until:
        time.sleep(0.001)
    log.may.set()
    requests = []
    while sum(map(len, requests)) < 100:
        requests.append(said.acknowledged.get(timeout=10))
    assert len(requests) <= 2


@given(data=st.binary(max_size=200), cut=st.integers(0, 60))
def test_whatever_comes_is_read_or_is_an_error(data, cut):
    """Random bytes, and answers that are cut off."""
    for said in (data, answer(("1", data), ("2", b"b"), attempt="3")[:cut]):
        with suppress(_core.CoreError):
            for count, ids, _, ends in _core.deliveries(said, True):
                assert count == len(ends) // 4 == len(ids_of(ids))


def test_an_answer_that_is_none_is_an_error():
    """It never comes from Pub/Sub."""
    with pytest.raises(_core.CoreError, match="cut off"):
        _core.deliveries(answer(("1", b"a"))[:-3], False)
    assert _core.deliveries(b"", False) == []
