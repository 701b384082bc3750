"""What goes wrong with pipelines: bundles that are done again, a worker that is killed, a sink that is down."""

from __future__ import annotations

import json
import os
import signal
from itertools import islice

from crossfoot.cli import main
from crossfoot.dev.bigquery import PROJECT
from crossfoot.query.client import Store
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import CLICKS as COUNTING
from tests.counting import click, lines
from tests.services.beaming import RUN, Clicks, make_table, opened, sink_of, until, until_claimed, until_counted
from tests.services.pausing import pause, resume
from tests.warehouses import asked, check_all_cells
from tests.warehouses import opened as opened_warehouse

FAILING = ("-m", "tests.services.beam_failing", "beam", "run")


def test_bundles_that_are_done_again_after_they_wrote_count_once(beam, pubsub, tmp_path):
    """By the Direct runner, which has each failed bundle done again."""
    events = Clicks(tmp_path, pubsub.address, 5_000)
    process = beam.start(*FAILING, str(events.definition), "--runner", "direct")
    events.place.publish(*events.messages, *events.messages)
    said = until_counted(process, events.table, 2 * len(events.lines))
    assert "a bundle fails" in said
    events.assert_counted(2 * len(events.lines))


def test_nothing_is_acknowledged_before_its_bundle_is_final(beam):
    """Neither when it is pulled nor when its blocks are handed on; all of it then."""
    code, said, error = beam.run("-m", "tests.services.beam_acks")
    assert code == 0, error
    assert json.loads(said) == [["abc"], [], ["1", "2", "3"]]


def test_acknowledgements_that_are_lost_bring_duplicates(beam, pubsub, tmp_path):
    """Each message is delivered again although it was counted, by the Direct runner's own reader."""
    events = Clicks(tmp_path, pubsub.address, 5_000)
    losing = ("-m", "tests.services.beam_losing", *RUN[2:])
    process = beam.start(*losing, str(events.definition), "--runner", "direct")
    events.place.publish(*events.messages)
    until_counted(process, events.table, 2 * len(events.lines))
    events.assert_counted(2 * len(events.lines))


def test_a_dataset_has_each_counted_event_once(beam, pubsub, dataset, tmp_path, monkeypatch):
    """Bundles fail after they wrote, every message comes twice, and who feeds is interrupted and goes on."""
    monkeypatch.setenv("CROSSFOOT_WAREHOUSE_SECONDS", "1")
    events = Clicks(tmp_path, pubsub.address, 5_000)
    text = events.definition.read_text("utf-8")
    text = text.replace("}}]\n", f"}}}}, {{bigquery: {{project: {PROJECT}, dataset: {dataset}}}}}]\n")
    events.definition.write_text(text, "utf-8")
    process = beam.start(*FAILING, str(events.definition), "--runner", "direct")
    events.place.publish(*events.messages, *events.messages)
    assert "a bundle fails" in until_counted(process, events.table, 2 * len(events.lines))
    assert main(["beam", "feed", str(events.definition), "--once"]) == 0
    events.assert_counted(2 * len(events.lines))
    warehouse = opened_warehouse(tmp_path, text, **os.environ)
    check_all_cells(warehouse, Store.open(tmp_path / "store"))
    (found,) = asked(warehouse, "SELECT count(*) AS n, count(DISTINCT uuid) AS ids FROM counted_events")
    assert set(found.values()) == {accounts_of(EmbeddedStore(tmp_path / "store")).totals["counted"]}
    refused = BigtableStore.open(str(events.table)).side_log(1 << 20)["account"].to_pylist()
    assert set(refused) == {"too_late", "future"}


def test_after_a_kill_the_table_is_whole_and_another_job_counts_everything(beam, pubsub, tmp_path):
    """Prism keeps state in its memory: another run needs another table, and all messages once more."""
    events = Clicks(tmp_path, pubsub.address, 20_000)
    everything = events.place.also()
    process = beam.start(*RUN, str(events.definition), "--prism", beam.prism)
    events.place.publish(*events.messages)
    until(process, events.table, 1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)

    whole = accounts_of(BigtableStore.open(str(events.table)))
    assert (
        sum(row["clicks"] for row in opened(events.table).query("clicks", by=[], grain="all").rows())
        == whole.totals["counted"]
    )
    code, _, said = beam.run(*RUN, str(events.definition), "--prism", beam.prism)
    assert (code, "holds the cells of an earlier run" in said) == (4, True)

    events.go_on(everything)
    process = beam.start(*RUN, str(events.definition), "--prism", beam.prism)
    until_counted(process, events.table, len(events.lines))
    events.assert_counted(len(events.lines))


def test_a_table_that_does_not_answer_gets_everything_later(beam, pubsub, lone_bigtable, tmp_path, monkeypatch):
    """Counting goes on; what has changed is written again and again, until it is there."""
    emulator, pid = lone_bigtable
    monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", emulator.address)
    events = Clicks(tmp_path, pubsub.address, 5_000)
    process = beam.start(*RUN, str(events.definition), "--runner", "direct")
    half = len(events.messages) // 2
    events.place.publish(*events.messages[:half])
    until(process, events.table, 1)
    pause(pid)
    events.place.publish(*events.messages[half:])
    assert any("does not answer" in line for line in process.stderr)
    resume(pid)
    until_counted(process, events.table, len(events.lines))
    events.assert_counted(len(events.lines))


def test_the_end_of_a_job_waits_for_a_table_that_does_not_answer(beam, lone_bigtable, tmp_path, monkeypatch):
    """Files are counted to their end meanwhile; Prism ends a job where a bundle fails, so none may."""
    emulator, pid = lone_bigtable
    monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", emulator.address)
    name = make_table()
    (tmp_path / "beam.yaml").write_text(COUNTING + sink_of(name), "utf-8")
    (tmp_path / "clicks.jsonl").write_bytes(lines(click(seq) for seq in range(200)))
    process = beam.start(*RUN, str(tmp_path / "beam.yaml"), "--prism", beam.prism)
    until_claimed(process, name)
    pause(pid)
    again = (line for line in process.stderr if "it is tried again" in line)
    assert list(islice(again, 3))
    resume(pid)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert accounts_of(BigtableStore.open(str(name))).totals["counted"] == 200
