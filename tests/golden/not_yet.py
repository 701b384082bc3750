"""Golden folders that only the reference engine runs, for one reason: the native core takes no records at positions
with stamps beside them (`feed_records`), and does not explode. Who teaches it that empties this list.
"""

from tests.engines import DRIVERS

NOT_YET = frozenset(
    {
        "broker-a-lagging-partition",
        "broker-an-event-ahead",
        "broker-gaps-of-a-compacted-topic",
        "broker-joins-late",
        "broker-stamp-ahead-of-the-reading-clock",
        "broker-stamps-go-back",
        "carried-a-clock-that-is-ahead",
        "carried-and-forgotten",
        "carried-in-another-order",
        "carried-in-any-order",
        "carried-without-stamps",
        "cloudevents-in-headers",
        "explode",
        "explode-copies",
        "explode-own-ids",
        "explode-where-and-invalid",
        "ingest",
        "transport-edge",
    }
)

TAKES_RECORDS = [name for name in DRIVERS if name != "embedded" or not NOT_YET]
"""The engines that have `feed_records`."""
