"""Pub/Sub's PublishRequest in protobuf's wire format: its topic (field 1), and messages that the native core frames.

A frame is a message as it stands in a request (field 2), sent for the first time: its data (field 1) comes first in it,
the attribute that says the attempt last. The tests read requests back with Google's own classes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crossfoot import _core
from crossfoot.native import core_errors
from crossfoot.services.group.share import Block
from crossfoot.services.relay.heads import Head, Wanted

_FIELD_1, _FIELD_2 = b"\x0a", b"\x12"


@dataclass(frozen=True, slots=True)
class Run:
    """Frames one behind the other: where each ends, and its offset. What is meant is from `first` to `last`."""

    frames: bytes
    ends: Sequence[int]
    offsets: Sequence[int]
    first: int
    last: int

    @staticmethod
    def of(frames: Iterable[tuple[int, bytes]]) -> Run:
        """Single frames with their offsets."""
        ends, offsets, parts = array("I"), array("Q"), []
        size = 0
        for offset, frame in frames:
            size += len(frame)
            ends.append(size)
            offsets.append(offset)
            parts.append(frame)
        return Run(b"".join(parts), ends, offsets, 0, len(ends))

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Offset and frame of each."""
        for number in range(self.first, self.last):
            yield self.offsets[number], self.frames[self._start(number) : self.ends[number]]

    def _start(self, number: int) -> int:
        return self.ends[number - 1] if number else 0

    @property
    def size(self) -> int:
        """Their bytes in a request."""
        return self._start(self.last) - self._start(self.first)

    def fitting(self, bytes_max: int) -> int:
        """How many of the first take no more than that."""
        most = self._start(self.first) + bytes_max
        return bisect_right(self.ends, most, self.first, self.last) - self.first

    def split(self, number: int) -> tuple[Run, Run]:
        """The first so many, and the rest."""
        middle = self.first + min(number, len(self))
        about = (self.frames, self.ends, self.offsets)
        return Run(*about, self.first, middle), Run(*about, middle, self.last)

    def written(self, attempt: int) -> bytes | memoryview:
        """The frames, as they are sent at an attempt."""
        if attempt == 1:
            return memoryview(self.frames)[self._start(self.first) : self._start(self.last)]
        said = attribute("attempt", str(attempt))
        messages = (_inside(frame)[: -len(_FIRST)] + said for _, frame in self)
        return b"".join(_FIELD_2 + varint(len(message)) + message for message in messages)


class Encoder:
    """Frames the messages of one partition of a topic; none of them is longer than `bytes_max`."""

    def __init__(self, wanted: Wanted, topic: str, partition: int, bytes_max: int) -> None:
        self._core = _core.Framing(wanted.source, wanted.definition, topic, partition, bytes_max)

    def singles(self, block: Block, *, places: bool = True) -> tuple[Run, list[int]]:
        """Those that are single events; the numbers of the records that are left.

        Each stands at its record's offset, or at the one that it says itself.
        """
        with core_errors():
            frames, ends, offsets, left = self._core.singles(block.data, (block.ends, block.offsets, b"", b""), places)
        run = Run(frames, memoryview(ends).cast("I"), memoryview(offsets).cast("Q"), 0, len(ends) // 4)
        return run, left

    def one(self, head: Head, offset: int, value: bytes) -> bytes | None:
        """The frame of a message; None where it is too long."""
        about = (head.id, head.events, head.time_min, head.time_max, head.is_block)
        return self._core.one(value, about, offset)


def request(topic: bytes, runs: Iterable[Run], attempt: int) -> bytes:
    """A whole request; `topic` is its encoded topic."""
    return b"".join([topic, *(run.written(attempt) for run in runs)])


def request_topic(path: str) -> bytes:
    """The topic of a request: `projects/PROJECT/topics/TOPIC`."""
    encoded = path.encode()
    return _FIELD_1 + varint(len(encoded)) + encoded


def data_of(frame: bytes) -> bytes:
    """The data of a message."""
    message = _inside(frame)
    length, place = _length(message)
    return message[place : place + length]


def attribute(name: str, value: str) -> bytes:
    """One entry of a message's attributes."""
    key, text = name.encode(), value.encode()
    entry = _FIELD_1 + varint(len(key)) + key + _FIELD_2 + varint(len(text)) + text
    return _FIELD_2 + varint(len(entry)) + entry


def varint(number: int) -> bytes:
    """Seven bits a byte, the least first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


_FIRST = attribute("attempt", "1")


def _inside(frame: bytes) -> bytes:
    return frame[_length(frame)[1] :]


def _length(field: bytes) -> tuple[int, int]:
    """The length behind a field's tag, and where what it is of begins."""
    length, place, shift = 0, 1, 0
    while True:
        byte = field[place]
        length |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return length, place


ATTRIBUTES_BYTES_MAX = 4_096
"""What a message's attributes take, at most: names of topics and namespaces are short."""
