"""Requests in protobuf's wire format, read back with Google's classes."""

import pytest

from crossfoot.services.relay.encode import OVERHEAD_BYTES, Encoder, data_of, request, request_topic, varint
from crossfoot.services.relay.heads import head_of
from crossfoot.sources.pubsub_client import message_class
from tests.unit.services.relay.messages import WANTED, block, single

TOPIC = "projects/p/topics/clicks"


def messages(*values: bytes, attempt: int = 1):
    encoder = Encoder(WANTED, "clicks.prepared", 12)
    encoded = [encoder.message(head_of(value, WANTED), 10**place, value) for place, value in enumerate(values)]
    found = message_class("PublishRequest").FromString(request(request_topic(TOPIC), encoded, attempt))
    assert found.topic == TOPIC
    return found.messages


def test_a_single_is_data_and_attributes():
    """The value is unchanged; what it says of itself stands beside it."""
    (found,) = messages(single(7), attempt=12)
    assert found.data == single(7)
    assert dict(found.attributes) == {
        "id": "00000000-0000-0000-0000-000000000007",
        "form": "single",
        "events": "1",
        "definition": WANTED.definition,
        "source": "crossfoot:clicks",
        "time_min": "2015-09-12T10:00:00.000007Z",
        "time_max": "2015-09-12T10:00:00.000007Z",
        "topic": "clicks.prepared",
        "partition": "12",
        "offset": "1",
        "attempt": "12",
    }


def test_a_block_says_how_many_events_it_holds():
    """And has an id of its own."""
    found = messages(single(1), block(range(500)))[1]
    said = dict(found.attributes)
    assert found.data == block(range(500))
    assert (said["form"], said["events"], said["offset"], len(said["id"])) == ("block", "500", "10", 32)
    assert (said["time_min"], said["time_max"]) == ("1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000499Z")


@pytest.mark.parametrize("length", [0, 100, 20_000, 3_000_000])
def test_messages_of_any_length(length):
    """Lengths take one to four bytes."""
    value = single(1, data={"page": "x" * length})
    (found,) = messages(value)
    assert found.data == value


def test_the_data_of_a_message_is_found_again():
    """For a dead letter."""
    value = single(1, data={"page": "x" * 5_000})
    assert data_of(Encoder(WANTED, "t", 0).message(head_of(value, WANTED), 0, value)) == value


def test_the_overhead_is_an_upper_limit():
    """Also of the hundredth attempt of a large message."""
    message = b"x" * 9_999_999
    assert len(request(b"", [message], 10**9)) <= len(message) + OVERHEAD_BYTES


def test_numbers_take_seven_bits_a_byte():
    """The least first."""
    assert [varint(number) for number in (0, 127, 128, 300)] == [b"\x00", b"\x7f", b"\x80\x01", b"\xac\x02"]
