"""What a feed has on its way: parcels that are durable here before they are shipped, and shipped in their order.

A parcel holds rows for tables, and how far its feed is behind it. So a feed that was killed goes on from its newest
parcel; and each parcel is shipped under a name of its own, until the warehouse has it: a repeat adds nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossfoot.clock import Clock
from crossfoot.errors import DataError
from crossfoot.files import held, make_folder, replace_whole, sync_folder
from crossfoot.warehouse.store import FileNote, Warehouse
from crossfoot.warehouse.tables import Table

if TYPE_CHECKING:
    import pyarrow as pa

_STATE, _MARK, _FEED = "state.json", "mark.json", "feed"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the warehouse has: every parcel up to `parcel`, and how far the feed was behind it."""

    parcel: int = 0
    mark: dict[str, Any] = field(default_factory=dict)
    makings: dict[str, str] = field(default_factory=dict)
    """Which making of each table it was that has them."""


class Outbox:
    """A folder that one process at a time holds."""

    def __init__(self, folder: Path, tables: Sequence[Table], clock: Clock) -> None:
        make_folder(folder)
        self.folder = folder
        self._tables = {table.name: table for table in tables}
        self._shipped = threading.Condition()
        hint = "one process at a time runs a feed: wait for it, or stop it"
        self._lock = held(folder / "LOCK", f"the feed of {folder} is run", hint)
        try:
            self.feed = known_as(folder, clock)
            self.sent = self._read()
            self._sizes = {number: _size(self._place(number)) for number in self._numbers()}
            self._newest = max(self._sizes, default=self.sent.parcel)
            self.mark: dict[str, Any] = self._mark(self._newest) if self._sizes else self.sent.mark
        except BaseException:
            self.close()
            raise

    def _read(self) -> Sent:
        """The state; what was begun and not finished is removed."""
        for draft in self.folder.glob(".*.parcel"):
            shutil.rmtree(draft)
        path = self.folder / _STATE
        sent = Sent(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Sent()
        for number in self._numbers():
            if number <= sent.parcel:
                shutil.rmtree(self._place(number))
        return sent

    def _write(self, sent: Sent) -> None:
        replace_whole(self.folder / _STATE, json.dumps(asdict(sent)).encode())
        self.sent = sent

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:016d}.parcel"

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("[0-9]*.parcel"))

    def _mark(self, number: int) -> dict[str, Any]:
        mark: dict[str, Any] = json.loads((self._place(number) / _MARK).read_text(encoding="utf-8"))
        return mark

    @property
    def newest(self) -> int:
        """The number of the newest parcel, shipped or not; 0: there was none yet."""
        return self._newest

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the parcels that are not shipped."""
        return sum(list(self._sizes.values()))

    def has_room(self, bytes_max: int, wait_s: float) -> bool:
        """Whether less than that waits, now or within the time."""
        with self._shipped:
            return self._shipped.wait_for(lambda: self.waiting_bytes < bytes_max, wait_s)

    def put(self, rows: Mapping[str, pa.Table], mark: dict[str, Any]) -> int:
        """A parcel more, durable when this returns; its number. `rows` are by the names of the tables."""
        number = self._newest + 1
        place = self._place(number)
        draft = place.with_name(f".{place.name}")
        for left in (draft, place):  # by an attempt that failed
            if left.exists():
                shutil.rmtree(left)
        draft.mkdir()
        for name, table in rows.items():
            if len(table):
                _write_rows(draft / f"{name}.arrow", self._tables[name].conform(table))
        replace_whole(draft / _MARK, json.dumps(mark).encode())
        draft.rename(place)
        sync_folder(self.folder)
        self._sizes[number] = _size(place)
        self._newest, self.mark = number, mark
        return number

    def ship(self, warehouse: Warehouse, given_up: Callable[[], bool]) -> Iterator[int]:
        """Ship the parcels that wait, one after the other; how many rows each had."""
        self.ensure(warehouse)
        for number in sorted(self._sizes):
            if given_up():
                return
            place, rows = self._place(number), 0
            for path in sorted(place.glob("*.arrow")):
                table = self._tables.get(path.stem)
                if table is None:
                    what = f"the feed's parcel {number} holds rows of a table that the definition no longer has"
                    raise DataError(f"{what}: {path.stem}", "run it with the definition as it was, to the end")
                found = table.conform(_read_rows(path))
                rows += len(found)
                warehouse.put(table, f"{self.feed}-{number:010d}", found, FileNote(self.folder / f"{table.name}.note"))
            self._write(Sent(number, self._mark(number), self.sent.makings))
            shutil.rmtree(place)
            with self._shipped:
                del self._sizes[number]
                self._shipped.notify_all()
            yield rows

    def ensure(self, warehouse: Warehouse) -> None:
        """The tables are there, and those that have what was sent."""
        makings = {table.name: warehouse.ensure(table, self.feed) for table in self._tables.values()}
        for name, making in makings.items():
            if self.sent.makings.get(name, making) != making:
                raise DataError(
                    f"the table {name} was removed, or made again, since {self.sent.parcel} parcels were sent to it",
                    f"bring it back; or begin again with all tables of this feed: remove them, and {self.folder}",
                )
        if makings != self.sent.makings:
            self._write(Sent(self.sent.parcel, self.sent.mark, makings))

    def close(self) -> None:
        """Let another process hold it."""
        self._lock.close()


def mark_of(folder: Path) -> dict[str, Any]:
    """How far the feed of a folder is, as its newest parcel says, or else what was sent. Who runs it may go on."""
    newest = max(folder.glob("[0-9]*.parcel"), default=folder)
    try:
        mark: dict[str, Any] = json.loads((newest / _MARK).read_text(encoding="utf-8"))
    except FileNotFoundError:
        path = folder / _STATE
        mark = json.loads(path.read_text(encoding="utf-8"))["mark"] if path.exists() else {}
    return mark


def known_as(folder: Path, clock: Clock) -> str:
    """By which the feed of a folder is known to its tables: another folder, another name."""
    file = folder / _FEED
    if not file.exists():
        made = f"{clock.now_us()} {os.getpid()} {folder} {folder.stat().st_ino}"
        replace_whole(file, hashlib.blake2b(made.encode(), digest_size=8).hexdigest().encode())
    return file.read_text(encoding="utf-8")


def _size(place: Path) -> int:
    return sum(path.stat().st_size for path in place.iterdir())


def _write_rows(path: Path, rows: pa.Table) -> None:
    import pyarrow as pa

    with path.open("wb") as out:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(out, rows.schema, options=options) as writer:
            writer.write_table(rows)
        out.flush()
        os.fsync(out.fileno())


def _read_rows(path: Path) -> pa.Table:
    import pyarrow as pa

    with path.open("rb") as file:
        return pa.ipc.open_file(file).read_all()
