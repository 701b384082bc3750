"""A folder of Parquet files: `FOLDER/TABLE/day=DATE/PART.parquet`, each there whole or not at all.

Any tool that reads Parquet may open them at any time. `query` does so with DuckDB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossfoot.beside import Hold
from crossfoot.clock import Clock
from crossfoot.errors import CallError, DataError
from crossfoot.files import make_folder, replace_whole
from crossfoot.warehouse.changed import Made, check
from crossfoot.warehouse.store import Note, lacking, latest_view, quoted
from crossfoot.warehouse.tables import DAY, Column, Table

if TYPE_CHECKING:
    import pyarrow as pa

MADE = "_crossfoot.json"
"""In a table's folder: whose it is. Tools that read folders pass over names that begin so."""
_WRITTEN = b"crossfoot.columns"
"""In a file's metadata: what we have written, for who looks whether it was changed."""
NO_DAY = "__HIVE_DEFAULT_PARTITION__"


class ParquetWarehouse:
    """Tables as folders. One process writes a table; anybody reads."""

    def __init__(self, folder: Path, tables: Sequence[Table], clock: Clock) -> None:
        self.folder = folder
        self._tables = tuple(tables)
        self._clock = clock

    def reach(self) -> None:
        """The folder is made with the first table."""

    def ensure(self, table: Table, owner: str) -> str:
        folder = self.folder / table.name
        try:
            make_folder(folder)
        except (FileExistsError, NotADirectoryError) as error:
            raise DataError(f"the warehouse is no folder: {self.folder}", "name a folder for it") from error
        if not (folder / MADE).exists():
            if found := next((path for path in folder.iterdir() if path.name[0] != "."), None):
                what = f"the folder {folder} holds what is not ours: {found.name}"
                raise DataError(what, "name another folder for the warehouse, or another `prefix`")
            made = Made(owner, f"{self._clock.now_us()}", table.columns)
            replace_whole(folder / MADE, made.text().encode())
            return made.making
        made = Made.of((folder / MADE).read_text(encoding="utf-8"), table)
        check(table, made, self._there(folder, table, made), owner)
        if more := lacking(table, made.columns):
            made = Made(made.owner, made.making, (*made.columns, *more))
            replace_whole(folder / MADE, made.text().encode())
        return made.making

    def _there(self, folder: Path, table: Table, made: Made) -> list[Column]:
        """What we have given, as far as the newest file says nothing else."""
        columns = {column.name: column for column in made.columns}
        newest = max(folder.glob(f"{DAY}=*/*.parquet"), key=lambda path: path.stat().st_mtime_ns, default=None)
        if newest is not None:
            from pyarrow import parquet

            known = {column.name: column for column in (*table.columns, *made.columns)}
            schema = parquet.read_schema(newest)
            for name in _written(schema, made):
                columns.pop(name)
            for field in schema:
                columns[field.name] = _column(field, known.get(field.name))
        return list(columns.values())

    def put(self, table: Table, part: str, rows: pa.Table, note: Note | None = None) -> None:
        """A file for each day; the same part again gives the same files."""
        del note
        for day, of_day in _by_day(rows):
            folder = self.folder / table.name / f"{DAY}={day}"
            make_folder(folder)
            replace_whole(folder / f"{part}.parquet", _file(of_day))

    def query(self, sql: str, hold: Hold | None = None) -> pa.Table:
        with self.connect() as connection, (hold or Hold()).of(connection):
            return connection.sql(sql).to_arrow_table()

    def connect(self) -> Any:
        """A connection of DuckDB with a view of each table, as its files are now."""
        try:
            import duckdb
        except ImportError as error:
            raise CallError("the package duckdb is not installed", "pip install 'crossfoot[warehouse]'") from error
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        for table in self._tables:
            for name, query in self.views(table):
                connection.execute(f"CREATE VIEW {quoted(name)} AS {query}")
        return connection

    def views(self, table: Table) -> Iterator[tuple[str, str]]:
        """Names and queries of what a table is read by."""
        folder = self.folder / table.name
        columns = ", ".join(f"CAST(NULL AS {duckdb_type(column)}) AS {quoted(column.name)}" for column in table.columns)
        empty = f"SELECT {columns} WHERE false"
        if any(folder.glob(f"{DAY}=*/*.parquet")):
            files = str(folder / f"{DAY}=*" / "*.parquet").replace("'", "''")
            options = f"hive_partitioning = true, hive_types = {{'{DAY}': DATE}}, union_by_name = true"
            names = ", ".join(quoted(column.name) for column in table.columns)
            empty = f"{empty} UNION ALL BY NAME SELECT * FROM read_parquet('{files}', {options})"
            empty = f"SELECT {names} FROM ({empty})"
        yield table.name, empty
        if table.key:
            yield latest_view(table, quoted(table.name))

    def close(self) -> None:
        """Nothing stays open."""


def duckdb_type(column: Column) -> str:
    """A column's type in DuckDB."""
    if column.type.startswith("decimal"):
        return f"DECIMAL(38, {column.scale})"
    types = {"text": "VARCHAR", "integer": "BIGINT", "float": "DOUBLE", "boolean": "BOOLEAN"}
    return {**types, "time": "TIMESTAMPTZ", "day": "DATE"}[column.type]


def _written(schema: pa.Schema, made: Made) -> list[str]:
    """The columns of ours that a file had when we wrote it; all, where others have written it anew."""
    said = (schema.metadata or {}).get(_WRITTEN)
    names = {column.name for column in made.columns} - {DAY}
    return sorted(names if said is None else names.intersection(json.loads(said)))


def _column(field: pa.Field, known: Column | None) -> Column:
    from crossfoot.warehouse.tables import arrow_type

    if known is not None and arrow_type(known) == field.type:
        return known
    return Column(field.name, str(field.type))


def _by_day(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    import pyarrow.compute as pc

    for day in pc.unique(rows[DAY]):
        mask = pc.equal(rows[DAY], day) if day.is_valid else pc.is_null(rows[DAY])
        yield (str(day.as_py()) if day.is_valid else NO_DAY), rows.filter(mask).drop_columns([DAY])


def _file(rows: pa.Table) -> memoryview:
    import pyarrow as pa
    from pyarrow import parquet

    out = pa.BufferOutputStream()
    rows = rows.replace_schema_metadata({_WRITTEN: json.dumps(rows.column_names)})
    parquet.write_table(rows, out, compression="zstd")
    return memoryview(out.getvalue())
