"""Pub/Sub's PublishRequest, written in protobuf's wire format: a tenth of what its message objects cost.

A request is its topic and its messages; a message is `data` (field 1) and a map of attributes (field 2), each with its
length before it. The tests read it back with Google's own classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfoot.services.relay.heads import Head, Wanted

_FIELD_1, _FIELD_2 = b"\x0a", b"\x12"


def varint(number: int) -> bytes:
    """Seven bits a byte, the least first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


_SMALL = tuple(varint(number) for number in range(1 << 14))


def _length(number: int) -> bytes:
    return _SMALL[number] if number < len(_SMALL) else varint(number)


def attribute(name: str, value: str) -> bytes:
    """One entry of a message's attributes."""
    key, text = name.encode(), value.encode()
    entry = _FIELD_1 + _length(len(key)) + key + _FIELD_2 + _length(len(text)) + text
    return _FIELD_2 + _length(len(entry)) + entry


def _before(name: str, length: int) -> bytes:
    """All of an entry but its value, which has this length in bytes."""
    return attribute(name, "x" * length)[:-length]


_UUID, _BLOCK = _before("id", 36), _before("id", 32)
_TIME_MIN, _TIME_MAX = _before("time_min", 27), _before("time_max", 27)
_OFFSETS = tuple(_before("offset", digits) for digits in range(1, 21))
_ONE = attribute("form", "single") + attribute("events", "1")


class Encoder:
    """Messages of one partition of the intermediate topic, without their attempt."""

    def __init__(self, wanted: Wanted, topic: str, partition: int) -> None:
        about = {
            "definition": wanted.definition,
            "source": wanted.source,
            "topic": topic,
            "partition": str(partition),
        }
        self._about = b"".join(attribute(name, text) for name, text in about.items())

    def message(self, head: Head, offset: int, value: bytes) -> bytes:
        """The message, to which `request` adds the attempt."""
        place, first, last = b"%d" % offset, head.time_min.encode(), head.time_max.encode()
        form = attribute("form", "block") + attribute("events", str(head.events)) if head.is_block else _ONE
        return b"".join(
            (
                _FIELD_1,
                _length(len(value)),
                value,
                self._about,
                form,
                _BLOCK if head.is_block else _UUID,
                head.id.encode(),
                _TIME_MIN,
                first,
                _TIME_MAX,
                last,
                _OFFSETS[len(place) - 1],
                place,
            )
        )


def request(topic: bytes, messages: Sequence[bytes], attempt: int) -> bytes:
    """A whole request; `topic` is its encoded topic."""
    said = attribute("attempt", str(attempt))
    parts = [topic]
    for message in messages:
        parts += (_FIELD_2, _length(len(message) + len(said)), message, said)
    return b"".join(parts)


def data_of(message: bytes) -> bytes:
    """The data of a message that was made here."""
    length, place, shift = 0, 1, 0
    while True:
        byte = message[place]
        length |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return message[place : place + length]


def request_topic(path: str) -> bytes:
    """The topic of a request: `projects/PROJECT/topics/TOPIC`."""
    encoded = path.encode()
    return _FIELD_1 + _length(len(encoded)) + encoded


OVERHEAD_BYTES = 64
"""What a message costs in a request beside its own bytes: its length, and the attempt, at most."""

ATTRIBUTES_BYTES_MAX = 4_096
"""What a message's attributes take, at most: names of topics and namespaces are short."""
