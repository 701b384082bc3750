"""Requests that fail, are answered in part, are refused."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from crossfoot.services.relay.encode import Run, attribute, request_topic
from crossfoot.services.relay.lane import Span
from crossfoot.services.relay.publisher import DELAY_MAX_S, REQUESTS_MAX, Failed, Publisher
from crossfoot.sources.pubsub_client import message_class

DOWN = Failed("unavailable: down")
REFUSED = Failed("invalid argument: bad", is_refused=True)


@dataclass
class Topic:
    """Answers at once, as the test says; `None` leaves a request open."""

    says: object = "ok"
    sent: list[list[bytes]] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    now_s: float = 0.0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.send, request_topic("t"), lambda: self.now_s, self.notes.append)

    def send(self, request: bytes) -> Answered:
        found = message_class("PublishRequest").FromString(request).messages
        self.sent.append([message.data for message in found])
        self.attempts += {message.attributes["attempt"] for message in found}
        bad = any(message.data == b"bad" for message in found)
        says = self.says
        return Answered(REFUSED if bad else len(found) if says == "ok" else says)

    def publish(self, *values: bytes) -> Span:
        span = Span(0, len(values), 0, open=len(values))
        frames = [_field(0x12, _field(0x0A, value) + attribute("attempt", "1")) for value in values]
        self.publisher.publish([(span, Run.of(enumerate(frames)))])
        return span

    def poll_at(self, *times: float):
        found = []
        for self.now_s in times:
            found += self.publisher.poll()
        return found


def _field(tag: int, value: bytes) -> bytes:
    return bytes([tag, len(value)]) + value


@dataclass
class Answered:
    said: int | Failed | None

    def done(self) -> bool:
        return self.said is not None

    def outcome(self) -> int | Failed:
        assert self.said is not None
        return self.said


def test_an_answer_settles_the_messages():
    """All of them at once."""
    topic = Topic()
    span = topic.publish(b"a", b"b")
    topic.poll_at(0)
    assert (span.is_done, topic.publisher.bytes, topic.publisher.requests) == (True, 0, 0)


def test_a_failure_is_tried_again_with_the_next_attempt():
    """After a delay, with the same messages."""
    topic = Topic(DOWN)
    span = topic.publish(b"a")
    topic.poll_at(0)
    topic.says = "ok"
    topic.poll_at(0.01)
    assert (len(topic.sent), span.is_done) == (1, False)
    topic.poll_at(0.11, 0.12)
    assert (topic.sent, topic.attempts, span.is_done) == ([[b"a"]] * 2, ["1", "2"], True)
    assert topic.publisher.retries == 1


def test_delays_double_up_to_a_minute_and_never_end():
    """A hundred failures later it is still tried."""
    topic = Topic(DOWN)
    topic.publish(b"a")
    sent_s: list[float] = []
    for tick in range(40_000):
        before = len(topic.sent)
        topic.poll_at(tick / 10)
        sent_s += [topic.now_s] * (len(topic.sent) - before)
    waits = [after - before for before, after in itertools.pairwise(sent_s)]
    assert len(sent_s) > 70
    assert 0.5 * DELAY_MAX_S <= min(waits[-20:]) <= max(waits[-20:]) <= DELAY_MAX_S + 0.2


def test_a_partial_answer_is_no_answer():
    """Which messages were taken is not known: all are sent again, and removed by their ids where they are counted."""
    topic = Topic(1)
    span = topic.publish(b"a", b"b")
    topic.poll_at(0)
    topic.says = "ok"
    topic.poll_at(1, 1)
    assert (topic.sent, span.open) == ([[b"a", b"b"]] * 2, 0)


def test_a_refused_message_is_found_by_halving():
    """The others are published, however many there are."""
    topic = Topic()
    values = [b"%d" % number for number in range(20)]
    values[13] = b"bad"
    span = topic.publish(*values)
    (refused,) = topic.poll_at(*range(20))
    assert (refused.span, refused.offset, refused.value) == (span, 13, b"bad")
    assert (span.open, topic.publisher.bytes) == (1, 0)


def test_a_hold_is_noted_once_at_each_end_and_tries_one_request_at_a_time():
    """When it ends, all that waits goes at once."""
    topic = Topic(DOWN)
    spans = [topic.publish(b"a") for _ in range(5)]
    topic.poll_at(0)
    before = len(topic.sent)
    topic.poll_at(0.2)
    assert (topic.publisher.is_holding, topic.publisher.has_room(), len(topic.sent) - before) == (True, False, 1)
    topic.poll_at(*(float(second) for second in range(1, 100)))
    topic.says = "ok"
    topic.poll_at(200, 200, 200)
    assert all(span.is_done for span in spans)
    assert topic.notes == [
        "Pub/Sub does not take messages: unavailable: down; it is tried again without end",
        "Pub/Sub takes messages again",
    ]


def test_requests_on_their_way_are_bounded():
    """Then nothing more is made."""
    topic = Topic(None)
    for _ in range(REQUESTS_MAX):
        assert topic.publisher.has_room()
        topic.publish(b"a")
    assert not topic.publisher.has_room()
