"""A warehouse goes on across a switch: no id is missing or there twice."""

from __future__ import annotations

from pathlib import Path

from tests.backfilling import build
from tests.counting import STAMPED, click, count, count_records, lines
from tests.warehouses import SINK, asked, check_counted, opened

TEXT = STAMPED + "archive: {}\n" + SINK
MORE = "metrics:\n  by_country: {by: [[country], []], measures: {clicks: count}, grains: [1h]}\n"
QUESTION = "SELECT sum(clicks) AS n FROM cells_by_country_latest WHERE \"by\" = ''"
GOT = "2015-09-12T10:08:00Z"
RECORDS = [click(seq, f"2015-09-12T10:0{seq % 7}:00Z", got=GOT) for seq in range(9)]


def test_counted_events_are_exported_once_across_a_switch(tmp_path: Path):
    changed = TEXT.replace("metrics:\n", MORE)
    count_records(tmp_path, RECORDS, TEXT)
    build(tmp_path, changed)
    (tmp_path / "clicks.jsonl").write_bytes(lines([*RECORDS, click(20, got=GOT), RECORDS[0]]))
    count(tmp_path, changed)
    check_counted(opened(tmp_path, changed), tmp_path / "store")
    (cells,) = asked(opened(tmp_path, changed), QUESTION)
    assert cells["n"] == 10


def test_a_feed_that_was_given_other_events_says_so(tmp_path: Path):
    changed = TEXT.replace("  fields:\n", "  where: ms > 5\n  fields:\n")
    count_records(tmp_path, RECORDS, TEXT)
    build(tmp_path, changed)
    summary = count(tmp_path, changed)
    assert any("counts other events than were exported" in (sink.failing or "") for sink in summary.outcome.sinks)
