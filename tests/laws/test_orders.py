"""What does not depend on the order, the partitions and the number of copies."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.event import Account
from tests.engines import DRIVERS, Driver, Feed, Register, Step, play
from tests.golden.answers import side_log
from tests.laws import logs

STAMPED = logs.stamped()
UNSTAMPED = logs.unstamped()
CARRIED = logs.carried()
ENGINES = pytest.mark.parametrize("name", DRIVERS)
HONEST = st.lists(logs.honest_records(), max_size=25)
ANY_PARTITION = st.sampled_from(logs.PARTITIONS)


def feed(partition: str, line: bytes) -> Feed:
    return Feed(partition, line + b"\n")


def results(name: str, definition, steps: Sequence[Step]) -> tuple[object, ...]:
    """Cells, the side log, and records and members by account: over all partitions, without the ages of copies."""
    with tempfile.TemporaryDirectory() as folder:
        driver: Driver = DRIVERS[name](definition, Path(folder))
        play(driver, steps)
        engine = driver.engine
        return engine.cells(), side_log(engine), totals(engine.ledger())


def totals(ledger) -> dict[Account, tuple[int, int]]:
    records: Counter[Account] = Counter()
    digests: Counter[Account] = Counter()
    for row in ledger:
        records[row.account] += row.records
        digests[row.account] += row.digest
    return {account: (records[account], digests[account] % 2**128) for account in records}


@ENGINES
@settings(max_examples=40)
@given(data=st.data(), lines=HONEST)
def test_without_stamps_the_order_does_not_matter(name: str, data: st.DataObject, lines: list[bytes]):
    """Any order, over any partitions, gives the same cells and totals."""
    shuffled = data.draw(st.permutations(lines))
    places = data.draw(st.lists(ANY_PARTITION, min_size=len(lines), max_size=len(lines)))
    straight = results(name, UNSTAMPED, [feed("a", line) for line in lines])
    mixed = results(name, UNSTAMPED, [feed(place, line) for place, line in zip(places, shuffled, strict=True)])
    assert mixed == straight


@ENGINES
@settings(max_examples=40)
@given(data=st.data(), lines=HONEST.filter(bool))
def test_copies_change_no_cell(name: str, data: st.DataObject, lines: list[bytes]):
    """Copies anywhere are in the account `duplicate`, and nowhere else."""
    copies = data.draw(st.lists(st.sampled_from(lines), max_size=10))
    steps = data.draw(st.permutations(lines + copies))
    cells, side, accounts = results(name, UNSTAMPED, [feed("a", line) for line in lines])
    more_cells, more_side, more = results(name, UNSTAMPED, [feed("a", line) for line in steps])
    assert (more_cells, more_side, more.get(Account.COUNTED)) == (cells, side, accounts.get(Account.COUNTED))
    assert sum(records for records, _ in more.values()) == len(lines) + len(copies)


@ENGINES
@settings(max_examples=40)
@given(data=st.data(), lines=st.lists(st.tuples(ANY_PARTITION, logs.honest_records()), max_size=25))
def test_the_interleaving_of_partitions_does_not_matter(name: str, data: st.DataObject, lines: list[tuple[str, bytes]]):
    """With stamps too, if all partitions are known at the start: each keeps its own order."""
    by_partition = {p: [line for partition, line in lines if partition == p] for p in logs.PARTITIONS}
    turns = data.draw(st.permutations([partition for partition, _ in lines]))
    other = [feed(partition, by_partition[partition].pop(0)) for partition in turns]
    start = Register(logs.PARTITIONS)
    straight = results(name, STAMPED, [start, *(feed(*line) for line in lines)])
    assert without_watermark(results(name, STAMPED, [start, *other])) == without_watermark(straight)


@ENGINES
@settings(max_examples=40)
@given(data=st.data(), lines=HONEST)
def test_with_carried_stamps_the_order_of_arrival_does_not_matter(name: str, data: st.DataObject, lines: list[bytes]):
    """Any order, over any partitions that join at any time, as long as nothing is held for longer than D."""
    one, other = data.draw(logs.arrivals(lines)), data.draw(logs.arrivals(lines))
    found = [without_watermark(results(name, CARRIED, steps)) for steps in (one, other)]
    assert found[0][0] == found[1][0]
    assert found[0][2] == found[1][2]


def without_watermark(found: tuple[object, ...]) -> tuple[object, ...]:
    """Retention follows the watermark, which is about what was complete and when."""
    cells, side, accounts = found
    return [table for table in cells if table.grain != "1m"], side, accounts  # type: ignore[attr-defined]
