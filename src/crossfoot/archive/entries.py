"""What an engine is given, as the archive's journal holds it until it is sealed: one entry for each call."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from crossfoot.errors import StoreError

BLOCK, LINES, LINE, SKIP, JOIN, HEARTBEAT, FINISH, TIMES, SWITCH = (
    "block",
    "lines",
    "line",
    "skip",
    "join",
    "heartbeat",
    "finish",
    "times",
    "switch",
)
"""Records at positions; whole lines; the beginning of a line that is too long; and inputs that are no records. `times`
ends what an epoch has of a partition: the t of each of its records. `switch`: another generation came into force."""
PIECE_BYTES = 16 << 20
"""A larger entry lies in several records of the journal."""
_LAST, _MORE = b"\x00", b"\x01"
_SIZE = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Entry:
    """One input of an epoch. `position`: where a skip leads to, or the ordinal of the first record of `times`."""

    kind: str
    epoch: int
    partition: str = ""
    source: str = ""
    clock_us: int | None = None
    t_us: int | None = None
    position: int | None = None
    length: int | None = None
    text: str | None = None
    """The identity of a partition that joins, the state of one that is finished."""
    columns: tuple[bytes, ...] = ()

    def encode(self) -> list[bytes]:
        """As records of the journal."""
        fields = {name: value for name, value in asdict(self).items() if name != "columns" and value not in (None, "")}
        head = json.dumps([fields, [len(column) for column in self.columns]]).encode()
        whole = b"".join((_SIZE.pack(len(head)), head, *self.columns))
        pieces = [whole[at : at + PIECE_BYTES] for at in range(0, len(whole), PIECE_BYTES)]
        return [_MORE + piece for piece in pieces[:-1]] + [_LAST + pieces[-1]]


def decode(records: Iterable[bytes]) -> Iterator[Entry]:
    """The entries of records of the journal; what is not whole was never committed."""
    pieces: list[bytes] = []
    for record in records:
        pieces.append(record[1:])
        if record[:1] == _LAST:
            yield _entry(b"".join(pieces))
            pieces = []


def epoch_of(record: bytes) -> int:
    """The epoch of the entry that begins with a record of the journal."""
    (size,) = _SIZE.unpack_from(record, 1)
    at = 1 + _SIZE.size
    return int(json.loads(record[at : at + size])[0]["epoch"])


def _entry(data: bytes) -> Entry:
    try:
        (size,) = _SIZE.unpack_from(data)
        at = _SIZE.size + size
        fields, sizes = json.loads(data[_SIZE.size : at])
        columns = []
        for length in sizes:
            columns.append(data[at : at + length])
            at += length
        return Entry(**fields, columns=tuple(columns))
    except (struct.error, ValueError, TypeError) as error:
        hint = "it was written by another version: seal it with that one"
        raise StoreError(f"the archive's journal holds what cannot be read: {error}", hint) from error
