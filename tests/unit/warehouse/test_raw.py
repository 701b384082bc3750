"""The feed of raw events: a row for each record that it read by itself, in parts that are shipped once."""

import json

import pytest

from crossfoot.definition.load import load_text
from crossfoot.errors import DefinitionError
from crossfoot.services.feed import job_of
from crossfoot.settings import Settings
from crossfoot.warehouse.open import chosen
from tests.counting import click, count, lines
from tests.warehouses import FED, SINK, asked, fed, opened, positions


def test_every_record_is_a_row(tmp_path):
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1), b"garbage\n", b"\n", click(1), {**click(2), "at": None}]))
    assert dict(fed(tmp_path).accounts) == {"event": 2, "malformed": 1, "invalid": 1}
    rows = asked(opened(tmp_path), "SELECT position, account, reason, part FROM raw_events ORDER BY position")
    assert [tuple(row.values()) for row in rows] == [
        (0, "event", None, None),
        (1, "malformed", "syntax", None),
        (2, "event", None, None),
        (3, "invalid", "missing", "time"),
    ]


def test_copies_have_one_uuid_and_content(tmp_path):
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1), click(1), click(1, ms=6)]))
    fed(tmp_path)
    (row,) = asked(opened(tmp_path), "SELECT count(DISTINCT uuid) AS ids, count(DISTINCT content) AS n FROM raw_events")
    assert row == {"ids": 1, "n": 2}


def test_uuid_and_content_are_those_of_the_counted_events(tmp_path):
    (tmp_path / "clicks.jsonl").write_bytes(lines(click(n) for n in range(5)))
    count(tmp_path, FED)
    fed(tmp_path)
    columns = "uuid, event_time, content"
    sql = f"SELECT {columns} FROM raw_events EXCEPT SELECT {columns} FROM counted_events"
    assert asked(opened(tmp_path), "SELECT count(*) AS n FROM counted_events") == [{"n": 5}]
    assert asked(opened(tmp_path), sql) == []


def test_a_second_run_reads_what_was_added(tmp_path):
    data = tmp_path / "clicks.jsonl"
    data.write_bytes(lines(click(n) for n in range(3)))
    fed(tmp_path)
    with data.open("ab") as more:
        more.write(lines([click(3)]))
    assert dict(fed(tmp_path).accounts) == {"event": 1}
    assert set(positions(opened(tmp_path)).items()) == {(("clicks.jsonl", n), 1) for n in range(4)}


def test_small_parts_hold_the_same_rows(tmp_path):
    (tmp_path / "clicks.jsonl").write_bytes(lines(click(n) for n in range(500)))
    fed(tmp_path, settings=Settings(block_bytes=1000, feed_bytes=4000, sink_wait_seconds=60))
    assert len(list((tmp_path / "warehouse" / "raw_events").rglob("*.parquet"))) > 5
    assert set(positions(opened(tmp_path)).values()) == {1}
    assert len(positions(opened(tmp_path))) == 500


def test_a_full_outbox_holds_the_sources_back(tmp_path):
    (tmp_path / "clicks.jsonl").write_bytes(lines(click(n) for n in range(500)))
    fed(tmp_path, settings=Settings(block_bytes=1000, feed_bytes=4000, outbox_bytes=1, sink_wait_seconds=60))
    assert len(positions(opened(tmp_path))) == 500


def test_an_exploded_record_is_a_row_for_each_element(tmp_path):
    text = FED.replace("metrics:", "preprocess: {explode: items}\nmetrics:", 1).replace("id: seq", "id: [items.seq]", 1)
    record = {**click(1), "items": [{"seq": 1}, {"seq": 2}]}
    (tmp_path / "clicks.jsonl").write_bytes(json.dumps(record).encode() + b"\n")
    fed(tmp_path, text)
    rows = asked(opened(tmp_path, text), "SELECT position, element FROM raw_events ORDER BY element")
    assert rows == [{"position": 0, "element": 0}, {"position": 0, "element": 1}]


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        ("{pubsub: {project: p, subscription: s}, format: json}", "", "needs a subscription beside s"),
        ("{socket: in.sock, format: json}", "", "a socket or a table has no raw feed"),
    ],
)
def test_a_source_that_nobody_else_can_read_is_refused(source, more, message, tmp_path):
    text = FED.replace("{files: clicks.jsonl, format: json}", source).replace("received: none", "received: ingest")
    definition = load_text(text.replace(SINK, SINK + "accept: {lateness: 1h}\n"))
    with pytest.raises(DefinitionError, match=message):
        job_of(definition, (tmp_path, tmp_path), chosen(definition), {}, once=True)
