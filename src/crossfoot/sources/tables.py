"""CSV and Parquet -> JSON lines, through Arrow. Their positions are ordinals of records: one row, one line.

In CSV (RFC 4180, comma, header row) every cell is a text; an empty one is null. A row with another number of cells than
the header, or with a quote that is never closed, becomes a line that is no JSON and ends in the account `malformed`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from crossfoot.errors import DataError
from crossfoot.sources.csv_records import Block, Endless, Unclosed, split
from crossfoot.sources.lines import NOTHING, TAIL_BYTES, Chunk, Lines, LongLine
from crossfoot.sources.partition import Partition, Position, other_rows, truncated
from crossfoot.sources.reading import Reading
from crossfoot.sources.streams import DamageError, Pieces

_ROWS = 65_536


def csv_chunks(pieces: Pieces, partition: Partition, position: Position | None, reading: Reading) -> Iterator[Chunk]:
    """The rows of a CSV input behind the position."""
    return _behind(_csv(pieces, partition.name, reading), partition, position, reading)


def parquet_chunks(
    file: IO[bytes], partition: Partition, position: Position | None, reading: Reading
) -> Iterator[Chunk]:
    """The rows of a Parquet file behind the position."""
    return _behind(_parquet(file, partition.name, reading), partition, position, reading)


def _behind(
    chunks: Iterator[Chunk], partition: Partition, position: Position | None, reading: Reading
) -> Iterator[Chunk]:
    """Pass over the records that were counted; unless other columns are read, they must be the same bytes as then."""
    left = position.records if position else 0
    is_same_form = position is not None and position.form in ("", reading.form)
    before, digest = b"", 0
    while position and left:
        chunk = next(chunks, None)
        if chunk is None:
            raise truncated(partition.name, position.records - left, position, "records")
        lines = chunk.data.splitlines(keepends=True) if isinstance(chunk, Lines) else [b""]
        passed = b"".join(lines[:left])
        before, digest = (before + passed)[-TAIL_BYTES:], reading.digest(passed, digest)
        rest, left = lines[left:], max(0, left - len(lines))
        if not left:
            length, tail = position.tail
            if not is_same_form:
                yield NOTHING
            elif position.digest not in (None, digest) or (length and reading.tail_hash(before[-length:]) != tail):
                raise other_rows(partition.name, position)
        if rest:
            yield Lines(b"".join(rest))
    yield from chunks


def _csv(pieces: Pieces, name: str, reading: Reading) -> Iterator[Chunk]:
    header: Sequence[str] | None = None
    for part in split(pieces, reading.record_bytes_max, reading.block_bytes):
        data = part.data if isinstance(part, Block) else b""
        if header is None:
            header, data = _header(data, name, reading.columns)
        if data and (lines := _block_to_lines(data, header, reading.columns)):
            yield Lines(lines)
        elif isinstance(part, Endless):
            yield LongLine(part.length, part.head)
        elif isinstance(part, Unclosed):
            yield Lines(_no_json("quote without an end", part.line))


def _header(data: bytes, name: str, columns: tuple[str, ...]) -> tuple[Sequence[str], bytes]:
    """The names in the first row, and what follows it."""
    text = io.StringIO(_decode(data), newline="")
    names = next((row for row in csv.reader(text) if row), [])
    twice = sorted({column for column in columns if names.count(column) > 1})
    if twice:
        raise DataError(f"{name} has more than one column {twice[0]}", "give each column a name of its own")
    if not set(columns) & set(names):
        wanted = ", ".join(columns)
        raise DataError(f"the first row of {name} names none of the columns {wanted}", "the first row must be a header")
    return names, _encode(text.read())


def _block_to_lines(data: bytes, header: Sequence[str], columns: tuple[str, ...]) -> bytes:
    wanted = [column for column in columns if column in header]
    uneven: list[Any] = []

    def note(row: Any) -> str:
        uneven.append(row)
        return "skip"

    try:
        table = pa.csv.read_csv(
            io.BytesIO(data),
            read_options=pa.csv.ReadOptions(column_names=header, use_threads=False, block_size=len(data) + 1),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
            convert_options=pa.csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return _rows_to_lines(data, header, wanted)
    return _rows_to_lines(data, header, wanted) if uneven else table_to_lines(table)


def _rows_to_lines(data: bytes, header: Sequence[str], wanted: Sequence[str]) -> bytes:
    """Row by row, for blocks that hold something else than rows that fit: the same lines, slower."""
    places = [(column, header.index(column)) for column in wanted]
    lines = []
    for row in _csv_rows(data):
        if len(row) == len(header):
            lines.append(_encode(_json({name: row[at] for name, at in places if row[at]})) + b"\n")
        elif any(cell.strip(" \t") for cell in row):
            lines.append(_no_json(f"row of {len(row)} cells for {len(header)} columns", _encode(_json(row))))
    return b"".join(lines)


def _csv_rows(data: bytes) -> Iterator[list[str]]:
    """All rows; a cell may be as long as the block, whatever the limit that others have set."""
    before = csv.field_size_limit(len(data) + 1)
    try:
        yield from csv.reader(io.StringIO(_decode(data), newline=""))
    finally:
        csv.field_size_limit(before)


def _no_json(what: str, raw: bytes) -> bytes:
    return what.encode() + b": " + raw.replace(b"\r", b" ").replace(b"\n", b" ").rstrip() + b"\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _parquet(file: IO[bytes], name: str, reading: Reading) -> Iterator[Chunk]:
    rows = 0
    try:
        source = pa.parquet.ParquetFile(file)
        wanted = [column for column in reading.columns if column in source.schema_arrow.names]
        if not wanted:
            columns = ", ".join(reading.columns)
            raise DataError(f"{name} has none of the columns {columns}", "check the paths that the definition reads")
        for batch in source.iter_batches(batch_size=_ROWS, columns=wanted, use_threads=False):
            yield Lines(table_to_lines(pa.Table.from_batches([batch])))
            rows += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise DamageError(name, rows, f"parquet: {error}", unit="row") from error


def table_to_lines(table: pa.Table) -> bytes:
    """The rows of a table as JSON lines; nulls are left out, times are ISO texts, decimals are texts."""
    from crossfoot._core import arrow_to_json_lines

    columns = [column.cast(_plain(column.type)) for column in table.columns]
    if not all(map(_finite, columns)):
        rows = pa.table(columns, names=table.column_names).to_pylist()
        return b"".join(_encode(_json(_without_nulls(row))) + b"\n" for row in rows)
    sink = pa.BufferOutputStream()
    plain = pa.table(columns, names=table.column_names)
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    return arrow_to_json_lines(sink.getvalue().to_pybytes())


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type as JSON has it."""
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(pa.string(), _plain(kind.item_type))
    if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        return pa.int64() if pa.types.is_duration(kind) else pa.string()
    return kind


def _finite(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(column.type):
        return True
    return bool(pc.all(pc.is_finite(column)).as_py() in (None, True))


def _without_nulls(value: Any) -> Any:
    """As Arrow writes JSON, but with the floats that JSON does not have as texts: no number, so `invalid`."""
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value.hex() if isinstance(value, bytes) else value
