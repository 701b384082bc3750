"""A generation that is built from the archive, and put in force."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from crossfoot.archive.parts import parts_of
from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.errors import CallError, DataError, StoreError
from crossfoot.generations import folder_of, number_in_force, put_in_force
from crossfoot.query.client import Store
from crossfoot.services.backfill import switch
from crossfoot.services.backfill.difference import Side, differences
from crossfoot.services.backfill.run import prune
from crossfoot.services.backfill.switch import BackfillWatch
from crossfoot.services.handover import only_one
from crossfoot.settings import Settings
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from tests.backfilling import ARCHIVED, CHANGED, as_counted, assert_rebuilt_agrees, build
from tests.counting import NOW_US, click, count, count_records, lines

GOT = "2015-09-12T10:08:00Z"
RECORDS = [click(seq, f"2015-09-12T10:0{seq % 7}:00Z", page=f"p{seq % 3}", got=GOT) for seq in range(9)]
MORE = [click(20, got="2015-09-12T10:09:00Z"), RECORDS[0], b"garbage\n"]
STEPS = ["held", "built", "adopted", "archived", "switched"]
ODD = b"\r\n" + lines(RECORDS).replace(b"\n", b"\r\n") + b'\n  \n{"seq": "' + b"x" * 3000 + b'"}\n' + lines([click(30)])
LATENESS = "accept: {lateness: 1h}"
CHANGES = {
    "metrics": CHANGED,
    "where": ARCHIVED.replace("  fields:\n", "  where: page <> 'p1'\n  fields:\n"),
    "lower lateness": ARCHIVED.replace(LATENESS, "accept: {lateness: 2m}"),
    "a field less": ARCHIVED.replace("    ms: {path: ms, type: integer}\n", "").replace(
        ", ms: sum(ms), slowest: max(ms), mean: mean(ms)", ""
    ),
    "another id": ARCHIVED.replace("  id: seq\n", "  id: [seq, page]\n"),
}


def more(folder: Path) -> None:
    """The file has grown."""
    (folder / "clicks.jsonl").write_bytes(lines([*RECORDS, *MORE]))


def fail_at(step: str) -> BackfillWatch:
    """It ends at a step of the switch, as a kill would end it."""

    def pass_step(passed: str) -> None:
        if passed == step:
            raise KeyboardInterrupt

    return BackfillWatch(clock=ManualClock(NOW_US), pass_step=pass_step)


@pytest.mark.parametrize("text", CHANGES.values(), ids=CHANGES)
def test_a_rebuilt_generation_is_the_store_that_was_counted_so_from_the_beginning(tmp_path: Path, text: str):
    for name, first in (("changed", ARCHIVED), ("fresh", text)):
        (tmp_path / name).mkdir()
        count_records(tmp_path / name, [*RECORDS, *MORE], first)
    assert build(tmp_path / "changed", text).switched
    assert as_counted(tmp_path / "changed" / "store") == as_counted(tmp_path / "fresh" / "store")


def test_counting_goes_on_in_the_generation_that_was_put_in_force(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    report = build(tmp_path)
    more(tmp_path)
    summary = count(tmp_path, CHANGED)
    assert (summary.outcome.accounts["counted"], summary.outcome.accounts["duplicate"]) == (1, 1)
    assert Store.open(store).query("by_country", by=["country"]).rows()[0]["clicks"] == 10
    assert summary.epoch > report.epoch > report.built
    assert_rebuilt_agrees(store)


def test_the_next_generation_is_built_from_all_that_was_archived_before_and_after(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    build(tmp_path)
    more(tmp_path)
    count(tmp_path, CHANGED)
    assert build(tmp_path, ARCHIVED.replace("[page, country], [page], []", "[country], []")).generation == 2
    assert number_in_force(store) == 2
    assert_rebuilt_agrees(store)


def test_it_stands_in_the_same_bytes_of_its_files(tmp_path: Path):
    (tmp_path / "clicks.jsonl").write_bytes(ODD)
    limits = "limits: {record_bytes_max: 2000}\n"
    count(tmp_path, ARCHIVED + limits, settings=Settings(block_bytes=1024))
    before = EmbeddedStore(tmp_path / "store").meta["partitions"]
    build(tmp_path, CHANGED + limits)
    assert EmbeddedStore(tmp_path / "store").meta["partitions"] == before
    (tmp_path / "clicks.jsonl").write_bytes(ODD.replace(b"FR", b"DE", 1))
    with pytest.raises(DataError, match="was rewritten since it was counted"):
        count(tmp_path, CHANGED + limits)


def test_a_definition_that_says_the_same_changes_nothing(tmp_path: Path):
    count_records(tmp_path, [*RECORDS, *MORE], ARCHIVED)
    report = build(tmp_path, ARCHIVED, switches=False)
    assert not report.differs
    assert sum(table.compared.cells for table in report.tables) > 0


def test_what_would_change_is_shown_cell_by_cell(tmp_path: Path):
    count_records(tmp_path, RECORDS, ARCHIVED)
    report = build(tmp_path, CHANGES["where"], switches=False)
    by_page = next(table for table in report.tables if (table.by, table.grain) == (("page",), "1h"))
    assert (by_page.compared.equal, by_page.compared.missing_there) == (2, 1)
    assert by_page.worst[0].key["page"] == "p1"
    assert ("counted", 9, 6) in report.accounts
    assert number_in_force(tmp_path / "store") == 0


@pytest.mark.parametrize("step", STEPS)
def test_a_switch_that_ends_at_any_step_has_happened_or_has_not(tmp_path: Path, step: str):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, watch=fail_at(step))
    assert number_in_force(store) == (step == "switched")
    more(tmp_path)
    count(tmp_path, CHANGED if step == "switched" else ARCHIVED)
    if step != "switched":
        assert build(tmp_path).resumed > 0
    assert EmbeddedStore(store).verify()["ok"]
    assert Store.open(store).query("by_country", by=["country"]).rows()[0]["clicks"] == 10
    assert_rebuilt_agrees(store)


def test_a_build_that_was_stopped_is_gone_on_with(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    report = build(tmp_path, watch=BackfillWatch(clock=ManualClock(NOW_US), stop=lambda: True))
    assert (report.stopped, report.built, number_in_force(store)) == (True, 1, 0)
    assert build(tmp_path).resumed == 1
    assert_rebuilt_agrees(store)


def test_another_definition_is_built_from_the_beginning(tmp_path: Path):
    count_records(tmp_path, RECORDS, ARCHIVED)
    build(tmp_path, switches=False)
    assert build(tmp_path, CHANGES["where"]).resumed == 0


def test_one_generation_is_built_at_a_time(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    with only_one(store), pytest.raises(StoreError, match=r"a generation of .* is being built by process \d+"):
        build(tmp_path)


def test_a_switch_waits_for_who_counts_into_the_store(tmp_path: Path):
    store, told = count_records(tmp_path, RECORDS, ARCHIVED), []
    counting = EmbeddedEngine(store, load_text(ARCHIVED), times=True)

    def let_go(note: str) -> None:
        told.append(note)
        counting.abandon()

    assert build(tmp_path, watch=BackfillWatch(clock=ManualClock(NOW_US), note=let_go)).switched
    assert told == [f"the store {store} is held by process {os.getpid()}: it is asked to let go at its next epoch"]


@pytest.mark.parametrize("what", ["cannot lock LOCK", "of another definition: it is held by process 1"])
def test_only_who_holds_a_store_is_waited_for(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A store that cannot be opened for another reason is an error, whatever its text."""
    count_records(tmp_path, RECORDS, ARCHIVED)
    tried = []

    def refused(*_: object) -> None:
        tried.append(what)
        raise StoreError(what)

    monkeypatch.setattr(switch, "ArchivingEngine", refused)
    with pytest.raises(StoreError, match=what):
        build(tmp_path, watch=BackfillWatch(clock=ManualClock(NOW_US), stop=lambda: bool(tried)))


def test_an_archive_that_has_lost_its_beginning_is_refused_with_what_is_missing(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    parts_of(store)[0].path.unlink()
    with pytest.raises(StoreError, match="lacks the epochs from 1 to 1") as refused:
        build(tmp_path)
    assert "into a new store" in refused.value.hint


def test_an_archive_with_a_hole_is_refused_with_what_is_missing(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    more(tmp_path)
    count(tmp_path, ARCHIVED)
    parts_of(store)[1].path.unlink()
    with pytest.raises(StoreError, match="lacks the epochs from 2 to 2"):
        build(tmp_path)


@pytest.mark.parametrize("place", [0, 1])
def test_an_archive_that_has_lost_a_day_is_refused_before_anything_is_built(tmp_path: Path, place: int):
    """One epoch has rows of several days, each in a file of its own."""
    records = [click(day, f"2015-09-1{day}T10:00:00Z", got=f"2015-09-1{day}T10:30:00Z") for day in range(1, 5)]
    store = count_records(tmp_path, records, ARCHIVED)
    days = [part for part in parts_of(store) if "day=2015" in str(part.path)]
    days[place].path.unlink()
    with pytest.raises(StoreError, match=r"the archive of .* lacks rows of epoch \d") as refused:
        build(tmp_path)
    assert refused.value.hint.startswith("bring its files back from a copy")
    assert not (store / "generations").exists()


def test_without_an_archive_there_is_nothing_to_count_again(tmp_path: Path):
    count_records(tmp_path, RECORDS, ARCHIVED.replace("archive: {}\n", ""))
    with pytest.raises(StoreError, match="keeps no archive"):
        build(tmp_path)


def test_ids_of_another_namespace_are_refused(tmp_path: Path):
    count_records(tmp_path, RECORDS, ARCHIVED)
    with pytest.raises(CallError, match="namespace cannot be changed"):
        build(tmp_path, ARCHIVED.replace("namespace: clicks", "namespace: others"))


def test_a_run_with_a_changed_metric_names_the_next_step(tmp_path: Path):
    count_records(tmp_path, RECORDS, ARCHIVED)
    with pytest.raises(StoreError, match=r"made with another definition: metrics\.by_country") as refused:
        count(tmp_path, CHANGED)
    assert "crossfoot backfill" in refused.value.hint


def test_a_metric_that_is_no_longer_named_is_kept_and_counted(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    more(tmp_path)
    count(tmp_path, ARCHIVED.replace("  totals: {by: [[]], measures: {clicks: count}, grains: [all]}\n", ""))
    assert Store.open(store).query("totals").rows()[0]["clicks"] == 10


def test_other_generations_are_removed_when_that_is_asked_for(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    reader = Store.open(store)
    build(tmp_path)
    assert prune(store) == [0]
    assert reader.query("by_country", by=["country"]).rows()[0]["clicks"] == 9
    assert not (store / "MANIFEST").exists()
    more(tmp_path)
    assert count(tmp_path, CHANGED).outcome.accounts["counted"] == 1
    assert prune(store) == []


@pytest.mark.parametrize("removed", range(1, 6))
def test_removing_the_first_generation_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: int):
    """It was killed behind so many of its files: the next one removes the others."""
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    build(tmp_path)
    unlink, left = Path.unlink, iter(range(removed))

    def killed(path: Path, *, missing_ok: bool = False) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    with contextlib.suppress(KeyboardInterrupt):
        prune(store)
    monkeypatch.undo()
    prune(store)
    of_first = ("MANIFEST", "HEAD", "definition.yaml", "journal-*", "cells-*", "ids-*")
    assert [path.name for pattern in of_first for path in store.glob(pattern)] == []
    assert prune(store) == []


def test_a_damaged_name_of_the_generation_in_force_is_named(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    build(tmp_path)
    (store / "generations" / "IN_FORCE").write_text("1")
    with pytest.raises(StoreError, match="IN_FORCE names no generation"):
        Store.open(store)


def test_a_generation_may_be_put_in_force_again_by_hand(tmp_path: Path):
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    build(tmp_path)
    put_in_force(store, 0)
    assert [metric.name for metric in Store.open(store).metrics] == ["clicks", "totals"]


def test_a_sink_gets_every_cell_of_the_generation_that_is_put_in_force(tmp_path: Path):
    import pyarrow.parquet as pq

    sinks = "sinks: [{parquet: out}]\n"
    count_records(tmp_path, RECORDS, ARCHIVED + sinks)
    report = build(tmp_path, CHANGED + sinks)
    count(tmp_path, CHANGED + sinks)
    files = sorted((tmp_path / "out").rglob(f"epoch-{report.epoch:016d}-*.parquet"))
    assert {pq.read_table(file)["epoch"][0].as_py() for file in files} == {report.epoch}
    assert any("by_country" in str(file) for file in files)


def test_a_comparison_opens_no_store_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """However many tables there are; it is of the epochs at which both were opened."""
    store = count_records(tmp_path, RECORDS, ARCHIVED)
    build(tmp_path, switches=False)
    old, new = (EmbeddedStore(folder_of(store, number)) for number in (0, 1))
    more(tmp_path)
    count(tmp_path, ARCHIVED)
    monkeypatch.setattr("crossfoot.stores.embedded.open_reader", None)
    tables = differences(Side(old, load_text(ARCHIVED)), Side(new, load_text(CHANGED)))
    compared = [table.compared for table in tables if table.compared is not None]
    assert len(compared) == 7
    assert all(found.equal == found.cells for found in compared)
