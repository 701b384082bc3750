"""The delivery: the same every time, nothing lost, nothing changed but the received time."""

import hashlib
import json
from collections import Counter
from dataclasses import replace

import pytest

from crossfoot.demo.delivery import MINUTE, Delivery, Faults, deliver, event_ms, hour_end, iso

FAULTS = Faults(copies=0.2, stale_copies=5, garbage=8)
LINES = [
    json.dumps({"time": iso(1_442_016_000_000 + number * 7_001), "page": f"é{number}", "user": "u"}).encode()
    for number in range(500)
]


@pytest.fixture(scope="module")
def delivery() -> Delivery:
    """A small delivery."""
    return deliver(LINES, FAULTS)


def events(delivery: Delivery) -> list[dict[str, str]]:
    """The delivered lines that are events."""
    found = []
    for line in (line for partition in delivery.partitions for line in partition):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def received_ms(event: dict[str, str]) -> int:
    """The received time of an event."""
    return event_ms(json.dumps({"time": event["received"]}).encode())


def test_the_same_seed_gives_the_same_bytes(delivery: Delivery):
    """Twice the same."""
    assert deliver(LINES, FAULTS) == delivery


def test_another_seed_gives_other_bytes(delivery: Delivery):
    """The seed decides."""
    assert deliver(LINES, replace(FAULTS, seed=1)).partitions != delivery.partitions


def test_the_bytes_are_those_of_every_machine(delivery: Delivery):
    """A delivery is recorded by its hash: another Python, or a change of the code, may not move it unseen."""
    digest = hashlib.sha256(b"\n".join(line for partition in delivery.partitions for line in partition))
    assert digest.hexdigest() == "a65a729cbf5dafd6022ce565ef611929356f0f573547fe14189301ec39e50065"


def test_every_edit_is_delivered_and_unchanged_but_for_its_stamp(delivery: Delivery):
    """Without `received`, the events are the lines, each at least once."""
    bare = {
        json.dumps({name: value for name, value in event.items() if name != "received"}) for event in events(delivery)
    }
    assert bare == {line.decode() for line in LINES}


def test_copies_are_as_many_as_said(delivery: Delivery):
    """500 edits, a fifth of them twice."""
    times = Counter(Counter(event["page"] for event in events(delivery)).values())
    assert times == {1: 400, 2: 100}


def test_exactly_the_stale_copies_come_after_the_allowed_lateness(delivery: Delivery):
    """All others stay a quarter of an hour away from it."""
    ways = [received_ms(event) - event_ms(json.dumps(event).encode()) for event in events(delivery)]
    assert sum(way > FAULTS.lateness for way in ways) == 5
    assert sum(FAULTS.lateness - 14 * MINUTE < way <= FAULTS.lateness for way in ways) == 0


def test_late_edits_are_those_whose_first_stamp_is_after_their_hour(delivery: Delivery):
    """`late` is what the stamps say."""
    first: dict[int, int] = {}
    for event in events(delivery):
        made = event_ms(json.dumps(event).encode())
        first[made] = min(first.get(made, received_ms(event)), received_ms(event))
    assert sum(received >= hour_end(made) for made, received in first.items()) == delivery.late > 0


def test_garbage_is_no_event(delivery: Delivery):
    """All lines that are no events are garbage."""
    assert delivery.records - len(events(delivery)) == delivery.garbage == 8


def test_the_files_are_not_in_the_order_of_their_stamps(delivery: Delivery):
    """Stamps go back within a file."""
    stamps = [
        json.loads(line)["received"]
        for line in delivery.partitions[0]
        if line.startswith(b'{"received"') and line.endswith(b"}")
    ]
    assert stamps != sorted(stamps)
