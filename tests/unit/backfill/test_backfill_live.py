"""Generations of stores that are counted live: sockets, followed files, topics; what joined, beat and finished when."""

from __future__ import annotations

from pathlib import Path

from crossfoot.archive.parts import parts_of
from crossfoot.archive.reading import rows
from tests.backfilling import assert_rebuilt_agrees, build
from tests.counting import STAMPED, click, count
from tests.kafka import MockCluster, Run
from tests.live import LiveRun
from tests.unit.archive.test_live import MIXED, SMALL, recent, send, write

MORE = "metrics:\n  by_country: {by: [[country], []], measures: {clicks: count}, grains: [1h]}\n"
TOPIC = STAMPED + "archive: {}\n"


def changed(text: str) -> str:
    return text.replace("metrics:\n", MORE)


def test_a_live_store_is_rebuilt_with_what_joined_beat_and_finished(tmp_path: Path):
    write(tmp_path / "once.json", recent(1), recent(2))
    LiveRun(tmp_path, MIXED, SMALL).run(
        lambda: send(tmp_path, recent(3), recent(1), recent(4, age_s=7200)) or 5,
        lambda: write(tmp_path / "late.jsonl", recent(5), recent(6, age_s=3 * 3600), click(7, got=click(7)["at"])) or 8,
    )
    build(tmp_path, changed(MIXED))
    assert_rebuilt_agrees(tmp_path / "store")
    more = LiveRun(tmp_path, changed(MIXED), SMALL)
    assert more.run(lambda: send(tmp_path, recent(9), recent(3)) or 2) == {"counted": 1, "conflict": 1}
    assert_rebuilt_agrees(tmp_path / "store")


def test_a_topic_goes_on_at_its_offsets(tmp_path: Path):
    cluster = MockCluster()
    cluster.put("clicks", click(1), click(2), None, click(2))
    Run(cluster, tmp_path, text=TOPIC).run()
    build(tmp_path, changed(TOPIC))
    cluster.put("clicks", {**click(3), "got": "2015-09-12T10:00:00Z"}, partition=2)
    Run(cluster, tmp_path, text=changed(TOPIC)).run()
    assert_rebuilt_agrees(tmp_path / "store")
    offsets = [row["position"] for row in rows(parts_of(tmp_path / "store")) if row["kind"] == "record"]
    assert offsets == [0, 1, 2, 3, 0]


def test_a_partition_has_joined_where_it_was_recorded_whatever_is_let_through_now(tmp_path: Path):
    """b.jsonl joined at 10:09, the clock after a click on page `b`, by which its own of 9:05 is too late."""
    text = STAMPED.replace("clicks.jsonl", '"*.jsonl"') + "archive: {}\n"
    write(tmp_path / "a.jsonl", click(1, got="2015-09-12T10:00:00Z"), click(2, page="b", got="2015-09-12T10:09:00Z"))
    count(tmp_path, text)
    write(tmp_path / "b.jsonl", click(3, at="2015-09-12T09:05:00Z", got="2015-09-12T10:04:00Z"))
    count(tmp_path, text)
    report = build(tmp_path, text.replace("  fields:\n", "  where: page <> 'b'\n  fields:\n"))
    assert report.accounts == (("counted", 2, 1), ("filtered", 0, 1), ("too_late", 1, 1))
    assert_rebuilt_agrees(tmp_path / "store")
