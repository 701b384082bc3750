"""What an archive lacks of what its store has counted is named, also at its very end."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfoot.archive.engine import ArchivingEngine
from crossfoot.archive.lost import Lost, lost_of
from crossfoot.archive.parts import parts_of
from crossfoot.archive.reading import recount
from crossfoot.cli.app import main
from crossfoot.clock import SystemClock
from crossfoot.definition.load import load_text
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.errors import StoreError
from crossfoot.services.batch.run import Job, run
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from tests.backfilling import ARCHIVED, CHANGED, build
from tests.counting import NOW_US, click, count, count_records, lines

DAYS = [click(day, f"2015-09-1{day}T10:00:00Z", got=f"2015-09-1{day}T10:30:00Z") for day in range(1, 5)]
RECORDS = "the records of clicks.jsonl from 3 to 3"
EPOCHS = "the epochs from 2 to 2"


@pytest.fixture(params=[RECORDS, EPOCHS])
def cut(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A store whose last part was deleted, and what that held: the end of an epoch, or a whole one."""
    store = count_records(tmp_path, DAYS if request.param == RECORDS else DAYS[:1], ARCHIVED)
    assert lost_of(store) == Lost()
    parts_of(store)[-1].path.unlink()
    return store, request.param


def test_it_is_found_by_the_positions_of_the_store(cut: tuple[Path, str]):
    store, lost = cut
    assert lost_of(store) == Lost(behind=lost)


def test_a_recount_is_refused(cut: tuple[Path, str]):
    """Before anything is counted."""
    store, lost = cut
    definition = load_text(ARCHIVED)
    again = ReferenceEngine(definition)
    with pytest.raises(StoreError, match=f"the archive of .* lacks {lost}"):
        recount(store, again, definition)
    assert again.status().epoch == 0


def test_a_backfill_is_refused(cut: tuple[Path, str]):
    """And so is a repair, which is one."""
    store, lost = cut
    with pytest.raises(StoreError, match=f"the archive of .* lacks {lost}") as refused:
        build(store.parent, CHANGED, switches=False)
    assert "bring its files back from a copy" in (refused.value.hint or "")
    assert not (store / "generations").exists()


def test_the_events_behind_a_number_may_be_more(cut: tuple[Path, str], capsys: pytest.CaptureFixture[str]):
    store, lost = cut
    assert main(["why", "clicks", "--store", str(store)]) == 0
    assert f"the archive lacks {lost}: there may have been others" in capsys.readouterr().out


def test_a_batch_settles_nothing_behind_it(cut: tuple[Path, str], tmp_path: Path):
    store, lost = cut
    job = Job(load_text(ARCHIVED), tmp_path / "out", store, (), Place(tmp_path, tmp_path, (tmp_path / "out",)))
    assert run(job, Settings(), Watch()).lost == lost
    assert '"settled"' not in (tmp_path / "out" / "_done.ndjson").read_text()


@pytest.mark.parametrize("again", [False, True])
def test_what_waits_in_the_journal_is_not_missing(tmp_path: Path, again: bool):
    """While a run goes on, and after it was killed; but what was sealed before it is."""
    store = count_records(tmp_path, DAYS[:1], ARCHIVED)
    engine = ArchivingEngine(store, load_text(ARCHIVED), SystemClock(), Settings())
    try:
        if again:
            engine.register_as([("more", "")])
            engine.feed("more", lines(DAYS[1:]), NOW_US)
            engine.commit()
        assert lost_of(store) == Lost()
        parts_of(store)[-1].path.unlink()
        assert lost_of(store) == Lost(behind=EPOCHS)
    finally:
        engine.abandon()


def test_what_has_expired_is_not_missing_at_the_end(tmp_path: Path):
    """Nor are the records of a file of which nothing is left; but those that were in the last epoch are."""
    store = count_records(tmp_path, DAYS[:2], ARCHIVED)
    (tmp_path / "more.jsonl").write_bytes(lines(click(9, each["at"], got=each["got"]) for each in DAYS[2:]))
    count(tmp_path, ARCHIVED, ["more.jsonl"])
    for part in parts_of(store)[:3]:
        part.path.unlink()
    assert lost_of(store) == Lost("the epochs from 1 to 2")
    parts_of(store)[-1].path.unlink()
    assert lost_of(store) == Lost("the epochs from 1 to 2", "the records of more.jsonl from 1 to 1")


def test_an_archive_without_a_store_is_taken_as_it_is(tmp_path: Path):
    """Nobody knows where it ended."""
    store = count_records(tmp_path, DAYS, ARCHIVED)
    (store / "MANIFEST").unlink()
    parts_of(store)[-1].path.unlink()
    assert lost_of(store) == Lost()


def test_white_space_makes_no_epoch(tmp_path: Path):
    """As in the reference engine; how far it was read is said with the next one, or by the checkpoint."""
    definition, blank, size = load_text(ARCHIVED), b" \r\n\n", 5_000_000
    store, other = tmp_path / "store", ReferenceEngine(definition)
    engine = ArchivingEngine(store, definition, SystemClock(), Settings())
    epochs = []
    for data in (lines(DAYS[:1]), blank, lines(DAYS[1:2]), blank):
        for each in (engine, other):
            each.feed("a", data, NOW_US)
        engine.skip("a", size, b"")
        epochs.append(engine.commit())
        assert epochs[-1] == other.commit()
    engine.close()
    assert (epochs, lost_of(store)) == ([2, 2, 3, 3], Lost())
    again = ArchivingEngine(store, definition, SystemClock(), Settings())
    assert again.partitions()["a"]["bytes"] == len(lines(DAYS[:2])) + 2 * len(blank) + 4 * size
    again.abandon()
