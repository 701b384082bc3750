"""States for tests."""

from typing import Any

from crossfoot.seen.state import Lag, Queue, Retry, SinkState, Spent, State


def state(**given: Any) -> State:
    """A state of which a test names what it is about."""
    facts = {"service": "run", "name": "clicks", "process": 7, "version": "1", "now_us": 0, "seconds": 1.0}
    return State(**(facts | given))


FULL = state(
    seconds=61.5,
    epoch=12,
    accounts={"counted": 90, "duplicate": 8, "too_late": 2},
    rate=1234.5,
    clock_us=1_442_052_000_000_000,
    watermark_us=1_442_052_000_000_000,
    lags=(Lag("kafka:clicks/0", 40, 2.5), Lag("kafka:clicks/1", 0, None)),
    queues=(Queue("kafka:clicks", 1024, 4096),),
    batches=Spent(3, 0.1, 0.2, 0.4),
    epochs=Spent(2, 0.01, 0.02, 0.03),
    interval_s=0.25,
    checkpoints=1,
    retries=5,
    retrying=(Retry("kafka:clicks", 3, "no broker"),),
    sinks=(SinkState("kafka:cells", 10, 2, 100, "no broker answers", 4),),
    more={"read_bytes": 5},
)

FORWARDING = state(
    service="relay",
    accounts={"out": 90, "filtered": 0, "malformed": 2, "invalid": 0},
    lags=(Lag("kafka:clicks/0", 40, 2.5),),
    queues=(Queue("kafka:clicks", 1024, 4096),),
    more_counters={"requests_sent_again": 4},
)
"""Of a service in front of a store."""
