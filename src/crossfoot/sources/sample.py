"""The beginning of an input, unpacked: what a proposal and a first look at a definition read."""

from __future__ import annotations

from pathlib import Path

from crossfoot.errors import DataError
from crossfoot.sources.files import Inputs, Place, discover
from crossfoot.sources.partition import Partition
from crossfoot.sources.remote import NOWHERE, Remote
from crossfoot.sources.streams import DamageError, Pieces, members, read_pieces, unpack, unreadable, without_mark

SAMPLE_BYTES = 4 << 20
_PARQUET_ROWS = 10_000
_PIECE_BYTES = 1 << 16


def beginning(text: str, folder: Path, remote: Remote = NOWHERE) -> bytes:
    """The first bytes of the first file that `text` (a path, a folder, a pattern) stands for; Parquet as JSON lines."""
    inputs = discover([text], Place(folder, folder, remote=remote))
    first = inputs.partitions[0]
    if is_parquet(first.path):
        return _parquet(first, inputs)
    try:
        return _first_bytes(first, inputs)
    except OSError as error:
        raise unreadable(first.name, error) from error


def is_parquet(path: str) -> bool:
    """Whether the name says Parquet."""
    return path.lower().endswith((".parquet", ".pq"))


def _first_bytes(first: Partition, inputs: Inputs) -> bytes:
    if first.path in inputs.streams:
        return first.head + inputs.streams[first.path].read(SAMPLE_BYTES)
    with inputs.open(first.path) as file:
        pieces = unpack(read_pieces(file, first.name, _PIECE_BYTES), first.path)
        if first.member is not None:
            archive = members(pieces, first.name)
            member, content = next(archive)
            return _taken(without_mark(unpack(content, member)))
        return _taken(without_mark(pieces))


def _taken(pieces: Pieces) -> bytes:
    """Up to the sample's size, or to where the input is damaged."""
    taken = b""
    try:
        while len(taken) < SAMPLE_BYTES and (piece := next(pieces, b"")):
            taken += piece
    except DamageError:
        if not taken:
            raise
    return taken


def _parquet(first: Partition, inputs: Inputs) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from crossfoot.sources.tables import table_to_lines

    try:
        with inputs.open(first.path) as file:
            batch = next(pq.ParquetFile(file).iter_batches(batch_size=_PARQUET_ROWS), None)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{first.name} cannot be read as Parquet: {error}", "check the file") from error
    return b"" if batch is None else table_to_lines(pa.Table.from_batches([batch]))
