"""A shard's bytes in keyed state: what a commit appends, and when the ids are written again."""

from __future__ import annotations

import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.model import DAY_US
from crossfoot.engines.beam import keeping
from crossfoot.engines.beam.keeping import Kept, State, keep, load
from crossfoot.engines.shard import Shard, Splitter
from crossfoot.errors import DefinitionError
from tests.counting import NOW_US, STAMPED, click, lines
from tests.keyed import Bag, Value

AT_US = 1_441_101_600_000_000
DEFINITION = load_text(STAMPED)


def empty() -> State:
    return State(Value(), Bag(), Bag(), Bag())


def commit(shard: Shard, state: State, kept: Kept, *seqs: int, day: int = 0) -> Kept:
    """Count clicks of a day, on that day."""
    at = f"2015-09-{1 + day:02}T10:00:00Z"
    split = Splitter(DEFINITION, 1).lines("a", lines(click(seq, at, got=at) for seq in seqs), NOW_US)
    for block in split.blocks.values():
        shard.apply(block, AT_US + day * DAY_US)
    return keep(kept, shard.commit(), state)


def test_a_commit_appends_what_it_has_added():
    """What was there stays as it is."""
    state, shard = empty(), Shard.new(DEFINITION, 0, 1)
    kept = commit(shard, state, Kept(), *range(100))
    before = state.ids.read()
    kept = commit(shard, state, kept, 100)
    assert state.ids.read()[:-1] == before
    assert Kept.read(state) == kept
    assert (kept.sequence, sum(kept.live.values())) == (2, sum(len(entry) - 8 for entry in state.ids.read()))


def test_a_shard_made_anew_knows_what_was_counted():
    state, shard = empty(), Shard.new(DEFINITION, 0, 1)
    kept = commit(shard, state, Kept(), 1, 2)
    again = load(DEFINITION, 0, 1, kept, state)
    commit(again, state, kept, 2, 3)
    assert {row[1]: row[4] for row in again.accounts} == {"counted": 3, "duplicate": 1}


def test_ids_of_freed_buckets_leave_the_bag(monkeypatch: pytest.MonkeyPatch):
    """Once they are more than the live ones; the shard is the same."""
    monkeypatch.setattr(keeping, "FREED_LEAST", 0)
    state, shard, kept = empty(), Shard.new(DEFINITION, 0, 1), Kept()
    for day in range(30):
        kept = commit(shard, state, kept, *range(day * 50, day * 50 + 50), day=day)
    assert kept.freed_bytes <= sum(kept.live.values()) < 15 * 50 * 28
    assert sum(len(entry) - 8 for entry in state.ids.read()) == sum(kept.live.values()) + kept.freed_bytes
    assert load(DEFINITION, 0, 1, kept, state).accounts == shard.accounts


def test_the_mark_stands_for_everything_before():
    """Two commits of the same sequence have two marks."""
    one, other = (commit(Shard.new(DEFINITION, 0, 1), empty(), Kept(), seq) for seq in (1, 2))
    again = commit(Shard.new(DEFINITION, 0, 1), empty(), Kept(), 1)
    assert one.mark == again.mark != other.mark
    assert one.sequence == other.sequence


def test_a_state_of_another_definition_is_refused():
    state = empty()
    kept = commit(Shard.new(DEFINITION, 0, 1), state, Kept(), 1)
    other = load_text(STAMPED.replace("lateness: 1h", "lateness: 2h"))
    with pytest.raises(DefinitionError, match="counted with another definition"):
        load(other, 0, 1, kept, state)
