"""Golden folders prepared in one place and counted in another: on shards in one process here, and by a real pipeline.

Each message comes twice, in any order. What cannot come out the same then is listed with its reason; a folder that does
come out the same may not be listed.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from crossfoot.engines.shard import Splitter
from crossfoot.errors import CrossfootError
from tests.golden import folders
from tests.golden.answers import table_answer
from tests.golden.carried import Carried, Form, carried, expected_of
from tests.golden.test_shards import LEFT_OUT as NOT_ON_SHARDS
from tests.shards import Fleet
from tests.times import us

NOW_US = us("2026-01-01T00:00:00Z")
"""The clock of the shards: long after everything in the folders."""
SEEDS = range(4)
_READ = "only files have records of this form, and only Kafka's are prepared"
_SIZE = "a prepared event is longer than its record, and the folder's limit is 120 bytes"
_WAY = "the way took some hours, and here it takes until today"
_WINNER = "an id comes with several times or contents, in messages of their own: the first that is processed wins"
LEFT_OUT = NOT_ON_SHARDS | {
    "csv-rows": _READ,
    "malformed-reasons": _SIZE,
    "prepared": _WAY,
    "prepared-again": _WINNER,
    "prepared-blocks": _WINNER,
    "text-lines-by-pattern": _READ,
    "text-lines-in-ascii": _READ,
    "transport-edge": _WAY,
}
IN_BLOCKS = {
    "accounts-every-one",
    "broker-delivered-again",
    "changed-time-inside-the-horizon",
    "conflicts",
    "copies-without-stamps",
    "explode-copies",
    "explode-own-ids",
    "fields-without-type",
    "ids-fingerprint",
    "ids-uuid",
    "watermark-out-of-order",
}
"""An id comes with several times or contents: the first that is processed wins, and a block keeps their order."""
CHOSEN = [folder for folder in folders.FOLDERS if folder.name not in LEFT_OUT]


def form_of(name: str) -> Form:
    """One event in a message, where that gives the same in any order."""
    return "block" if name in IN_BLOCKS else "single"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("folder", CHOSEN, ids=lambda folder: folder.name)
def test_what_is_carried_is_counted_as_expected(folder: Path, seed: int):
    check(folder, form_of(folder.name), seed)


@pytest.mark.parametrize("name", sorted(IN_BLOCKS))
def test_what_needs_blocks_does_not_come_out_the_same_in_single_messages(name: str):
    assert not all(comes_out(name, "single", seed) for seed in range(50))


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_folder_that_is_left_out_does_not_come_out_the_same(name: str):
    assert not all(comes_out(name, "block", seed) for seed in range(50)), LEFT_OUT[name]


def comes_out(name: str, form: Form, seed: int) -> bool:
    """Whether the check holds."""
    try:
        check(folders.HOME / name, form, seed)
    except (AssertionError, CrossfootError):
        return False
    return True


def check(folder: Path, form: Form, seed: int) -> None:
    """Cells and accounts."""
    golden = folders.read(folder)
    made = carried(golden, form)
    fleet = counted(made, 3, Random(seed))
    assert ([table_answer(table) for table in fleet.sink.tables()], fleet.sink.totals()) == expected_of(golden, made)


def counted(made: Carried, shards: int, random: Random) -> Fleet:
    fleet, splitter = Fleet(made.definition, shards), Splitter(made.definition, shards)
    messages = [*made.messages, *made.messages]
    random.shuffle(messages)
    for at, message in enumerate(messages):
        split = splitter.prepared("pubsub", [message], NOW_US, [at])
        fleet.bundle((number, block, NOW_US) for number, block in split.blocks.items())
    fleet.bundle([])
    return fleet
