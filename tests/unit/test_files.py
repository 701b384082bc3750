"""Folders are durable under their names, and a file that one process holds is told from one that cannot be locked."""

import errno
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from crossfoot import _core
from crossfoot.archive.parts import Parts
from crossfoot.archive.schema import schema
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Archive
from crossfoot.dev.folder import Folder, Load
from crossfoot.dev.producer import produce
from crossfoot.errors import HeldError, StoreError
from crossfoot.files import held, make_folder
from crossfoot.generations import make_folder as make_generation
from crossfoot.log.log import Log
from crossfoot.monitor import shadow
from crossfoot.native import core_errors
from crossfoot.services.batch import notes
from crossfoot.services.handover import asked, only_one
from crossfoot.services.store import write_definition
from crossfoot.sinks.parquet import ParquetTarget
from crossfoot.testing.clocks import ManualClock
from crossfoot.warehouse.outbox import Outbox
from crossfoot.warehouse.parquet import ParquetWarehouse
from crossfoot.warehouse.tables import counted_events
from tests.counting import CLICKS

EVENTS, CLOCK = counted_events(), ManualClock(1)
COUNTED = pa.table({"uuid": ["a"], "event_time": pa.array([0], pa.timestamp("us", "UTC"))})
CHANGED = SimpleNamespace(
    metric="clicks", by=("page",), grain="1h", table=pa.table({"clicks": [1]}), removed=None, integers=()
)


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The names that a folder had when it was synced."""
    real, names = os.fsync, set()

    def sync(file: int) -> None:
        real(file)
        if (synced := Path(f"/proc/self/fd/{file}").readlink()).is_dir():
            names.update(synced.iterdir())

    monkeypatch.setattr(os, "fsync", sync)
    return names


def archived(folder: Path) -> None:
    row = dict.fromkeys(schema().names) | {"epoch": 1, "step": 1, "kind": "record", "source": "", "partition": "x"}
    Parts(folder, Archive()).write(pa.Table.from_pylist([row], schema()))


def put(folder: Path) -> None:
    ParquetWarehouse(folder / "a" / "warehouse", (EVENTS,), CLOCK).put(EVENTS, "1", EVENTS.conform(COUNTED))


MAKERS: dict[str, Callable[[Path], object]] = {
    "a folder": lambda folder: make_folder(folder / "a" / "b"),
    "a warehouse's table": lambda folder: ParquetWarehouse(folder / "a", (EVENTS,), CLOCK).ensure(EVENTS, "me"),
    "a warehouse's day": put,
    "a sink's folder": lambda folder: ParquetTarget("out", folder / "a", 0).identity(),
    "a sink's table": lambda folder: ParquetTarget("out", folder / "a", 0).write([CHANGED], 1, lambda: False),
    "an archive's day": archived,
    "a log": lambda folder: Log(folder / "store" / "log" / "x", CLOCK).close(),
    "parcels": lambda folder: Outbox(folder / "feeds" / "x", (EVENTS,), CLOCK).close(),
    "a batch": lambda folder: notes.held(folder / "a" / "out").close(),
    "a generation": lambda folder: [only_one(folder).close(), make_generation(folder, 1)],
    "sketches": lambda folder: shadow.held(folder / "shadow").close(),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_new_folder_is_durable_under_its_name(make, tmp_path, durable):
    """So are those above it that were not there."""
    make(tmp_path)
    made = {path for path in tmp_path.rglob("*") if path.is_dir() and not path.is_symlink()}
    assert made
    assert made <= durable


def test_a_folder_whose_sync_failed_is_synced_by_the_next_one(tmp_path, durable):
    """It is there, and nothing is in it yet."""
    with pytest.raises(OSError, match="Input/output error"):
        make_folder(tmp_path / "a" / "b", fails_with(errno.EIO))
    make_folder(tmp_path / "a" / "b")
    assert {tmp_path / "a", tmp_path / "a" / "b"} <= durable


def test_a_folder_that_is_in_use_is_not_synced_again(tmp_path, durable):
    make_folder(tmp_path / "a")
    (tmp_path / "a" / "file").touch()
    durable.clear()
    make_folder(tmp_path / "a")
    assert durable == set()


def test_the_definition_of_a_generation_is_durable(tmp_path, durable):
    """A store that has counted says with what, whatever becomes of the machine."""
    write_definition(tmp_path, load_text(CLICKS))
    assert tmp_path / "definition.yaml" in durable
    assert [path.name for path in tmp_path.iterdir()] == ["definition.yaml"]


def fails_with(number: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def producer(folder: Path) -> object:
    return produce(Folder(folder), Load(), None, None)  # type: ignore[arg-type]


HOLDERS: dict[str, Callable[[Path], object]] = {
    "a feed": lambda folder: Outbox(folder / "feed", (EVENTS,), CLOCK),
    "a batch": lambda folder: notes.held(folder / "out"),
    "a backfill": only_one,
    "a producer": producer,
}
WAITING: dict[str, Callable[[Path], object]] = {
    "a switch": lambda folder: [(folder / "generations").mkdir(), asked(folder).__enter__()],
    "sketches": shadow.held,
}


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
@pytest.mark.parametrize("hold", (HOLDERS | WAITING).values(), ids=HOLDERS | WAITING)
def test_a_file_system_without_locks_is_no_other_process(hold, number, tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", fails_with(number))
    with pytest.raises(StoreError, match=f"cannot lock {tmp_path}.*: {os.strerror(number)}") as refused:
        hold(tmp_path)
    assert not isinstance(refused.value, HeldError)


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
def test_who_holds_it_is_told(hold, tmp_path, monkeypatch):
    """By the number of its process, once that is known."""
    monkeypatch.setattr(fcntl, "flock", fails_with(errno.EWOULDBLOCK))
    with pytest.raises(HeldError, match="by another process"):
        hold(tmp_path)
    [lock] = [path for path in tmp_path.rglob("*") if path.is_file()]
    lock.write_text("17\n")
    with pytest.raises(HeldError, match=r"by process 17$") as told:
        hold(tmp_path)
    assert told.value.hint


def test_it_is_free_when_its_holder_is_done(tmp_path):
    with held(tmp_path / "lock", "it is done"), pytest.raises(HeldError):
        held(tmp_path / "lock", "it is done")
    held(tmp_path / "lock", "it is done").close()


def test_who_waited_for_a_file_that_was_removed_holds_the_one_at_its_place(tmp_path, monkeypatch):
    """Two that hold two files of one name would both be at it."""
    path, real, waits = tmp_path / "lock", fcntl.flock, threading.Event()
    first, got = held(path), []

    def flock(*call: object) -> None:
        waits.set()
        real(*call)

    monkeypatch.setattr(fcntl, "flock", flock)
    waiting = threading.Thread(target=lambda: got.append(held(path)))
    waiting.start()
    assert waits.wait(30)
    path.unlink()
    first.close()
    waiting.join(30)
    with got[0], pytest.raises(HeldError):
        held(path, "it is done")


def test_the_core_tells_a_holder_from_other_errors():
    with pytest.raises(HeldError, match="the store x is held by process 7") as told, core_errors():
        raise _core.CoreError("held", "the store x is held by process 7", "wait for it")
    assert (told.value.exit_code, told.value.hint) == (5, "wait for it")
