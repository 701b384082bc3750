"""The law of shards: however blocks are ordered, cut into bundles and done again, cells and totals are the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.engines.shard import Splitter
from tests.counting import NOW_US, STAMPED, click, lines
from tests.shards import Block, Fleet

DEFINITION = load_text(STAMPED.replace("mean: mean(ms)", "mean: mean(ms), kinds: 'distinct(ms, exact=2)'"))
SHARDS = 3

EVENT = st.builds(
    lambda seq: click(
        seq,
        f"2015-09-12T10:{seq * 7 % 60:02}:00Z",
        got=f"2015-09-12T10:{min(59, seq * 7 % 60 + seq % 3):02}:30Z",
        page="ab"[seq % 2],
        country=[None, "FR", "DE"][seq % 3],
        ms=seq * seq % 11,
    ),
    st.integers(0, 40),
)
RECORDS = st.lists(EVENT | st.sampled_from([b"{\n", b'{"seq": 1}\n']), min_size=1, max_size=6)


@given(
    batches=st.lists(RECORDS, min_size=1, max_size=5),
    data=st.data(),
)
def test_order_bundles_and_retries_change_nothing(batches: list[Any], data: st.DataObject):
    """Distinct members are more than are kept exactly, so sketches are among the values."""
    blocks = split(batches)
    whole = Fleet(DEFINITION, SHARDS)
    whole.bundle(blocks)
    other = Fleet(DEFINITION, SHARDS)
    for bundle in cut(data.draw(st.permutations(blocks), "order"), data.draw(st.integers(1, 4), "length")):
        other.bundle(bundle, retries=data.draw(st.integers(0, 2), "retries"))
    assert other.sink.tables() == whole.sink.tables()
    assert other.sink.totals() == whole.sink.totals()
    assert other.sink.events() == whole.sink.events()


def split(batches: list[Any]) -> list[Block]:
    """Blocks with the stamps of a clock that is right. Each batch is of a partition of its own."""
    splitter = Splitter(DEFINITION, SHARDS)
    made = [splitter.lines(str(number), lines(batch), NOW_US) for number, batch in enumerate(batches)]
    return [(number, block, each.received_us or 0) for each in made for number, block in each.blocks.items()]


def cut(blocks: list[Block], length: int) -> list[list[Block]]:
    return [blocks[first : first + length] for first in range(0, len(blocks), length)]
