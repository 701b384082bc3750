"""Partitions -> chunks of records from where the store stands, once it is sure that it stands in the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain
from typing import IO

from crossfoot import _core
from crossfoot.definition.model import Definition
from crossfoot.definition.paths import wanted_paths
from crossfoot.errors import DataError
from crossfoot.settings import Settings
from crossfoot.sources.files import Inputs
from crossfoot.sources.lines import TAIL_BYTES, Chunk, LineCutter
from crossfoot.sources.partition import Partition, Position, check_head, gone_on, rewritten, truncated
from crossfoot.sources.streams import (
    BYTE_ORDER_MARK,
    DamageError,
    Pieces,
    is_packed,
    members,
    read_pieces,
    skip,
    stream_pieces,
    unpack,
    unreadable,
    without_mark,
)

Positions = Mapping[str, Position]
Opened = tuple[Partition, Iterator[Chunk]]


@dataclass(frozen=True, slots=True)
class Reading:
    """How inputs are read: their format, the columns that a table needs, and sizes in bytes."""

    format: str
    columns: tuple[str, ...]
    record_bytes_max: int
    block_bytes: int
    tail_hash: Callable[[bytes], int]
    digest: Callable[[bytes, int], int]

    @property
    def form(self) -> str:
        """What the counted bytes depend on beside the input's own: of a table the columns; empty: of lines nothing."""
        is_table = self.format in ("csv", "parquet")
        return blake2b(repr(self.columns).encode(), digest_size=4).hexdigest() if is_table else ""


def reading_of(definition: Definition, settings: Settings) -> Reading:
    """How a definition's files are read by this process."""
    return Reading(
        format=definition.format.name,
        columns=tuple(dict.fromkeys(path[0] for path in wanted_paths(definition.event))),
        record_bytes_max=definition.limits.record_bytes_max,
        block_bytes=settings.block_bytes,
        tail_hash=_core.tail_hash,
        digest=_core.crc32c,
    )


def read_group(
    inputs: Inputs, group: tuple[Partition, ...], positions: Positions, reading: Reading
) -> Iterator[Opened]:
    """The partitions of one file, each with its chunks; one is read before the next is asked for."""
    first = group[0]
    if first.path in inputs.streams:
        file = inputs.streams[first.path]
        pieces: Pieces = chain([first.head], stream_pieces(file, first.name, reading.block_bytes, inputs.stop))
        # What has come waits for nothing.
        yield first, _of_pieces(pieces, first, positions.get(first.name), replace(reading, block_bytes=1))
        return
    try:
        with inputs.open(first.path) as file:
            if first.member is not None:
                yield from _of_archive(file, inputs, group, positions, reading)
                return
            pieces = unpack(_counted(file, first.name, inputs, reading.block_bytes), first.name)
            position = positions.get(first.name)
            if reading.format == "parquet" and not is_packed(first.path):
                from crossfoot.sources.tables import parquet_chunks

                yield first, parquet_chunks(file, first, position, reading)
            elif position and _may_seek(first, position, reading):
                passed, tail = _pass_over(file, first, position, reading)
                inputs.read_bytes += passed
                yield first, _cut(_behind(tail, pieces, first, position), reading)
            else:
                yield first, _of_pieces(pieces, first, position, reading)
    except OSError as error:
        raise unreadable(first.name, error) from error


def _may_seek(partition: Partition, position: Position, reading: Reading) -> bool:
    """Whether what was counted need not be read again: plain lines of a file that grew, or was left alone."""
    if reading.format == "csv" or is_packed(partition.path):
        return False
    if partition.state is None or position.digest is None:
        return True
    return position.is_of(partition.state) and not position.may_hide_changes(partition.state)


def _of_archive(
    file: IO[bytes], inputs: Inputs, group: tuple[Partition, ...], positions: Positions, reading: Reading
) -> Iterator[Opened]:
    wanted = {partition.member: partition for partition in group}
    name = group[0].name.removesuffix(f"!{group[0].member}")
    pieces = unpack(_counted(file, name, inputs, reading.block_bytes), name)
    for member, content in members(pieces, name):
        if partition := wanted.get(member):
            plain = unpack(content, member)
            yield partition, _of_pieces(plain, partition, positions.get(partition.name), reading)


def _counted(file: IO[bytes], name: str, inputs: Inputs, piece_bytes: int) -> Pieces:
    """The pieces of a file; how far it was read is told to the inputs, for progress."""
    for piece in read_pieces(file, name, piece_bytes):
        inputs.read_bytes += len(piece)
        yield piece


def look_again(inputs: Inputs, positions: Positions, reading: Reading) -> dict[str, bool]:
    """For each partition that the store knows: whether it has more than was counted. Damaged ones are left out."""
    found: dict[str, bool] = {}
    for group in inputs.groups:
        found |= {partition.name: False for partition in group if partition.unread}
        known = tuple(partition for partition in group if partition.name in positions and not partition.unread)
        for partition in known:
            check_head(partition, positions[partition.name])
        if any(partition.stream for partition in known):
            found |= {partition.name: True for partition in known}
        elif known:
            _look(inputs, known, positions, reading, found)
    return found


def _look(
    inputs: Inputs, known: tuple[Partition, ...], positions: Positions, reading: Reading, found: dict[str, bool]
) -> None:
    try:
        for partition, chunks in read_group(inputs, known, positions, reading):
            found[partition.name] = next(chunks, None) is not None
    except DamageError:
        return  # named when the group is read


def _pass_over(file: IO[bytes], partition: Partition, position: Position, reading: Reading) -> tuple[int, bytes]:
    """A plain file is not read again from its beginning. How many bytes were passed over, and the last of them."""
    mark = len(BYTE_ORDER_MARK) if file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK else 0
    length = file.seek(0, os.SEEK_END) - mark
    if length < position.bytes:
        raise truncated(partition.name, length, position)
    file.seek(mark + position.bytes - position.tail[0])
    tail = file.read(position.tail[0])
    _check_tail(tail, partition, position, reading)
    return mark + position.bytes, tail


def _behind(tail: bytes, pieces: Pieces, partition: Partition, position: Position) -> Pieces:
    """What follows what was counted must begin a line."""
    first = next(pieces, b"")
    if first and tail and tail[-1:] != b"\n" and first[:1] not in b"\r\n":
        raise gone_on(partition.name, position)
    yield first
    yield from pieces


def _of_pieces(pieces: Pieces, partition: Partition, position: Position | None, reading: Reading) -> Iterator[Chunk]:
    if reading.format == "parquet":
        raise DataError(f"{partition.name} is packed or a stream", "parquet is read from plain files: unpack it first")
    if reading.format == "csv":
        from crossfoot.sources.tables import csv_chunks

        return csv_chunks(without_mark(pieces), partition, position, reading)
    return _lines(without_mark(pieces), partition, position, reading)


def _lines(pieces: Pieces, partition: Partition, position: Position | None, reading: Reading) -> Iterator[Chunk]:
    if position is not None:
        passed, tail, digest, pieces = skip(pieces, position.bytes, TAIL_BYTES, reading.digest)
        if passed < position.bytes:
            raise truncated(partition.name, passed, position)
        _check_tail(tail[len(tail) - position.tail[0] :], partition, position, reading)
        if position.digest not in (None, digest):
            raise rewritten(partition.name, position)
        pieces = _behind(tail, pieces, partition, position)
    yield from _cut(pieces, reading)


def _check_tail(tail: bytes, partition: Partition, position: Position, reading: Reading) -> None:
    length, digest = position.tail
    if length and (len(tail) != length or reading.tail_hash(tail) != digest):
        raise rewritten(partition.name, position)


def _cut(pieces: Pieces, reading: Reading) -> Iterator[Chunk]:
    cutter = LineCutter(reading.record_bytes_max, reading.block_bytes)
    try:
        for piece in pieces:
            yield from cutter.push(piece)
    except DamageError:
        yield from cutter.broken_off()
        raise
    yield from cutter.end()
