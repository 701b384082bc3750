"""Golden folders on shards in one process: split, counted, dumped and loaded, and added up by a reader.

A folder is played in its order with a commit for each step, and backwards with each block delivered twice. What cannot
come out the same is listed with its reason; a folder that does come out the same may not be listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossfoot.calendar import EARLIEST_US
from crossfoot.engines.shard import Split, Splitter
from crossfoot.errors import CrossfootError
from tests.engines import Feed, FeedRecords, Heartbeat, Redefine, Step
from tests.golden import folders
from tests.golden.answers import side_answer, table_answer
from tests.golden.carried import without_ages
from tests.shards import Block, Fleet, split_records

_VALUES_MAX = "shards cannot agree on which dimension values come first"
_REDEFINED = "a shard counts under one definition; another one needs an empty state"
_HORIZON = (
    "where stamps are not carried, the way is bounded by a week and ids are kept as long: more is remembered here"
)
_RETAIN = "a window may change until an event of it was on its way for a week, and it is kept for less here: refused"
_JOINS = "a partition that joins late is stamped by the clock of all others, and shards have none"
LEFT_OUT = {
    "broker-joins-late": _JOINS,
    "carried-and-forgotten": _REDEFINED,
    "changed-time-beyond-the-horizon": _HORIZON,
    "field-added": _REDEFINED,
    "fields-reordered": _REDEFINED,
    "forgotten-after-raised-lateness": _REDEFINED,
    "horizon-of-a-partition-that-is-ahead": _HORIZON,
    "other-in-one-set": _VALUES_MAX,
    "other-late-event": _VALUES_MAX,
    "other-null-and-the-text": _VALUES_MAX,
    "other-over-a-restart": _VALUES_MAX,
    "other-row": _VALUES_MAX,
    "partition-joins-late": _JOINS,
    "partition-reopens": _JOINS,
    "recount-joins-as-recorded": _JOINS,
    "retention": _RETAIN,
    "retention-a-microsecond-before": _RETAIN,
}
_WINNER = "an id comes with several times or contents: the first that is processed wins"
_WAY = "the clock of the shard is ahead when an event comes that was long on its way"
IN_ORDER = {
    "accounts-every-one": _WINNER,
    "copies-without-stamps": _WINNER,
    "explode-copies": _WINNER,
    "explode-own-ids": _WINNER,
    "fields-without-type": _WINNER,
    "ids-uuid": _WINNER,
    "prepared": _WINNER,
    "prepared-blocks": _WINNER,
    "transport-edge": _WAY,
}
"""Come out the same in their order, but not backwards."""
TRANSPORT = dict.fromkeys(
    ("prepared", "transport-edge"), "how long an event was on its way is what the folder is about"
)

SHARDS = pytest.mark.parametrize("shards", [1, 3, 16])


def _folders(*without: dict[str, str]) -> Any:
    left_out = {name for each in without for name in each}
    chosen = [folder for folder in folders.FOLDERS if folder.name not in left_out]
    return pytest.mark.parametrize("folder", chosen, ids=lambda folder: folder.name)


@SHARDS
@_folders(LEFT_OUT)
def test_shards_give_what_is_expected(folder: Path, shards: int):
    """In the folder's order, with a commit, a dump and a load at each step, each done twice."""
    golden = folders.read(folder)
    check(golden, in_order(golden, shards))


@SHARDS
@_folders(LEFT_OUT, IN_ORDER)
def test_the_order_of_blocks_does_not_matter_and_copies_change_no_cell(folder: Path, shards: int):
    """Backwards, each block twice, three to a bundle."""
    golden = folders.read(folder)
    check_cells(golden, backwards(golden, shards))


@_folders(LEFT_OUT, TRANSPORT)
def test_input_that_has_an_end_needs_no_clock(folder: Path):
    """It is counted right however old it is: the clock of the shards stands still."""
    golden = folders.read(folder)
    fleet = Fleet(golden.definition, 3)
    for _, split in splits(golden, 3):
        if split is not None:
            fleet.bundle(blocks_of(split, EARLIEST_US))
    fleet.bundle([])
    check_cells(golden, fleet)
    assert fleet.sink.totals() == without_ages(golden.expected["ledger"])


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_folder_that_is_left_out_does_not_come_out_the_same(name: str):
    golden = folders.read(folders.HOME / name)
    assert not all(comes_out(golden, check, in_order, shards) for shards in (1, 3, 16)), LEFT_OUT[name]


@pytest.mark.parametrize("name", IN_ORDER)
def test_a_folder_that_needs_its_order_does_not_come_out_the_same_backwards(name: str):
    golden = folders.read(folders.HOME / name)
    assert not all(comes_out(golden, check_cells, backwards, shards) for shards in (1, 3, 16)), IN_ORDER[name]


def comes_out(
    golden: folders.Golden,
    check: Callable[[folders.Golden, Fleet], None],
    count: Callable[[folders.Golden, int], Fleet],
    shards: int,
) -> bool:
    """Whether the check holds."""
    try:
        check(golden, count(golden, shards))
    except (AssertionError, CrossfootError):
        return False
    return True


def in_order(golden: folders.Golden, shards: int) -> Fleet:
    fleet = Fleet(golden.definition, shards)
    stamp_us = 0
    for step, split in splits(golden, shards):
        if isinstance(step, Heartbeat):
            stamp_us = max(stamp_us, step.t_us)
            fleet.beat(stamp_us)
        if split is not None:
            stamp_us = max(stamp_us, stamp_of(step, split))
            fleet.handed[getattr(step, "partition", "")] += split.events
            fleet.bundle(blocks_of(split, stamp_us), retries=1)
    fleet.bundle([])
    return fleet


def backwards(golden: folders.Golden, shards: int) -> Fleet:
    fleet = Fleet(golden.definition, shards)
    blocks = [
        block
        for step, split in splits(golden, shards)
        if split is not None
        for block in blocks_of(split, stamp_of(step, split))
    ]
    twice = [block for block in reversed(blocks) for _ in range(2)]
    for first in range(0, len(twice), 3):
        fleet.bundle(twice[first : first + 3])
    return fleet


def splits(golden: folders.Golden, shards: int) -> Iterator[tuple[Step, Split | None]]:
    """Each step with what is split of it. The splitter is told the last t of each partition, as a source keeps it."""
    splitter = Splitter(golden.definition, shards)
    last_t: dict[str, int | None] = {}
    ordinals: Counter[str] = Counter()
    for step in golden.steps:
        assert not isinstance(step, Redefine), _REDEFINED
        split = None
        if isinstance(step, Heartbeat):
            last_t[step.partition] = max(last_t.get(step.partition) or step.t_us, step.t_us)
        if isinstance(step, Feed):
            state = (last_t.get(step.partition), None)
            split = splitter.lines(step.partition, step.data, step.now_us, ordinals[step.partition], state)
        elif isinstance(step, FeedRecords):
            split = split_records(splitter, step.partition, step.messages, step.now_us, last_t.get(step.partition))
        if split is not None:
            last_t[step.partition] = split.last_t_us
            ordinals[step.partition] += split.records
        yield step, split


def stamp_of(step: Step, split: Split) -> int:
    """When a block arrives: when the log says so, or with its newest event."""
    stamps = [message.stamp_us for message in step.messages] if isinstance(step, FeedRecords) else []
    return max([stamp for stamp in stamps if stamp is not None] or [split.received_us or 0])


def blocks_of(split: Split, stamp_us: int) -> list[Block]:
    return [(number, block, stamp_us) for number, block in split.blocks.items()]


def check(golden: folders.Golden, fleet: Fleet) -> None:
    """Cells, accounts, the side log, and what each partition was in numbers."""
    check_cells(golden, fleet)
    expected = golden.expected
    assert fleet.sink.totals() == without_ages(expected["ledger"])
    entries = [side_answer(entry) for entry in fleet.sink.side_entries()]
    named = [{name: value for name, value in want.items() if name != "t"} for want in expected["side"]]
    assert len(entries) == len(named)
    assert [{name: entry[name] for name in want} for entry, want in zip(entries, named, strict=True)] == named
    consumed = expected.get("partitions", {})
    events = {name: each["records"] + each["exploded"] for name, each in consumed.items()} or dict(fleet.handed)
    assert +fleet.handed == +Counter(fleet.sink.events()) == +Counter(events)


def check_cells(golden: folders.Golden, fleet: Fleet) -> None:
    assert [table_answer(table) for table in fleet.sink.tables()] == golden.expected["cells"]
