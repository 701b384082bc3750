"""The recount by SQL, hour by hour: whole files, resumed, late ones dropped."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crossfoot.cli import main
from crossfoot.definition.load import load_text
from crossfoot.errors import CallError, DataError, StoreError
from crossfoot.services.batch import Job, Report, run
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.testing.clocks import ManualClock
from tests.archives import unsealed
from tests.counting import CLICKS, STAMPED, click, count_records, lines

NOW_US = 1_800_000_000_000_000
HOUR_US = 3_600_000_000
AT_10 = 1_442_052_000_000_000
ARCHIVED = STAMPED + "archive: {bytes: 100000000}\n"
THREE_HOURS = [click(n, f"2015-09-12T{10 + n % 3}:20:00Z", ms=n) for n in range(1, 10)]


def at(seq: int, time: str, got: str, **values: Any) -> dict[str, Any]:
    return click(seq, f"2015-09-12T{time}Z", got=f"2015-09-12T{got}Z", **values)


def batch(folder: Path, text: str = CLICKS, watch: Watch | None = None, **job: Any) -> Report:
    """Over `clicks.jsonl`, or a store, into the folder `out`."""
    given = {"store": None, "inputs": ("clicks.jsonl",), **job}
    made = Job(load_text(text), folder / "out", place=Place(folder, folder, (folder / "out",)), **given)
    return run(made, Settings(), watch or Watch(clock=ManualClock(NOW_US)))


def write(folder: Path, records: Iterable[Any]) -> None:
    (folder / "clicks.jsonl").write_bytes(lines(records))


def files(folder: Path) -> dict[str, bytes]:
    """The results; the same bytes mean the same cells."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def hourly(folder: Path) -> list[tuple[Any, ...]]:
    """Hour and clicks of the whole."""
    source = f"read_parquet('{folder}/out/metric=clicks/by=-/grain=1h/*/cells.parquet')"
    query = f"SELECT strftime(\"window\" AT TIME ZONE 'UTC', '%H'), clicks FROM {source} ORDER BY 1"
    return duckdb.sql(query).fetchall()


def test_each_hour_has_its_files(tmp_path):
    """Three hours, and the windows of the longer grains that hold them."""
    write(tmp_path, THREE_HOURS)
    report = batch(tmp_path)
    assert (report.written, report.unchanged, report.accounts) == (5, 0, {"counted": 9})
    assert hourly(tmp_path) == [("10", 3), ("11", 3), ("12", 3)]
    folders = {path.rpartition("/")[0].split("/", 2)[2] for path in files(tmp_path / "out")}
    assert folders >= {"grain=1m/hour=2015-09-12T10", "grain=1d%20Europe%2FParis/begin=2015-09-11T220000Z"}
    whole = duckdb.sql(f"SELECT clicks FROM '{tmp_path}/out/metric=totals/by=-/grain=all/begin=all/cells.parquet'")
    assert whole.fetchall() == [(9,)]


def test_a_second_run_reads_nothing(tmp_path):
    """Nothing changed, nothing is written."""
    write(tmp_path, THREE_HOURS)
    batch(tmp_path)
    report = batch(tmp_path)
    assert (report.written, report.unchanged, report.accounts) == (0, 5, {})


def test_only_what_changed_is_written_again(tmp_path):
    """An hour that got another event, and the longer windows that hold it."""
    write(tmp_path, THREE_HOURS)
    batch(tmp_path)
    before = files(tmp_path / "out")
    write(tmp_path, [*THREE_HOURS, click(10, "2015-09-12T11:59:59Z"), THREE_HOURS[0]])
    report = batch(tmp_path)
    assert (report.written, report.unchanged, report.accounts) == (3, 2, {"counted": 10, "duplicate": 1})
    assert hourly(tmp_path) == [("10", 3), ("11", 4), ("12", 3)]
    changed = {path for path, data in files(tmp_path / "out").items() if before.get(path) != data}
    assert not [path for path in changed if path.endswith(("T10/cells.parquet", "T12/cells.parquet"))]


def test_an_hour_without_events_any_more_has_no_files(tmp_path):
    """Also where other data took its place."""
    write(tmp_path, THREE_HOURS)
    batch(tmp_path)
    write(tmp_path, THREE_HOURS[:1])
    batch(tmp_path)
    assert hourly(tmp_path) == [("11", 1)]
    assert not [path for path in files(tmp_path / "out") if "T10" in path]


def test_a_deleted_file_is_written_again(tmp_path):
    """What is missing is what is not there."""
    write(tmp_path, THREE_HOURS)
    batch(tmp_path)
    before = files(tmp_path / "out")
    (tmp_path / "out/metric=clicks/by=-/grain=1h/hour=2015-09-12T11/cells.parquet").unlink()
    assert batch(tmp_path).written == 1
    assert files(tmp_path / "out") == before


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.unit.services.test_batch import NOW_US, ManualClock, Watch, batch

def progress(told):
    if told.done == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

batch(Path(sys.argv[1]), watch=Watch(clock=ManualClock(NOW_US), state=progress))
"""


def kill(folder: Path, number: int, project: Path) -> None:
    """A batch that is killed before its window of this number."""
    call = [sys.executable, "-c", _KILLED, str(folder), str(number)]
    done = subprocess.run(call, cwd=project, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("number", [1, 4])
def test_a_killed_batch_is_resumed(tmp_path, project, number):
    """The same files as without the kill; what was written is not written again."""
    write(tmp_path, THREE_HOURS)
    kill(tmp_path, number, project)
    report = batch(tmp_path)
    assert (report.written, report.unchanged) == (5 - number, number)
    other = tmp_path / "other"
    other.mkdir()
    write(other, THREE_HOURS)
    batch(other)
    assert files(tmp_path / "out") == files(other / "out")


def test_notes_that_were_cut_off(tmp_path, project):
    """A crash within a line: that window is done again."""
    write(tmp_path, THREE_HOURS)
    kill(tmp_path, 2, project)
    notes = tmp_path / "out" / "_done.ndjson"
    notes.write_bytes(notes.read_bytes()[:-9])
    assert (batch(tmp_path).written, len(hourly(tmp_path))) == (4, 3)


def test_asked_to_stop(tmp_path):
    """It ends between two windows, and says so."""
    write(tmp_path, THREE_HOURS)
    report = batch(tmp_path, watch=Watch(clock=ManualClock(NOW_US), stop=lambda: True))
    assert (report.stopped, report.written, files(tmp_path / "out")) == (True, 0, {})


def test_chosen_hours(tmp_path):
    """Longer windows are whole all the same."""
    write(tmp_path, THREE_HOURS)
    batch(tmp_path, since_us=AT_10 + HOUR_US, until_us=AT_10 + 2 * HOUR_US)
    assert hourly(tmp_path) == [("11", 3)]
    whole = duckdb.sql(f"SELECT clicks FROM '{tmp_path}/out/metric=totals/by=-/grain=all/*/cells.parquet'")
    assert whole.fetchall() == [(9,)]


LATE = [
    at(1, "10:10:00", "10:10:01"),
    at(2, "10:20:00", "11:59:59"),
    at(3, "11:10:00", "12:00:00"),
    at(1, "10:10:00", "12:00:01"),
    at(4, "11:59:00", "12:30:00"),
    at(5, "10:30:00", "12:30:01"),
]
UNLIMITED = STAMPED.replace("lateness: 1h", "lateness: 1d")


def test_what_comes_after_the_cut_off_never_counts(tmp_path):
    """10:00 is computed at 12:00; the copy that came after it is late too, as that pipeline had forgotten."""
    write(tmp_path, LATE)
    report = batch(tmp_path, UNLIMITED, drop_late_us=HOUR_US)
    assert hourly(tmp_path) == [("10", 2), ("11", 2)]
    assert report.accounts == {"counted": 4, "too_late": 2}


def test_an_hour_waits_for_its_cut_off(tmp_path):
    """At 12:59 only 10:00 is computed, and the longer windows hold no more; at 13:00 the next, once."""
    write(tmp_path, LATE)
    early, due = (Watch(clock=ManualClock(AT_10 + 3 * HOUR_US - less)) for less in (1, 0))
    report = batch(tmp_path, UNLIMITED, watch=early, drop_late_us=HOUR_US)
    assert (report.waiting, hourly(tmp_path)) == (1, [("10", 2)])
    report = batch(tmp_path, UNLIMITED, watch=due, drop_late_us=HOUR_US)
    assert (report.waiting, report.unchanged, hourly(tmp_path)) == (0, 1, [("10", 2), ("11", 2)])


def test_the_archive_of_a_store(tmp_path):
    """Late ones are judged as the store judged them."""
    store = count_records(tmp_path, LATE, ARCHIVED)
    report = batch(tmp_path, ARCHIVED, store=store, inputs=())
    assert report.lost is None
    assert report.accounts == {"counted": 3, "too_late": 3}
    assert hourly(tmp_path) == [("10", 1), ("11", 2)]


def test_an_archive_that_lost_its_beginning_takes_nothing_away(tmp_path):
    """Hours that were written of more events are kept."""
    store = count_records(tmp_path, LATE, ARCHIVED)
    batch(tmp_path, ARCHIVED, store=store, inputs=())
    for part in (store / "archive").glob("day=__HIVE*/*.parquet"):
        part.unlink()
    other = count_records(tmp_path, [*LATE, at(6, "12:59:00", "13:00:00")], ARCHIVED)
    oldest = min((other / "archive").glob("day=2015*/*.parquet"))
    oldest.unlink()
    report = batch(tmp_path, ARCHIVED, store=other, inputs=())
    assert (report.lost, report.kept) == ("the epochs from 1 to 2", 4)
    assert hourly(tmp_path) == [("10", 1), ("11", 2), ("12", 1)]


def test_what_is_refused(tmp_path):
    """Each by one line."""
    write(tmp_path, THREE_HOURS)
    with pytest.raises(CallError, match="--drop-late goes by when records arrived"):
        batch(tmp_path, drop_late_us=HOUR_US)
    with pytest.raises(StoreError, match="there is no store in"):
        batch(tmp_path, store=tmp_path / "none", inputs=())
    with pytest.raises(DataError, match="there is no file none"):
        batch(tmp_path, inputs=("none",))
    with pytest.raises(StoreError, match="the store has no archive"):
        batch(tmp_path, store=count_records(tmp_path, THREE_HOURS), inputs=())
    batch(tmp_path)
    with pytest.raises(CallError, match="another definition or other options"):
        batch(tmp_path, CLICKS.replace("totals", "sums"))
    (tmp_path / "out" / "_done.ndjson").write_bytes(b"{}\n?\n")
    with pytest.raises(DataError, match="the notes of the batch are damaged"):
        batch(tmp_path)


def test_an_archive_that_is_not_sealed_yet(tmp_path):
    """A run has begun: the batch has to wait."""
    with unsealed(tmp_path / "store", load_text(ARCHIVED), b""), pytest.raises(StoreError, match="not sealed yet"):
        batch(tmp_path, ARCHIVED, store=tmp_path / "store", inputs=())


def test_a_damaged_archive(tmp_path):
    """The file is named, in one line."""
    store = count_records(tmp_path, LATE, ARCHIVED)
    part = next((store / "archive").glob("day=2015*/*.parquet"))
    data = part.read_bytes()
    part.write_bytes(data[:4] + bytes(200) + data[204:])
    with pytest.raises(StoreError, match=rf"^the archive is damaged: {part}: [^\n]+$"):
        batch(tmp_path, ARCHIVED, store=store, inputs=())


def test_the_command(tmp_path, monkeypatch, capsys):
    """Rubbish is malformed; the summary says so."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, [*THREE_HOURS, b"\xff\xfe rubbish\n"])
    (tmp_path / "clicks.yaml").write_text(CLICKS)
    assert main(["batch", "clicks.yaml", "--input", "clicks.jsonl"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1] == "written         5"
    assert told.out.endswith(": counted 9, malformed 1\n")
    assert told.err == ""
    assert main(["batch", "clicks.yaml", "--input", "clicks.jsonl", "--drop-late", "soon"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == "error: --drop-late takes a duration, not soon"


def test_inputs_without_records(tmp_path, monkeypatch, capsys):
    """The first time it is said that there are none; then that they are as they were."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, [])
    (tmp_path / "clicks.yaml").write_text(CLICKS)
    for last in ("the inputs hold no records", "the inputs are as they were, and everything is written"):
        assert main(["batch", "clicks.yaml", "--input", "clicks.jsonl"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.parametrize("out", ["clicks.jsonl", "clicks.jsonl/below"])
def test_results_need_a_folder(tmp_path, monkeypatch, capsys, out):
    """A file is in its place."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, THREE_HOURS)
    (tmp_path / "clicks.yaml").write_text(CLICKS)
    assert main(["batch", "clicks.yaml", "--input", "clicks.jsonl", "--out", out]) == 2
    assert capsys.readouterr().err.splitlines()[0] == f"error: this is no folder: {tmp_path / out}"
