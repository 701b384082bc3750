"""Requests in protobuf's wire format, read back with Google's classes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfoot.services.relay.encode import Encoder, Run, data_of, request, request_topic, varint
from crossfoot.services.relay.heads import head_of
from crossfoot.sources.pubsub_client import message_class
from tests.unit.services.relay.messages import WANTED, block, records_from, single

TOPIC = "projects/p/topics/clicks"


def encoder(bytes_max: int = 10_000_000) -> Encoder:
    return Encoder(WANTED, "clicks.prepared", 12, bytes_max)


def read(*runs: Run, attempt: int = 1):
    found = message_class("PublishRequest").FromString(request(request_topic(TOPIC), runs, attempt))
    assert found.topic == TOPIC
    return found.messages


def messages(*values: bytes, attempt: int = 1):
    """Each by its head, at the offsets 1, 10, 100, ..."""
    heads = [head_of(value, WANTED) for value in values]
    frames = [(10**place, encoder().one(heads[place], 10**place, value)) for place, value in enumerate(values)]
    return read(Run.of(frames), attempt=attempt)


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
    assert data_of(encoder().one(head_of(value, WANTED), 0, value)) == value


def test_records_become_the_messages_that_their_heads_make():
    """All at once; at their own offsets, or at those that they say."""
    values = [single(number, data={"page": "x" * number}) for number in (7, 200, 3)]
    run, left = encoder().singles(records_from(5, *values))
    one_by_one = [
        (offset, encoder().one(head_of(value, WANTED), offset, value)) for offset, value in enumerate(values, 5)
    ]
    assert (list(run), left) == (one_by_one, [])
    said, left = encoder().singles(records_from(5, *values), places=False)
    assert ([offset for offset, _ in said], left) == ([7, 200, 3], [])
    assert [message.attributes["offset"] for message in read(said)] == ["7", "200", "3"]


@pytest.mark.parametrize(
    "value",
    [
        block([1]),
        b"nonsense",
        single(1, definition="f" * 32),
        single(1, source="crossfoot:other"),
        single(1, type="other"),
        single(1, specversion="0.3"),
        single(1, id="6BA7B810-9DAD-11D1-80B4-00C04FD430C8"),
        single(1, time="2015-09-12T10:00:00Z"),
        single(1, received="yesterday"),
        single(1, data=[1]),
        single(1, data=...),
        single(1, topic="t\n"),
        single(1, data={"page": "x" * 5_000}),
        single(1) + b"}",
        b"",
    ],
)
def test_what_is_no_plain_single_is_left(value):
    """Whoever reads it says what it is; what stands beside it is framed."""
    run, left = encoder(4_000).singles(records_from(0, single(1), value, single(2)))
    assert ([offset for offset, _ in run], left) == ([0, 2], [1])


@given(values=st.lists(st.binary(max_size=40) | st.builds(single, st.integers(0, 99), data=st.just({"a": "é"}))))
def test_what_is_framed_is_what_the_reader_of_heads_takes(values):
    """Whatever else stands among it: nothing that it refuses is framed."""
    run, left = encoder().singles(records_from(0, *values))
    framed = dict(run)
    for offset, value in enumerate(values):
        head = head_of(value, WANTED)
        if offset in left:
            assert offset not in framed
        else:
            assert framed[offset] == encoder().one(head, offset, value)


def test_a_message_that_is_too_long_is_not_framed():
    """By one byte."""
    value = single(1)
    head = head_of(value, WANTED)
    size = len(read(Run.of([(0, encoder().one(head, 0, value))]))[0].SerializeToString())
    assert encoder(size).one(head, 0, value) is None
    assert encoder(size + 1).one(head, 0, value) is not None


def test_a_run_is_cut_by_number_and_by_size():
    """Its parts are the whole."""
    run = Run.of((number, b"x" * 10) for number in range(5))
    first, rest = run.split(2)
    assert ([offset for offset, _ in first], [offset for offset, _ in rest]) == ([0, 1], [2, 3, 4])
    assert (first.size, rest.size, rest.fitting(9), rest.fitting(29), rest.fitting(10**9)) == (20, 30, 0, 2, 3)
    assert [part.size for part in rest.split(99)] == [30, 0]


def test_numbers_take_seven_bits_a_byte():
    """The least first."""
    assert [varint(number) for number in (0, 127, 128, 300)] == [b"\x00", b"\x7f", b"\x80\x01", b"\xac\x02"]
