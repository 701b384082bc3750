"""Raw records for the batch engine: a store's archive, or files as `crossfoot run` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.archive.parts import FOLDER, Part
from crossfoot.archive.reading import parts_of
from crossfoot.archive.schema import FORM
from crossfoot.definition.model import Definition
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
        raise StoreError(f"{store} holds no archive, so there is nothing to count again", hint)
    if old := [part for part in parts if part.form < FORM]:
        hint = "its records can be read, but it does not say what joined, beat and finished: count into a new store"
        raise StoreError(f"the archive holds parts of an older form: {old[0].path}", hint)
    return parts


def archive_sql(store: Path) -> str:
    """The archive as a relation."""
    return f"(SELECT * FROM read_parquet({quote_text(f'{store}/{FOLDER}/*/*.parquet')}, hive_partitioning = false))"


def is_whole(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    """Whether an archive lacks nothing from its first epoch on."""
    by_epoch = f"SELECT epoch, count(*) AS many, max(step) AS last FROM {relation} GROUP BY epoch"
    query = f"SELECT min(epoch) = 1 AND max(epoch) = count(*) AND bool_and(many = last + 1) FROM ({by_epoch})"
    with told():
        found = connection.execute(query).fetchone()
    return bool(found and found[0])


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
