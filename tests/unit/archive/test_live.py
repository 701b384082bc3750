"""A live store is recounted from its archive: what joined, beat and finished when decides what is too late."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crossfoot.archive.parts import parts_of
from crossfoot.archive.reading import rows
from crossfoot.settings import Settings
from crossfoot.sources.socket_client import SocketClient
from tests.archives import assert_recount_agrees
from tests.counting import STAMPED, click
from tests.kafka import MockCluster, Run
from tests.live import QUICK, LiveRun

SOURCES = "[{socket: in.sock}, {socket: idle.sock}, {files: '*.jsonl', follow: true}, {files: once.json, name: once}]"
MIXED = STAMPED.replace("{files: clicks.jsonl, format: json}", SOURCES) + "archive: {}\n"
SMALL = Settings(epoch_seconds=0.02, idle_seconds=0.02, archive_segment_bytes=2000)


def recent(seq: int, age_s: int = 0) -> dict:
    """A click that was stamped now, and happened so long ago."""
    now = datetime.now(UTC)
    return click(seq, at=(now - timedelta(seconds=age_s)).isoformat(), got=now.isoformat())


def send(folder: Path, *clicks: dict) -> None:
    with SocketClient(folder / "in.sock") as client:
        client.send(clicks)


def write(file: Path, *clicks: dict) -> None:
    file.write_text("".join(json.dumps(each) + "\n" for each in clicks))


def kinds(folder: Path) -> dict[str, set[str]]:
    """The partitions of each kind of input."""
    found: dict[str, set[str]] = {}
    for row in rows(parts_of(folder / "store")):
        found.setdefault(row["kind"], set()).add(row["partition"])
    return found


def test_a_live_store_is_recounted_exactly(tmp_path):
    """One partition joins late, one finishes, one only beats; copies and late events are in each."""
    write(tmp_path / "once.json", recent(1), recent(2))
    run = LiveRun(tmp_path, MIXED, SMALL)
    found = run.run(
        lambda: send(tmp_path, recent(3), recent(1), recent(4, age_s=7200)) or 5,
        lambda: write(tmp_path / "late.jsonl", recent(5), recent(6, age_s=3 * 3600), click(7, got=click(7)["at"])) or 8,
        lambda: send(tmp_path, *[recent(seq) for seq in range(5, 12)]) or 15,
    )
    assert found == {"counted": 9, "conflict": 3, "too_late": 3} | found
    assert_recount_agrees(tmp_path, "store")
    assert kinds(tmp_path)["join"] == {"once.json", "socket:in.sock", "socket:idle.sock", "late.jsonl"}
    assert kinds(tmp_path)["finish"] == {"once.json"}
    assert "socket:idle.sock" in kinds(tmp_path)["heartbeat"] - kinds(tmp_path)["record"]


def test_it_is_gone_on_with_by_the_next_run(tmp_path):
    """Several runs are one archive."""
    run = LiveRun(tmp_path, MIXED, SMALL)
    write(tmp_path / "once.json", recent(1))
    run.run(lambda: send(tmp_path, recent(2)) or 2)
    run.run(lambda: send(tmp_path, recent(2), recent(3)) or 2)
    assert_recount_agrees(tmp_path, "store")


def test_a_topic_is_archived(tmp_path):
    """With its offsets."""
    cluster = MockCluster()
    cluster.put("clicks", click(1), click(2), None, click(2))
    run = Run(cluster, tmp_path, text=STAMPED + "archive: {}\n")
    run.run()
    cluster.put("clicks", {**click(3), "got": "2015-09-12T10:00:00Z"}, partition=2)
    Run(cluster, tmp_path, text=STAMPED + "archive: {}\n").run()
    assert_recount_agrees(tmp_path, "store")
    offsets = [row["position"] for row in rows(parts_of(tmp_path / "store")) if row["kind"] == "record"]
    assert offsets == [0, 1, 2, 3, 0]


def test_parts_are_written_while_it_runs(tmp_path):
    """One a while, so that others can read them."""
    run = LiveRun(tmp_path, MIXED, SMALL)
    seen = lambda: len(list((tmp_path / "store" / "archive").glob("day=*/*.parquet"))) > 2  # noqa: E731
    write(tmp_path / "once.json", *[recent(seq) for seq in range(30)])
    run.run(lambda: 30, lambda: seen)
    assert QUICK.archive_segment_bytes > 1 << 20
    assert_recount_agrees(tmp_path, "store")
