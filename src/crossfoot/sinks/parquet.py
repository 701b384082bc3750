"""A folder of files: each catch-up writes one, or several, for each stored table that has changed."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.files import make_folder, replace_whole
from crossfoot.query.escape import write_csv
from crossfoot.query.present import column_values
from crossfoot.sinks.cells import Changed
from crossfoot.sinks.target import GivenUpError
from crossfoot.stores.settled import place_of
from crossfoot.warehouse.tables import IS_REMOVED

if TYPE_CHECKING:
    import pyarrow as pa

_MADE = "_crossfoot-"
"""Begins the name of an empty folder in the sink's: which making of it this is. Who reads files meets none there."""


class ParquetTarget:
    """`FOLDER/metric=M/by=A,B/grain=G/epoch-N-P.parquet` for part P; columns say epoch and whether cells are gone."""

    missing = 0
    kind = "parquet"

    def __init__(self, name: str, folder: Path, every_s: float) -> None:
        self.name = name
        self.every_s = every_s
        self._folder = folder

    def identity(self) -> str:
        """Which making of the folder: one that was removed and made again has nothing."""
        make_folder(self._folder)
        made = min((path.name for path in self._folder.glob(f"{_MADE}*")), default="")
        if not made:
            made = f"{_MADE}{self._making()}"
            make_folder(self._folder / made)
        return made.removeprefix(_MADE)

    def _making(self) -> str:
        """A folder's number is given out again, so its time is said too; marks from before that was said know it by
        its number alone.
        """
        found = self._folder.stat()
        number = f"{found.st_dev}:{found.st_ino}"
        return number if any(self._folder.glob("metric=*")) else f"{number}:{found.st_ctime_ns}"

    def write(self, cells: Iterable[Changed], epoch: int, given_up: Callable[[], bool]) -> int:
        """Each file is there whole or not at all; the same epoch again gives the same file."""
        written, parts = 0, Counter[Path]()
        for each in cells:
            if given_up():
                raise GivenUpError
            folder = self._folder / place_of(each.metric, each.by, each.grain)
            make_folder(folder)
            parts[folder] += 1
            replace_whole(folder / f"epoch-{epoch:016d}-{parts[folder]}.{self.kind}", self._file(each, epoch))
            written += each.table.num_rows
        return written

    def _file(self, cells: Changed, epoch: int) -> bytes | memoryview:
        import pyarrow as pa
        import pyarrow.parquet as pq

        out = pa.BufferOutputStream()
        pq.write_table(_tagged(cells, epoch), out, compression="zstd")
        return memoryview(out.getvalue())

    def close(self) -> None:
        """Nothing stays open."""


class CsvTarget(ParquetTarget):
    """The same folders of CSV files, with values as `crossfoot query` gives them."""

    kind = "csv"

    def _file(self, cells: Changed, epoch: int) -> bytes:
        named = column_values(_tagged(cells, epoch), cells.integers)
        out = io.StringIO()
        write_csv(named, zip(*named.values(), strict=True), out)
        return out.getvalue().encode("utf-8", "backslashreplace")


def _tagged(cells: Changed, epoch: int) -> pa.Table:
    import pyarrow as pa

    rows = cells.table.num_rows
    table = cells.table.append_column("epoch", pa.repeat(pa.scalar(epoch, pa.int64()), rows))
    return table.append_column(IS_REMOVED, pa.repeat(pa.scalar(cells.removed is not None), rows))
