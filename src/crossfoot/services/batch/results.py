"""A window's result as files: `OUT/metric=M/by=A,B/grain=G/hour=H/cells.parquet`, each there whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.definition.model import Definition
from crossfoot.engines.batch.answers import answer
from crossfoot.engines.batch.render import Rendered, metric_of
from crossfoot.files import make_folder, replace_whole
from crossfoot.services.batch.windows import Table, Window
from crossfoot.stores.settled import FILE, place_of, places_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Results:
    """Counts windows from the relation `counted`, and writes them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, rendered: Rendered, counted: str, out: Path) -> None:
        self._connection, self._rendered, self._counted, self._out = connection, rendered, counted, out
        self._numbers = {place: number for number, place in enumerate(places_of(rendered.definition))}

    def there(self, window: Window) -> list[int]:
        """The numbers of the tables of which a window has a file."""
        places = [place_of(table.metric, table.by, table.grain.text) for table in window.tables]
        return [self._numbers[place] for place in places if (self._out / place / window.folder / FILE).exists()]

    def write(self, window: Window) -> int:
        """Replace the files of a window; how many cells they hold. Where there is no cell there is no file."""
        cells = 0
        for table in window.tables:
            found = self._cells(window, table)
            cells += found.num_rows
            folder = self._folder(window, table)
            if found.num_rows:
                make_folder(folder)
                replace_whole(folder / FILE, _file(found))
            elif folder.exists():
                shutil.rmtree(folder)
        return cells

    def _folder(self, window: Window, table: Table) -> Path:
        return self._out / place_of(table.metric, table.by, table.grain.text) / window.folder

    def _cells(self, window: Window, table: Table) -> pa.Table:
        definition: Definition = self._rendered.definition
        bounds = [
            *([] if window.start_us is None else [f"event_us >= {window.start_us}"]),
            *([] if window.end_us is None else [f"event_us < {window.end_us}"]),
        ]
        there = f"SELECT * FROM {self._counted} WHERE {' AND '.join(bounds) or 'TRUE'}"
        query = self._rendered.cells(table.metric, table.by, table.grain.text)
        rows = self._connection.sql(f"WITH counted AS ({there}) {query}").to_arrow_table()
        return answer(rows, definition, table.by, metric_of(definition, table.metric).measures)


def _file(table: pa.Table) -> memoryview:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = pa.BufferOutputStream()
    pq.write_table(table, out, compression="zstd")
    return memoryview(out.getvalue())


def files_of(out: Path) -> int:
    """How many files of results a folder has."""
    return sum(1 for _ in out.glob(f"metric=*/*/*/*/{FILE}"))
