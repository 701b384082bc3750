"""Requests on their way to Pub/Sub: several at once, tried again without end.

A request that fails is sent again after a delay that doubles, with jitter, up to a minute. While nothing succeeds one
request at a time is tried, and what has failed waits; when one succeeds all go at once. Only a message that Pub/Sub
refuses by itself is given up: a request that is refused is halved until it is found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from crossfoot.services.relay.encode import data_of, request
from crossfoot.services.relay.lane import Part, Span
from crossfoot.sources.live import Failing, Shown

MESSAGES_MAX = 1_000
REQUEST_BYTES_MAX = 9_000_000
MESSAGE_BYTES_MAX = 10_000_000 - 1_000
"""Pub/Sub takes requests of 10 MB with at most 1,000 messages; a single message may use all of it."""
REQUESTS_MAX = 16
DELAY_S, DELAY_MAX_S = 0.1, 60.0
HOLD_AFTER = 3
"""After so many failures without a success between them it is a hold."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A request was not taken. `is_refused`: it never will be, as it is."""

    text: str
    is_refused: bool = False


class Answer(Protocol):
    """What becomes of a request."""

    def done(self) -> bool:
        """Whether it is known."""
        ...

    def outcome(self) -> int | Failed:
        """How many messages were taken."""
        ...


Send = Callable[[bytes], Answer]


@dataclass(slots=True, eq=False)
class _Request:
    parts: Sequence[Part]
    attempt: int = 1
    not_before_s: float = 0.0
    answer: Answer | None = None

    @property
    def messages(self) -> int:
        return sum(len(run) for _, run in self.parts)

    @property
    def bytes(self) -> int:
        return sum(run.size for _, run in self.parts)


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that Pub/Sub does not take, alone in its request."""

    span: Span
    offset: int
    value: bytes
    text: str


class Publisher:
    """The requests. `elapsed_s` is a stopwatch."""

    def __init__(self, send: Send, topic: bytes, elapsed_s: Callable[[], float], note: Callable[[str], None]) -> None:
        self._send = send
        self._topic = topic
        self._elapsed_s = elapsed_s
        self._note = note
        self._random = Random(int(elapsed_s() * 1e6))
        self._flying: list[_Request] = []
        self._waiting: deque[_Request] = deque()
        self._failures = 0
        self._reason = ""
        self.retries = 0
        self.bytes = 0

    @property
    def is_holding(self) -> bool:
        """Whether nothing is taken at present."""
        return self._failures >= HOLD_AFTER

    @property
    def holding(self) -> str | None:
        """Why nothing is taken at present."""
        return self._reason if self.is_holding else None

    @property
    def requests(self) -> int:
        """Requests that were not taken yet."""
        return len(self._flying) + len(self._waiting)

    def is_flying(self) -> bool:
        """Whether a request was not answered yet; one that waits to be tried again is not."""
        return bool(self._flying)

    def has_room(self) -> bool:
        """Whether a further request may be made."""
        return self.requests < REQUESTS_MAX and not self.is_holding

    def publish(self, parts: Sequence[Part]) -> None:
        """Send a new request."""
        one = _Request(parts)
        self.bytes += one.bytes
        self._fly(one)

    def _fly(self, one: _Request) -> None:
        one.answer = self._send(request(self._topic, (run for _, run in one.parts), one.attempt))
        self._flying.append(one)

    def poll(self) -> list[Refused]:
        """Take note of answers, in the spans; send again what is due. Messages that are given up."""
        refused: list[Refused] = []
        done = [one for one in self._flying if one.answer is not None and one.answer.done()]
        self._flying = [one for one in self._flying if one not in done]
        for one in done:
            assert one.answer is not None
            outcome = one.answer.outcome()
            if isinstance(outcome, Failed):
                refused += self._failed(one, outcome)
            elif outcome != one.messages:
                self._again(one, f"{outcome} of {one.messages} messages were answered for")
            else:
                self._taken(one)
        self._send_waiting()
        return refused

    def _taken(self, one: _Request) -> None:
        for span, run in one.parts:
            span.open -= len(run)
        self.bytes -= one.bytes
        if self.is_holding:
            self._note(Shown("Pub/Sub takes messages again"))
            for other in self._waiting:
                other.not_before_s = 0.0
        self._failures = 0

    def _failed(self, one: _Request, failed: Failed) -> list[Refused]:
        if not failed.is_refused:
            self._again(one, failed.text)
            return []
        if one.messages == 1:
            self.bytes -= one.bytes
            ((span, ((offset, frame),)),) = one.parts
            return [Refused(span, offset, data_of(frame), failed.text)]
        self._waiting.extend(_halves(one))
        return []

    def _again(self, one: _Request, text: str) -> None:
        self._failures += 1
        self._reason = text
        if self._failures == HOLD_AFTER:
            self._note(Failing(f"Pub/Sub does not take messages: {text}; it is tried again without end"))
        longest = min(DELAY_MAX_S, DELAY_S * 2.0 ** min(one.attempt - 1, 16))
        one.not_before_s = self._elapsed_s() + longest * self._random.uniform(0.5, 1.0)
        one.attempt += 1
        self._waiting.append(one)

    def _send_waiting(self) -> None:
        now = self._elapsed_s()
        room = 1 if self.is_holding else REQUESTS_MAX
        for _ in range(len(self._waiting)):
            one = self._waiting.popleft()
            if len(self._flying) < room and one.not_before_s <= now:
                self.retries += 1
                self._fly(one)
            else:
                self._waiting.append(one)


def _halves(one: _Request) -> list[_Request]:
    """Two requests, each with half of the messages."""
    left: list[Part] = []
    right: list[Part] = []
    room = one.messages // 2
    for span, run in one.parts:
        first, rest = run.split(room)
        room -= len(first)
        left += [(span, first)] if first else []
        right += [(span, rest)] if rest else []
    return [_Request(half, one.attempt + 1) for half in (left, right)]
