"""The seeded producer: events of the engagement kind, at a rate, into a topic.

Line number n is the same in every run of a folder, and goes to partition n modulo their number, with n in a header. So
the topic itself says where a producer goes on after it was killed: behind the last line of each partition.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from crossfoot.clock import Clock
from crossfoot.dev.folder import Folder, Load
from crossfoot.errors import CallError, DataError, ServiceError
from crossfoot.files import held, replace_whole
from crossfoot.generate import Workload, blocks

NAME = "produce"
LINE = "line"
"""The header that holds a line's number."""

_OLD_SHARE = 3 / 80
_ENDLESS = 1 << 62
_POLL_S = 0.02
_ANSWER_S = 30.0
_NOTE_S = 10.0
_FLUSH_S = 4.0


@dataclass(frozen=True, slots=True)
class Begun:
    """What the first run of a folder began with: the same lines ever after. `done`: the total that was reached."""

    rate: float
    copies: float
    seed: int
    start_us: int
    partitions: int
    done: int = 0

    @property
    def workload(self) -> Workload:
        """What is generated. Event times follow the reading clock from the first start on: copies take no time."""
        old, events = self.copies * _OLD_SHARE, self.rate * (1 - self.copies)
        return Workload(self.seed, self.start_us, rate=events, copies=self.copies - old, old_copies=old)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on: the clock, whom to tell how far it is, and who may ask to stop."""

    clock: Clock
    note: Callable[[str], None]
    stop: Callable[[], bool]


def begun_of(folder: Folder) -> Begun | None:
    """What the producer of a folder began with, if it did."""
    try:
        return Begun(**json.loads(folder.begun_file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise CallError(f"{folder.begun_file} cannot be read: {error}", "crossfoot dev down --purge") from error


def check_load(load: Load, begun: Begun | None) -> None:
    """CallError for a load that cannot be, or that is not what the folder's lines were begun with."""
    if not 0 <= load.rate < float("inf") or not 0 <= load.copies < 1 or load.seed < 0 or (load.total or 0) < 0:
        raise CallError(
            "rate, seed and total are not negative, copies is a share below 1", "crossfoot dev up --rate 1000"
        )
    if begun and load.rate and (load.rate, load.copies, load.seed) != (begun.rate, begun.copies, begun.seed):
        said = f"--rate {begun.rate:g} --copies {begun.copies:g} --seed {begun.seed}"
        hint = f"give the same ({said}), or begin anew: crossfoot dev down --purge"
        raise CallError("the events of this folder were begun with another rate, share of copies or seed", hint)


class Topic:
    """A topic to produce to."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        from confluent_kafka import Producer

        self._topic = topic
        self._settings = {"bootstrap.servers": bootstrap, "log_level": "0"}
        # No message is given up: while the broker is away it is tried again, in the same order.
        always = {"enable.idempotence": True, "message.timeout.ms": 0, "compression.type": "lz4", "linger.ms": 5}
        self._producer = Producer({**self._settings, **always})

    def partitions(self) -> int:
        """How many it has."""
        found = self._asked(lambda: self._producer.list_topics(self._topic, timeout=_ANSWER_S)).topics[self._topic]
        if found.error is not None:
            raise DataError(f"there is no such Kafka topic: {self._topic}", "crossfoot dev up makes it")
        return len(found.partitions)

    def last_lines(self, partitions: int) -> list[int]:
        """For each partition the number of the last line that it holds; -1: none."""
        from confluent_kafka import Consumer

        reader = Consumer({**self._settings, "group.id": "crossfoot-dev-produce", "enable.auto.commit": False})
        try:
            return [self._last_line(reader, partition) for partition in range(partitions)]
        finally:
            reader.close()

    def _last_line(self, reader: Any, partition: int) -> int:
        from confluent_kafka import TopicPartition

        place = TopicPartition(self._topic, partition)
        first, end = self._asked(lambda: reader.get_watermark_offsets(place, timeout=_ANSWER_S))
        if first == end:
            return -1
        reader.assign([TopicPartition(self._topic, partition, end - 1)])
        record = reader.poll(_ANSWER_S)
        if record is None or record.error():
            raise ServiceError(f"the last line of {self._topic}/{partition} cannot be read", "run again")
        return int(dict(record.headers() or ())[LINE])

    def _asked(self, ask: Callable[[], Any]) -> Any:
        from confluent_kafka import KafkaException

        try:
            return ask()
        except KafkaException as error:
            where = self._settings["bootstrap.servers"]
            raise ServiceError(
                f"the broker at {where} does not answer: {error.args[0].str()}", "crossfoot dev up"
            ) from error

    def send(self, line: int, partition: int, value: bytes) -> None:
        """Hand a line over; waits while too many are on their way."""
        while True:
            try:
                self._producer.produce(self._topic, value, partition=partition, headers=[(LINE, str(line).encode())])
            except BufferError:
                self._producer.poll(_POLL_S)
            else:
                return

    def poll(self, seconds: float) -> None:
        """Let the client work, and wait."""
        self._producer.poll(seconds)

    def flush(self, seconds: float) -> bool:
        """Wait until everything was taken; whether it was."""
        return bool(self._producer.flush(seconds) == 0)


def produce(folder: Folder, load: Load, topic: Topic, watch: Watch) -> int:
    """Send the folder's lines from where the topic ends, until asked to stop or `load.total` are there; how many."""
    what, hint = f"the lines of {folder.path} are sent", "stop it, or name another folder"
    with held(folder.path / "produce.lock", what, hint):
        return _produce(_begin(folder, load, topic, watch.clock), folder, load.total or _ENDLESS, topic, watch)


def _produce(begun: Begun, folder: Folder, total: int, topic: Topic, watch: Watch) -> int:
    last = topic.last_lines(begun.partitions)
    watch.note(f"begins with line {min(last) + 1:,}, {begun.rate:g} lines a second")
    pace = _Pace(begun.rate, topic, watch)
    sent = 0
    for number, line in _lines(begun.workload, total):
        if watch.stop():
            break
        partition = number % begun.partitions
        if number > last[partition]:
            if not pace.wait(sent):
                break
            topic.send(number, partition, line)
            sent += 1
    else:
        _finish(folder, begun, topic, watch, total)
    topic.flush(_FLUSH_S)
    return sent


def _begin(folder: Folder, load: Load, topic: Topic, clock: Clock) -> Begun:
    begun = begun_of(folder)
    check_load(load, begun)
    if not begun:
        if not load.rate:
            raise CallError("nothing is produced at a rate of 0", "crossfoot dev produce --rate 1000")
        begun = Begun(load.rate, load.copies, load.seed, clock.now_us(), topic.partitions())
        _keep(folder, asdict(begun))
    return begun


def _keep(folder: Folder, begun: dict[str, Any]) -> None:
    replace_whole(folder.begun_file, f"{json.dumps(begun)}\n".encode())


def _finish(folder: Folder, begun: Begun, topic: Topic, watch: Watch, total: int) -> None:
    """Everything was handed over: it is done once the broker has taken it."""
    while not topic.flush(_POLL_S):
        if watch.stop():
            return
    _keep(folder, {**asdict(begun), "done": total})
    watch.note(f"done: {total:,} lines")


def _lines(workload: Workload, total: int) -> Iterator[tuple[int, bytes]]:
    number = 0
    for block in blocks(total, workload):
        for line in block.splitlines():
            yield number, line
            number += 1


class _Pace:
    """Lets `rate` lines a second pass, counted from the first one; what was late is made up for."""

    def __init__(self, rate: float, topic: Topic, watch: Watch) -> None:
        self._rate, self._topic, self._watch = rate, topic, watch
        self._began: float | None = None
        self._due = 0
        self._noted = 0.0

    def wait(self, sent: int) -> bool:
        """Wait until the next line is due; False: asked to stop."""
        while sent >= self._due:
            if self._watch.stop():
                return False
            now = self._watch.clock.elapsed_s()
            self._began = now if self._began is None else self._began
            self._due = int((now - self._began) * self._rate) + 1
            if now - max(self._noted, self._began) >= _NOTE_S:
                self._noted = now
                self._watch.note(f"{sent:,} lines, {sent / (now - self._began):,.0f} a second")
            self._topic.poll(0 if sent < self._due else _POLL_S)
        return True
