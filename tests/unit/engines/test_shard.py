"""Splitters and shards: what goes where, what a commit hands out, and what is refused."""

import json

import pyarrow as pa
import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US
from crossfoot.engines.shard import Delta, Shard, ShardState, Splitter, shard_plan
from crossfoot.errors import CallError, DataError, DefinitionError, StoreError
from crossfoot.event import PositionedRecord
from tests.counting import BOUNDED, CLICKS, NOW_US, STAMPED, click, lines
from tests.shards import Fleet, split_records

SHARDS = 5
CARRIED = (
    CLICKS.replace("{files: clicks.jsonl, format: json}", "{kafka: {topic: t, bootstrap.servers: localhost}}")
    .replace("received: none", "received: carried")
    .replace("metrics:", "accept: {lateness: 1h, transport: 1h}\nmetrics:", 1)
)
AT_US = 1_442_052_000_000_000


def delta_of(shard: Shard, text: str, *records: dict[str, object], stamp_us: int = NOW_US) -> Delta:
    """A commit of these, by the only shard."""
    split = Splitter(load_text(text), 1).lines("a", lines(records), NOW_US)
    for block in split.blocks.values():
        shard.apply(block, stamp_us)
    return shard.commit()


def the_shard(text: str = CLICKS) -> Shard:
    return Shard.new(load_text(text), 0, 1)


def tables(shard: Shard, after: int | None = None) -> dict[tuple[int, int, int], pa.Table]:
    return {(metric, by, grain): table for metric, by, grain, table in shard.changes(after)}


def test_every_record_goes_to_one_shard_and_into_its_accounts():
    """Refused ones, too: by their position."""
    records = [click(seq) for seq in range(200)] + [b"{\n", b'{"seq": 1}\n', click(3)] * 20
    fleet = Fleet(load_text(CLICKS), SHARDS)
    split = Splitter(load_text(CLICKS), SHARDS).lines("a", lines(records), NOW_US)
    fleet.bundle([(number, block, NOW_US) for number, block in split.blocks.items()])
    assert fleet.sink.totals() == {
        "counted": 200,
        "duplicate": 20,
        "invalid missing time": 20,
        "malformed syntax": 20,
    }
    assert fleet.sink.events() == {"a": split.events} == {"a": 260}
    assert all(sum(row[4] for row in rows) > 20 for rows in fleet.sink.accounts.values())


def test_an_id_is_always_of_the_same_shard():
    """Whatever record it comes with."""
    splitter = Splitter(load_text(CLICKS), SHARDS)
    chosen = [
        next(iter(splitter.lines(partition, lines([click(7, ms=ms)]), NOW_US, first).blocks))
        for partition, ms, first in [("a", 1, 0), ("a", 2, 9), ("b", 3, 4)]
    ]
    assert len(set(chosen)) == 1


def test_a_shard_names_what_its_last_commit_has_changed():
    """Absolute, with the sequence as version; or what has changed after an earlier commit."""
    shard = the_shard()
    delta_of(shard, CLICKS, click(1), click(2, page="b"))
    assert delta_of(shard, CLICKS, click(3, page="b")).sequence == shard.sequence == 2
    by_page = tables(shard)[0, 1, 0]
    assert by_page.column("page").to_pylist() == ["b"]
    assert by_page.column("__events").to_pylist() == [2]
    assert tables(shard, after=0)[0, 1, 0].column("__events").to_pylist() == [1, 2]


def test_a_commit_without_news_says_so():
    shard = the_shard()
    delta_of(shard, CLICKS, click(1))
    delta = shard.commit()
    assert (delta.sequence, delta.ids, delta.cells, delta.freed) == (2, {}, b"", ())
    assert tables(shard) == {}


def test_a_bundle_that_is_done_again_gives_the_same():
    """From the state before it, loaded anew."""
    state = ShardState()
    state.add(delta_of(the_shard(), CLICKS, click(1), click(2)))
    again = [state.load(load_text(CLICKS), 0, 1) for _ in range(2)]
    deltas = [delta_of(shard, CLICKS, click(2), click(3, ms=9)) for shard in again]
    assert deltas[0] == deltas[1]
    assert tables(again[0]) == tables(again[1])


def test_a_shard_that_was_kept_knows_whether_it_stands_at_a_head():
    """With nothing counted since; after a commit that nobody has kept it does not."""
    shard = the_shard()
    kept = delta_of(shard, CLICKS, click(1))
    assert shard.is_at(kept.head)
    for block in Splitter(load_text(CLICKS), 1).lines("a", lines([click(2)]), NOW_US).blocks.values():
        shard.apply(block, NOW_US)
    assert not shard.is_at(kept.head)
    lost = shard.commit()
    assert (shard.is_at(kept.head), shard.is_at(lost.head)) == (False, True)


def test_the_side_log_and_the_minutes_leave_with_the_commit():
    shard = the_shard(STAMPED)
    early = click(1, at="2015-09-12T08:00:00Z", got="2015-09-12T10:00:00Z")
    delta_of(shard, STAMPED, early, click(2, got="2015-09-12T10:00:00Z"), stamp_us=AT_US)
    (entry,) = shard.side_log().to_pylist()
    assert (entry["account"], entry["reason"], json.loads(entry["raw"])) == ("too_late", "lateness", early)
    assert {row["account"]: row["records"] for row in shard.ledger().to_pylist()} == {"counted": 1, "too_late": 1}
    delta_of(shard, STAMPED, click(3, got="2015-09-12T10:00:05Z"), stamp_us=AT_US)
    assert shard.side_log().num_rows == 0
    assert [row["records"] for row in shard.ledger().to_pylist()] == [2]
    assert ("a", "too_late", "lateness", "", 1) in shard.accounts


def test_a_stamp_of_the_partition_is_made_where_it_is_split():
    """By its order: a stamp that goes back is held, and the last t is what the next call is told."""
    splitter = Splitter(load_text(STAMPED), 1)
    both = lines([click(1, got="2015-09-12T10:00:09Z"), click(2, got="2015-09-12T10:00:03Z")])
    split = splitter.lines("a", both, NOW_US)
    assert split.last_t_us == split.received_us == AT_US + 9_000_000
    later = splitter.lines("a", lines([click(3, got="2015-09-12T10:00:05Z")]), NOW_US, 2, (split.last_t_us, None))
    assert later.received_us == AT_US + 9_000_000


def test_a_definition_whose_stamps_are_not_carried_gets_a_way_of_a_week():
    """And ids are kept for as long as a copy of them may come."""
    accept = json.loads(shard_plan(load_text(STAMPED)))["accept"]
    assert (accept["transport_us"], accept["horizon_us"]) == (7 * DAY_US, 7 * DAY_US + HOUR_US)
    assert json.loads(shard_plan(load_text(CARRIED)))["accept"]["horizon_us"] == 2 * HOUR_US


def test_the_clock_of_the_shard_bounds_the_way_and_frees_ids():
    """Received times are carried; t is the shard's own stamp."""
    definition = load_text(CARRIED)
    fleet = Fleet(definition, 1)

    def count(seq: int, at_us: int, stamp_us: int) -> Delta:
        at = f"2015-09-12T{10 + (at_us - AT_US) // HOUR_US:02}:00:00Z"
        record = PositionedRecord(json.dumps(click(seq, at)).encode(), seq, stamp_us, at_us)
        split = split_records(Splitter(definition, 1), "p", [record], NOW_US)
        (delta,) = fleet.bundle([(number, block, stamp_us) for number, block in split.blocks.items()])
        return delta

    assert count(1, AT_US, AT_US).freed == ()
    assert count(1, AT_US, AT_US + HOUR_US).freed == ()
    assert count(1, AT_US, AT_US + 3 * HOUR_US).freed == (AT_US + 15 * MINUTE_US,)
    count(2, AT_US + 3 * HOUR_US, AT_US + 3 * HOUR_US)
    assert fleet.sink.totals() == {"counted": 2, "duplicate": 1, "too_late transport": 1}


def test_an_idle_shard_may_be_told_the_time():
    """Its watermark goes on; finished, what it says is final."""
    shard = the_shard(CARRIED)
    shard.heartbeat(AT_US)
    shard.commit()
    assert shard.watermark_us == AT_US - 2 * HOUR_US
    shard.finish()
    shard.commit()
    assert shard.meta["final"]


@pytest.mark.parametrize(
    ("made", "error", "says"),
    [
        (lambda: Splitter(load_text(CLICKS), 0), CallError, "there is no shard 0 of 0"),
        (lambda: Shard.new(load_text(CLICKS), 3, 3), CallError, "there is no shard 3 of 3"),
        (lambda: Splitter(load_text(BOUNDED), 2), DefinitionError, "metric clicks has values_max"),
        (lambda: the_shard().apply(b"CFS1....", 0), DataError, "a block on its way to a shard is damaged"),
    ],
)
def test_what_cannot_be_counted_is_refused(made, error, says):
    with pytest.raises(error, match=says):
        made()


def test_a_block_or_a_state_of_another_definition_is_refused():
    """Before anything is counted."""
    other = load_text(CLICKS.replace("namespace: clicks", "namespace: other"))
    shard, state = the_shard(), ShardState()
    (block,) = Splitter(other, 1).lines("a", lines([click(1)]), NOW_US).blocks.values()
    with pytest.raises(DataError, match="of another definition"):
        shard.apply(block, 0)
    state.add(delta_of(shard, CLICKS, click(1)))
    with pytest.raises(DefinitionError, match="was counted with another definition"):
        state.load(other, 0, 1)


def test_a_state_of_another_number_of_shards_or_with_a_hole_is_refused():
    state = ShardState()
    state.add(delta_of(the_shard(), CLICKS, click(1)))
    with pytest.raises(StoreError, match="this is the state of shard 0 of 1, not of shard 1 of 2"):
        state.load(load_text(CLICKS), 1, 2)
    state.ids.clear()
    with pytest.raises(StoreError, match="0 of 1 ids are there"):
        state.load(load_text(CLICKS), 0, 1)


def test_the_parts_of_a_state_may_come_in_any_order():
    """As a bag of a runner gives them."""
    shard, state = the_shard(), ShardState()
    for seq in range(5):
        state.add(delta_of(shard, CLICKS, click(seq, ms=seq)))
    state.cells.reverse()
    state.ids = {bucket: entries[::-1] for bucket, entries in reversed(state.ids.items())}
    assert tables(state.load(load_text(CLICKS), 0, 1), 0) == tables(shard, 0)


def test_cells_are_written_anew_when_much_was_appended_and_retention_takes_windows_out():
    """What is loaded then is what was kept, and the events of removed windows are still counted for."""
    text = CARRIED.replace("grains: [1m, 1h, 1d Europe/Paris]", "grains: [1m, 1h]\n    retain: {1m: 3h}")
    definition, state, shard = load_text(text), ShardState(), the_shard(text)
    compacted = 0
    for hour in range(12):
        stamp_us = AT_US - 10 * HOUR_US + hour * HOUR_US
        at = f"2015-09-12T{hour:02}:00:00Z"
        records = [
            PositionedRecord(json.dumps(click(n + 5_000 * hour, at, page=str(n))).encode(), n, stamp_us, stamp_us)
            for n in range(5_000)
        ]
        split = split_records(Splitter(definition, 1), "p", records, NOW_US)
        for block in split.blocks.values():
            shard.apply(block, stamp_us)
        delta = shard.commit()
        state.add(delta)
        compacted += delta.compacted
    assert compacted
    assert tables(state.load(definition, 0, 1), 0) == tables(shard, 0)
    by_minute, by_hour = (tables(shard, 0)[0, 1, grain].column("__events").to_pylist() for grain in (0, 1))
    assert sum(by_hour) == shard.meta["passed"][0] == 60_000
    assert sum(by_minute) < 50_000
    assert shard.meta["cells"] < 4 * len(by_hour)
