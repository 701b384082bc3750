"""A service's state, and the meter that it comes from."""

import pytest

from crossfoot.errors import DataError
from crossfoot.seen.meter import Meter
from crossfoot.seen.state import SinkState, decode, encode
from crossfoot.testing.clocks import ManualClock
from tests.unit.seen.states import FULL, state


def test_a_state_goes_through_its_line_of_json():
    """What is read is what was written."""
    assert decode(encode(FULL)) == FULL


def test_what_a_newer_service_says_beside_it_is_passed_over():
    """So `watch` need not be of the same version."""
    assert decode(encode(state())[:-2] + b',"moon":"full"}') == state()


def test_a_line_of_something_else_is_named():
    """The socket may be anybody's."""
    with pytest.raises(DataError, match="is no state of a service"):
        decode(b'{"hello": 1}')


def test_shares_are_in_percent_of_all_records():
    """Nothing counted yet is no division by zero."""
    assert (FULL.share("duplicate", "conflict"), state().share("duplicate")) == (8.0, 0.0)


def test_the_rate_is_that_of_the_last_seconds():
    """A minute of silence before says nothing about now."""
    clock = ManualClock()
    meter = Meter("run", "clicks", clock)
    clock.advance(60)
    assert meter.state({"counted": 600}).rate == 10
    rates = []
    for second in range(1, 11):
        clock.advance(1)
        rates.append(meter.state({"counted": 600 + 1000 * second}).rate)
    assert rates[-1] == 1000


def test_the_meter_gathers_times_and_failures():
    """Attempts are counted until the place works again; retries for ever."""
    meter = Meter("relay", "clicks", ManualClock())
    for seconds in (0.2, 0.1):
        meter.batch(seconds)
    meter.failed("kafka:clicks", ["refused", "timed out"])
    found = meter.state({})
    assert (found.batches.times, found.batches.last_s, found.batches.longest_s) == (2, 0.1, 0.2)
    assert [(retry.attempts, retry.reason) for retry in found.retrying] == [(2, "timed out")]
    meter.recovered("kafka:clicks")
    assert (meter.state({}).retrying, meter.state({}).retries) == ((), 2)


def test_a_sink_that_fails_is_a_place_that_is_tried_again():
    """Its failures are counted since the start, its attempts since it worked."""
    meter = Meter("run", "clicks", ManualClock())
    states = [SinkState("cells", 0, 1, 0, failing, attempts) for failing, attempts in [("a", 1), ("b", 3), (None, 0)]]
    found = [meter.state({}, sinks=(sink,)) for sink in (*states, SinkState("cells", 1, 1, 0, "c", 2))]
    assert [state.retries for state in found] == [1, 3, 3, 5]
    retries = [[(retry.place, retry.attempts, retry.reason) for retry in state.retrying] for state in found]
    assert retries == [[("sink cells", 1, "a")], [("sink cells", 3, "b")], [], [("sink cells", 2, "c")]]


def test_a_journal_that_begins_anew_is_a_checkpoint():
    """The engine says only how long it is."""
    meter = Meter("run", "clicks", ManualClock())
    for length in (10, 20, 5, 5, 9):
        meter.journal(length)
    assert meter.state({}).checkpoints == 1
