"""One partition: its order, its ledger."""

import pytest

from crossfoot.errors import InternalError
from crossfoot.services.relay.lane import Lane, Ledger, Span, ledger_of

BEGUN = Ledger("id-1", 10, 10)


def lane(*spans: Span) -> Lane:
    made = Lane(0, "kafka:clicks/0", BEGUN, None)
    for span in spans:
        made.add(span)
    return made


def span(first: int, *sizes: int, following: int | None = None) -> Span:
    made = Span(0, following or first + len(sizes), len(sizes), 1_000 * first)
    made.messages.extend((first + place, b"x" * size) for place, size in enumerate(sizes))
    return made


def test_the_position_moves_in_order_only():
    """What is done behind something that is not waits for it."""
    first, second = span(10, 1, 1), span(12, 1)
    here = lane(first, second)
    second.published = 1
    here.settle()
    assert here.ledger == BEGUN
    first.published, first.dead = 1, 1
    here.settle()
    assert here.ledger == Ledger("id-1", 10, 13, records=3, published=2, dead=1)
    here.ledger.check("here")


def test_positions_that_are_never_handed_out_are_gaps():
    """Before a message, and at the end of a log."""
    only = span(14, 1)
    here = lane(only, Span(0, 17, 0, 0))
    only.published = 1
    here.settle()
    assert (here.ledger.next, here.ledger.gaps) == (17, 6)
    here.ledger.check("here")


def test_a_ledger_that_does_not_balance_is_a_fault():
    """It is found before it is committed."""
    with pytest.raises(InternalError, match="the accounts of here hold 2 of 3"):
        Ledger("id-1", 0, 3, records=3, published=2).check("here")
    with pytest.raises(InternalError, match="the positions of here hold 3 of 4"):
        Ledger("id-1", 0, 4, records=3, published=3).check("here")


def test_a_ledger_is_read_as_it_was_written():
    """Beside an offset; what another tool has set has none."""
    written = Ledger("id-1", 10, 15, 4, 1, 3, 1)
    assert ledger_of(15, written.text()) == written
    assert [ledger_of(15, text) for text in ("", "{}", "7", "nonsense", '{"relay":1}')] == [None] * 5


def test_messages_are_cut_by_number_and_by_size():
    """Of one span at a time."""
    here = lane(span(10, 100, 100, 100), span(13, 100))
    assert [offset for offset, _ in here.cut(2, 10_000)[1]] == [10, 11]
    assert here.cut(2, 50) is None
    assert [offset for offset, _ in here.cut(2, 50, at_least_one=True)[1]] == [12]
    assert [offset for offset, _ in here.cut(2, 10_000)[1]] == [13]
    assert (here.cut(2, 10_000), here.pending_bytes) == (None, 0)


def test_the_oldest_message_that_is_not_done_is_known():
    """Its time is the age of the backlog."""
    first, second = span(10, 1), span(11, 1)
    here = lane(first, second)
    first.published = 1
    here.settle()
    assert here.oldest_us() == 11_000
