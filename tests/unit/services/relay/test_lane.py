"""One partition: its order, its ledger."""

from dataclasses import replace

from crossfoot.services.group.state import PartitionState, Totals
from crossfoot.services.relay.encode import Run
from crossfoot.services.relay.lane import Lane, Span

BEGUN = PartitionState("id-1", "hash", 10, 10)


def lane(*spans: Span) -> Lane:
    made = Lane(0, "kafka:clicks/0", BEGUN, None)
    for span in spans:
        made.add(span)
    return made


def span(first: int, *sizes: int, following: int | None = None) -> Span:
    made = Span(0, following or first + len(sizes), 1_000 * first, first, Totals(records=len(sizes), out=len(sizes)))
    made.add(Run.of((first + place, b"x" * size) for place, size in enumerate(sizes)))
    return made


def test_the_position_moves_in_order_only():
    """What is done behind something that is not waits for it."""
    first, second = span(10, 1, 1), span(12, 1)
    here = lane(first, second)
    second.open = 0
    assert (here.settle(), here.ledger) == (Totals(), BEGUN)
    first.open, first.totals = 0, Totals(records=2, out=1, malformed=1)
    assert here.settle() == Totals(records=3, out=2, malformed=1)
    assert here.ledger == replace(BEGUN, next=13, last_t_us=12, totals=Totals(records=3, out=2, malformed=1))
    here.ledger.check("here")


def test_what_is_taken_goes_on_with_the_time_of_what_was_taken():
    """Whatever of it is done."""
    here = lane(span(10, 1), span(11, 1))
    assert (here.read_to, here.ahead.last_t_us, here.ledger.last_t_us) == (12, 11, None)


def test_positions_that_are_never_handed_out_are_gaps():
    """Before a message, and at the end of a log."""
    only = span(14, 1)
    here = lane(only, Span(0, 17, 0))
    only.open = 0
    here.settle()
    assert (here.ledger.next, here.ledger.totals.gaps) == (17, 6)
    here.ledger.check("here")


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
    first.open = 0
    here.settle()
    assert here.oldest_us() == 11_000
