"""What a message says of itself."""

from uuid import UUID

import pytest

from crossfoot.services.relay.heads import DEFINITION, FORM, Head, block_id, head_of
from tests.unit.services.relay.messages import WANTED, block, single


def test_a_single_is_known_by_its_uuid_and_time():
    """Both are taken as they are written."""
    time = "2015-09-12T10:00:00.000007Z"
    assert head_of(single(7), WANTED) == Head(str(UUID(int=7)), 1, time, time, "7")


def test_a_single_of_an_exploded_record_is_one():
    """`element` is there only then."""
    assert isinstance(head_of(single(7, element=2), WANTED), Head)


def test_a_block_says_its_events_and_the_ends_of_their_times():
    """Whatever the order of its rows."""
    head = head_of(block([5, 9, 2]), WANTED)
    assert head == Head(
        block_id("clicks", 3, (5, None), (2, None), 3),
        3,
        "1970-01-01T00:00:00.000002Z",
        "1970-01-01T00:00:00.000009Z",
        "5",
        is_block=True,
    )


def test_a_block_made_again_has_the_same_id_and_another_block_another():
    """The id is of its events' places."""
    ids = [head_of(value, WANTED).id for value in (block([1, 2]), block([1, 2]), block([1, 3]), block([1, 2], [0, 1]))]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"nonsense",
        b"[]",
        b"\xff",
        b"\xff" * 100,
        single()[:-1],
        single(specversion="0.3"),
        single(type="other"),
        single(id="1"),
        single(id="6BA7B810-9DAD-11D1-80B4-00C04FD430C8"),
        single(time="2015-09-12T10:00:00Z"),
        single(received="yesterday"),
        single(data=[1]),
        single(data=...),
        single(attempt="1"),
        block([]),
        block([1])[:-100],
        block([1], **{"crossfoot.form": "raw"}),
    ],
)
def test_another_form_is_not_passed_on(value):
    """It is malformed, whatever it is."""
    assert head_of(value, WANTED) == FORM


@pytest.mark.parametrize("said", [{"definition": "f" * 32}, {"source": "crossfoot:other"}])
def test_events_of_another_definition_are_not_passed_on(said):
    """Single or in a block."""
    assert head_of(single(**said), WANTED) == DEFINITION
    assert head_of(block([1], **said), WANTED) == DEFINITION
