"""Raw records for the batch engine: a store's archive, or files as `crossfoot run` reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.archive.parts import FOLDER, Part, parts_of
from crossfoot.archive.reading import no_parts
from crossfoot.archive.schema import FORM
from crossfoot.bigquery import Reader, table_name
from crossfoot.definition.model import BigQuerySource, Definition
from crossfoot.definition.text import quote_text
from crossfoot.errors import CallError, DataError, StoreError
from crossfoot.settings import Settings
from crossfoot.sources.files import Inputs, Place, discover
from crossfoot.sources.lines import Chunk, LongLine
from crossfoot.sources.reading import read_group, reading_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_TABLE = "crossfoot_file_records"
_COLUMNS = "epoch BIGINT, step BIGINT, kind VARCHAR, partition VARCHAR, position BIGINT, length BIGINT, record BLOB"


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory; CallError where DuckDB is not installed."""
    if find_spec("duckdb") is None:
        raise CallError("a recount by SQL needs DuckDB, which is not installed", "pip install 'crossfoot[demo]'")
    import duckdb

    return duckdb.connect()


@contextmanager
def told() -> Iterator[None]:
    """DuckDB's errors as one line."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        what = str(error).splitlines()[0]
        raise DataError(
            f"DuckDB cannot count this: {what}", "see that the records are whole, then run again"
        ) from error


def archived(store: Path) -> list[Part]:
    """The parts of a store's archive; StoreError where there are none, or some that do not say what joined."""
    if not store.is_dir():
        raise StoreError(f"there is no store in {store}", "name its folder with --store, or files with --input")
    parts = parts_of(store)
    if not parts:
        hint = "write `archive: {}` into the definition and count into a new store, or name files with --input"
        raise no_parts(store, hint)
    if old := [part for part in parts if part.form < FORM]:
        hint = "its records can be read, but it does not say what joined, beat and finished: count into a new store"
        raise StoreError(f"the archive holds parts of an older form: {old[0].path}", hint)
    return parts


def archive_sql(store: Path) -> str:
    """The archive as a relation."""
    return f"(SELECT * FROM read_parquet({quote_text(f'{store}/{FOLDER}/*/*.parquet')}, hive_partitioning = false))"


def whole_since(connection: duckdb.DuckDBPyConnection, relation: str) -> int | None:
    """The reading clock at the first epoch behind all that an archive lacks; None where there is none."""
    of_epoch = "count(*) < max(step) + 1 AS is_cut, min(epoch_us(clock)) AS came_us"
    by_epoch = f"SELECT epoch, {of_epoch}, epoch - lag(epoch, 1, 0) OVER (ORDER BY epoch) > 1 AS is_first"
    lost = "max(CASE WHEN is_cut THEN epoch WHEN is_first THEN epoch - 1 END)"
    found = f"WITH epochs AS ({by_epoch} FROM {relation} GROUP BY epoch)"
    query = f"{found} SELECT min(came_us) FROM epochs WHERE epoch > (SELECT {lost} FROM epochs)"
    with told():
        row = connection.execute(query).fetchone()
    return row[0] if row else None


def inputs_of(inputs: tuple[str, ...], place: Place) -> Inputs:
    """What files, folders and patterns stand for."""
    return discover(inputs, place)


def read_files(
    connection: duckdb.DuckDBPyConnection, definition: Definition, inputs: Inputs, settings: Settings
) -> str:
    """A table of the records of files, in the order in which a run counts them."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TABLE} ({_COLUMNS})")
    reading = reading_of(definition, settings)
    number = 0
    for group in inputs.groups:
        for partition, chunks in read_group(inputs, group, {}, reading):
            number, position = number + 1, 0
            for chunk in chunks:
                table = _table(chunk, number, position, partition.name)
                connection.register("crossfoot_chunk", table)
                connection.execute(f"INSERT INTO {_TABLE} SELECT * FROM crossfoot_chunk")
                connection.unregister("crossfoot_chunk")
                position += table.num_rows
    return _TABLE


def read_table(connection: duckdb.DuckDBPyConnection, source: BigQuerySource, environment: Mapping[str, str]) -> str:
    """The records of a BigQuery table, as a relation; what puts them in no order is refused."""
    table = table_name(source.table)
    named = {"partition": source.partition, "position": source.position, "record": source.record}
    shown = f"bigquery {table.quoted.strip('`')}"
    reader = Reader(table.project, environment)
    try:
        there = reader.columns(f"SELECT * FROM {table.quoted}", shown)
        for part, column in named.items():
            if column is not None and column not in there:
                hint = f"it has {', '.join(there)}; name it: source: {{bigquery: {{table: …, {part}: COLUMN}}}}"
                raise DataError(f"{shown} has no column {column}", hint)
        columns = [f"`{column}` AS cf_{part}" for part, column in named.items() if column is not None]
        batches = reader.rows(f"SELECT {', '.join(columns)} FROM {table.quoted}", shown)
        _fill(connection, batches, source)
    finally:
        reader.close()
    _check_order(connection, source, shown)
    return _TABLE


def _fill(connection: duckdb.DuckDBPyConnection, batches: Iterable[pa.Table], source: BigQuerySource) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TABLE} ({_COLUMNS})")
    named = "coalesce(CAST(cf_partition AS VARCHAR), '')" if source.partition else quote_text(source.table)
    for batch in batches:
        connection.register("crossfoot_chunk", batch)
        kinds = {row[0]: str(row[1]) for row in connection.execute("DESCRIBE crossfoot_chunk").fetchall()}
        if kinds["cf_record"] not in ("VARCHAR", "BLOB", "JSON"):
            hint = "name the column that holds the record: source: {bigquery: {table: …, record: COLUMN}}"
            raise DataError(f"{source.name}: {source.record} is neither text nor bytes", hint)
        record = "cf_record" if kinds["cf_record"] == "BLOB" else "encode(CAST(cf_record AS VARCHAR))"
        connection.execute(
            f"INSERT INTO {_TABLE} SELECT NULL, TRY_CAST(cf_position AS BIGINT), 'record', {named},"
            f" TRY_CAST(cf_position AS BIGINT), NULL, {record} FROM crossfoot_chunk WHERE cf_record IS NOT NULL"
        )
        connection.unregister("crossfoot_chunk")


def _check_order(connection: duckdb.DuckDBPyConnection, source: BigQuerySource, shown: str) -> None:
    """Every record has a place of its own; partitions are numbered by their names, the same in every run."""
    hint = (
        "name a column of whole numbers that are there once in each partition: source: {bigquery: {position: COLUMN}}"
    )
    query = f"SELECT count(*), count(position), count(DISTINCT (partition, position)) FROM {_TABLE}"
    many, placed, places = connection.execute(query).fetchone() or (0, 0, 0)
    if placed < many:
        raise DataError(f"{shown}: {many - placed:,} records have no {source.position}", hint)
    if places < many:
        raise DataError(f"{shown}: {many - places:,} records share their {source.position} with another one", hint)
    connection.execute(
        f"UPDATE {_TABLE} SET epoch = n FROM (SELECT partition AS named, dense_rank() OVER (ORDER BY partition) AS n"
        f" FROM (SELECT DISTINCT partition FROM {_TABLE})) WHERE partition = named"
    )


def _table(chunk: Chunk, number: int, position: int, partition: str) -> pa.Table:
    """The records of a chunk; blank lines are none."""
    import pyarrow as pa

    if isinstance(chunk, LongLine):
        lines = [chunk.head] if chunk.head else []
    else:
        cut = (line.removesuffix(b"\r") for line in chunk.data.split(b"\n"))
        lines = [line for line in cut if line.strip(b" \t\r")]
    many, length = len(lines), chunk.length if isinstance(chunk, LongLine) else None
    places = pa.array(range(position, position + many), pa.int64())
    columns = {
        "epoch": pa.repeat(pa.scalar(number, pa.int64()), many),
        "step": places,
        "kind": pa.repeat("record", many),
        "partition": pa.repeat(partition, many),
        "position": places,
        "length": pa.repeat(pa.scalar(length, pa.int64()), many),
        "record": pa.array(lines, pa.binary()),
    }
    return pa.table(columns)
