"""A relay as every service is shown."""

from dataclasses import replace

from crossfoot.clock import SystemClock
from crossfoot.seen.meter import Meter
from crossfoot.services.group.state import PartitionState, Totals
from crossfoot.services.relay.state import LaneState, RelayState, seen

DONE = Totals(records=5, out=4, malformed=1)
LANE = LaneState("kafka:clicks/0", PartitionState("id", "hash", 0, 5, totals=DONE), 7, 60.0)


def test_backlog_age_and_hold_are_shown():
    """A hold is one place that is tried again; it ends when something is taken."""
    meter = Meter("relay", "clicks", SystemClock())
    holding = seen(RelayState((LANE,), 100, 50, 3, DONE, "unavailable: down", 1.0), meter, "kafka:clicks", 1_000)
    assert [(lag.partition, lag.records, lag.seconds) for lag in holding.lags] == [("kafka:clicks/0", 7, 60.0)]
    assert [(retry.place, retry.reason) for retry in holding.retrying] == [("Pub/Sub", "unavailable: down")]
    assert (holding.service, holding.records, holding.queued_bytes) == ("relay", 5, 150)
    assert seen(RelayState((LANE,), 0, 0, 3, DONE, None, 2.0), meter, "kafka:clicks", 1_000).retrying == ()


def test_a_topic_that_cannot_be_read_is_tried_again():
    """Until something is read of it; its queue has the same name."""
    meter = Meter("relay", "clicks", SystemClock())
    away = RelayState((LANE,), 0, 0, 0, DONE, None, 1.0, failures=("clicks: no broker",))
    found = seen(away, meter, "kafka:clicks", 1_000)
    assert [(retry.place, retry.reason) for retry in found.retrying] == [("kafka:clicks", "clicks: no broker")]
    assert found.queues[0].source == "kafka:clicks"
    assert seen(replace(away, failures=(), is_read=True), meter, "kafka:clicks", 1_000).retrying == ()
