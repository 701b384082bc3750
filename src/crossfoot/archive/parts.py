"""The archive's files: `day=DATE/EPOCH-STEP.parquet`, by the day of t, each there whole or not at all.

A part's name follows from its first row, so what is sealed again after a crash is the same part.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfoot.archive.schema import FORM, NO_DAY, schema
from crossfoot.definition.model import Archive
from crossfoot.errors import StoreError
from crossfoot.log.disk import Disk

_FORM = b"crossfoot.archive"
_NEWEST = b"crossfoot.newest_us"
FOLDER = "archive"
JOURNAL = "archive.journal"
"""In a store's folder, as soon as it keeps an archive: what is not sealed yet."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part: its file, its bytes, its form, and the newest t in it."""

    path: Path
    bytes: int
    newest_us: int
    form: int


class Parts:
    """The parts of a store. `keep` bounds them."""

    def __init__(self, store: Path, keep: Archive, disk: Disk | None = None) -> None:
        import pyarrow.parquet  # noqa: F401 (loaded before anything is counted, not between two epochs)

        self._folder = store / FOLDER
        self._keep = keep
        self._disk = disk or Disk()
        self._known: dict[Path, Part] = {}
        with _named(self._folder):
            self._disk.make_folder(self._folder)
            for draft in self._folder.glob("*/*.new"):
                self._disk.remove(draft)

    def write(self, table: Any) -> list[Path]:
        """Write rows, in their order, as one part for each day; durable under their names."""
        import pyarrow as pa
        import pyarrow.compute as pc

        days = table["t"].cast(pa.timestamp("us")).cast(pa.date32())
        written = []
        for day in days.unique().to_pylist():
            chosen = pc.is_null(days) if day is None else pc.equal(days, pa.scalar(day, pa.date32()))
            written.append(self._write(NO_DAY if day is None else day.isoformat(), table.filter(chosen)))
        return written

    def _write(self, day: str, table: Any) -> Path:
        epoch, step = table["epoch"][0].as_py(), table["step"][0].as_py()
        path = self._folder / f"day={day}" / f"{epoch:016d}-{step:010d}.parquet"
        draft = path.with_suffix(".new")
        with _named(path):
            self._disk.make_folder(path.parent)
            self._put(draft, _encoded(table))
            self._disk.replace(draft, path)
            self._disk.sync_folder(path.parent)
        return path

    def _put(self, draft: Path, data: Any) -> None:
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._disk.write(file, data, 0)
            self._disk.sync(file)
        finally:
            os.close(file)

    def all(self) -> list[Part]:
        """Every part, oldest first; those of form 1 too."""
        self._known = {path: self._known.get(path) or part_of(path) for path in self._folder.glob("*/*.parquet")}
        return sorted(self._known.values(), key=lambda part: (part.newest_us, part.path))

    def expire(self, now_us: int) -> list[Part]:
        """Delete what is older than the definition keeps, then the oldest beyond its bytes."""
        parts, keep = self.all(), self._keep
        held = sum(part.bytes for part in parts)
        expired = []
        for part in parts:
            is_old = keep.keep_us is not None and part.newest_us < now_us - keep.keep_us
            if is_old or (keep.bytes_max is not None and held > keep.bytes_max):
                held -= part.bytes
                with _named(part.path):
                    self._disk.remove(part.path)
                expired.append(part)
        return expired


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """The system's errors with the file that they are about."""
    try:
        yield
    except OSError as error:
        hint = "nothing was lost: free some space, or see to the disk, then run again"
        raise StoreError(f"cannot write {path}: {error.strerror or error}", hint) from error


def part_of(path: Path) -> Part:
    """A part, as its file says."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path).metadata or {}
        return Part(path, path.stat().st_size, int(metadata[_NEWEST]), int(metadata.get(_FORM, b"1")))
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise StoreError(f"the archive is damaged: {path}: {error}", "bring the file back from a copy") from error


def parts_of(store: Path) -> list[Part]:
    """The parts of a store's archive, by the place of their first row; those of form 1 first."""
    parts = [part_of(path) for path in (store / FOLDER).glob("*/*.parquet")]
    return sorted(parts, key=lambda part: (part.form, part.path.name))


def read_part(part: Part) -> Any:
    """The rows of a part, as a table of the archive's schema; those of form 1 say nothing of epochs."""
    import pyarrow as pa

    table, form = read_columns(part), schema()
    there = {name: table[name].cast(form.field(name).type) for name in table.column_names if name in form.names}
    if part.form < FORM:
        there["kind"] = pa.repeat("record", len(table)).cast(form.field("kind").type)
        there["t"] = there["stamp"]
    absent = {name: pa.nulls(len(table), form.field(name).type) for name in form.names if name not in there}
    return pa.table({name: (there | absent)[name] for name in form.names}, schema=form)


def read_columns(part: Part, names: list[str] | None = None) -> Any:
    """A part's columns as its file has them, all or some."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(part.path, columns=names, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        what, hint = " ".join(str(error).split()), "bring the file back from a copy"
        raise StoreError(f"the archive is damaged: {part.path}: {what}", hint) from error


def _encoded(table: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    times = table["t"] if table["t"].null_count < len(table) else table["clock"]
    newest = pc.max(times.cast(pa.int64())).as_py() or 0
    marked = table.replace_schema_metadata({_FORM: str(FORM), _NEWEST: str(newest)})
    sink = pa.BufferOutputStream()
    pq.write_table(marked, sink, compression="zstd", use_dictionary=["kind", "source", "partition", "text"])
    return sink.getvalue()
