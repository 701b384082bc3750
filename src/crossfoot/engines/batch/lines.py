"""Lines of files as raw records, byte by byte: what is wrong inside of one is for the rules to name."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from crossfoot.errors import DataError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_PARQUET = b"PAR1"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_HEAD_BYTES = 64 << 10
_BLOCK_LINES = 16 << 10
_HINT = "name files whose lines are the records that were counted"
_numbers = count(1)

File: TypeAlias = BufferedReader | gzip.GzipFile
Line: TypeAlias = tuple[bytes, int]
"""A record and its length; of one that is too long only the beginning is kept."""


def table_of(connection: duckdb.DuckDBPyConnection, path: str, record_bytes_max: int) -> str:
    """The name of a new table of a file's records (gzip and zstd by its name). DataError for what cannot be read."""
    table, position = f"crossfoot_lines_{next(_numbers)}", 0
    connection.execute(f"CREATE TEMP TABLE {table} (partition VARCHAR, position BIGINT, length BIGINT, record BLOB)")
    with _opened(path) as file:
        lines = records(file, record_bytes_max)
        while block := list(islice(lines, _BLOCK_LINES)):
            connection.register("crossfoot_block", _rows(path, position, block))
            connection.execute(f"INSERT INTO {table} SELECT * FROM crossfoot_block")
            connection.unregister("crossfoot_block")
            position += len(block)
    return table


def _rows(path: str, position: int, block: list[Line]) -> pa.Table:
    import pyarrow as pa

    columns = {
        "partition": pa.repeat(path, len(block)),
        "position": pa.array(range(position, position + len(block)), pa.int64()),
        "length": pa.array([length for _, length in block], pa.int64()),
        "record": pa.array([record for record, _ in block], pa.binary()),
    }
    return pa.table(columns)


def records(file: File, record_bytes_max: int) -> Iterator[Line]:
    """Each line without its end, but for blank ones."""
    longest, mark = record_bytes_max + len(b"\r\n") + 1, _BYTE_ORDER_MARK
    while line := file.readline(longest):
        more, is_blank = _rest(file, line, longest)
        record = line.removeprefix(mark).removesuffix(b"\n").removesuffix(b"\r")
        mark = b""
        if is_blank and not record.strip(_BLANK):
            continue
        yield (record[:_HEAD_BYTES], len(line) + more) if more else (record, len(record))


def _rest(file: File, line: bytes, longest: int) -> tuple[int, bool]:
    """How many bytes of a line follow what was read of it, and whether they are blank."""
    more, is_blank = 0, True
    while len(line) == longest and line[-1:] != b"\n":
        line = file.readline(longest)
        more, is_blank = more + len(line), is_blank and not line.strip(_BLANK)
    return more, is_blank


@contextmanager
def _opened(path: str) -> Iterator[File]:
    """The bytes of a file, unpacked."""
    import zstandard

    try:
        with Path(path).open("rb") as plain:
            if plain.read(len(_PARQUET)) == _PARQUET:
                raise DataError(f"{path} cannot be read: it is Parquet, not lines", _HINT)
            plain.seek(0)
            yield _unpacked(plain, path.lower())
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise DataError(f"{path} cannot be read: {error}", _HINT) from error


def _unpacked(file: BufferedReader, name: str) -> File:
    import zstandard

    if name.endswith(".gz"):
        return gzip.GzipFile(fileobj=file)
    if name.endswith(".zst"):
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return BufferedReader(cast("RawIOBase", reader))
    return file
