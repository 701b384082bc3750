"""What a message of the intermediate topic says of itself: read cheaply, without its events' values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from crossfoot.prepare.wire import time_text
from crossfoot.services.group.output import Refused

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}").fullmatch
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z").fullmatch
_FORM = b"prepared"
_BLOCK_BEGINS = b"\xff"
_COLUMNS = ("id", "time", "offset", "element")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What every message has to say: who prepared it."""

    source: str
    definition: str


@dataclass(frozen=True, slots=True)
class Head:
    """A message of the prepared form: `id` is the event's uuid, or the block's id; times and offset as texts.

    `offset` is where its first event was prepared from.
    """

    id: str
    events: int
    time_min: str
    time_max: str
    offset: str
    is_block: bool = False


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a message cannot be passed on: the account and reason under which it is a dead letter."""

    account: Literal["malformed", "invalid"]
    reason: str
    part: str = "message"

    def letter(self, offset: int, value: bytes) -> Refused:
        """The dead letter."""
        return Refused(self.account, self.reason, self.part, offset, None, value)


FORM = Unfit("malformed", "form")
DEFINITION = Unfit("invalid", "definition", "definition")
SIZE = Unfit("malformed", "size")
REFUSED = Unfit("invalid", "refused")


class _Single(msgspec.Struct, gc=False):
    specversion: Literal["1.0"]
    id: str
    source: str
    type: Literal["crossfoot.prepared"]
    time: str
    received: str
    definition: str
    topic: str
    partition: int
    offset: str
    attempt: int
    data: msgspec.Raw


_DECODE = msgspec.json.Decoder(_Single).decode


def head_of(value: bytes, wanted: Wanted) -> Head | Unfit:
    """The head of a message; `Unfit` where it has another form, or another definition prepared it."""
    return _block(value, wanted) if value[:1] == _BLOCK_BEGINS else _single(value, wanted)


def _single(value: bytes, wanted: Wanted) -> Head | Unfit:
    try:
        said = _DECODE(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return FORM
    if not (_UUID(said.id) and _TIME(said.time) and _TIME(said.received) and bytes(said.data)[:1] == b"{"):
        return FORM
    if said.definition != wanted.definition or said.source != wanted.source:
        return DEFINITION
    return Head(said.id, 1, said.time, said.time, said.offset)


def _block(value: bytes, wanted: Wanted) -> Head | Unfit:
    import pyarrow as pa

    try:
        schema = pa.ipc.open_stream(value).schema
        said: dict[bytes, bytes] = schema.metadata or {}
        if said.get(b"crossfoot.form") != _FORM:
            return FORM
        if (said.get(b"definition"), said.get(b"source")) != (wanted.definition.encode(), wanted.source.encode()):
            return DEFINITION
        options = pa.ipc.IpcReadOptions(included_fields=[schema.names.index(name) for name in _COLUMNS])
        table = pa.ipc.open_stream(value, options=options).read_all()
        return _head_of_block(table, said[b"topic"].decode(), int(said[b"partition"]))
    except (pa.ArrowException, ValueError, KeyError, OSError):
        return FORM


def _head_of_block(table: Any, topic: str, partition: int) -> Head | Unfit:
    import pyarrow.compute as pc

    events = table.num_rows
    if not events or table["time"].null_count or table["offset"].null_count:
        return FORM
    times = pc.min_max(table["time"].cast("int64")).as_py()
    first = _place(table, 0)
    block = block_id(topic, partition, first, _place(table, events - 1), events)
    return Head(block, events, time_text(times["min"]), time_text(times["max"]), str(first[0]), is_block=True)


def _place(table: Any, row: int) -> tuple[int, int | None]:
    return table["offset"][row].as_py(), table["element"][row].as_py()


Place = tuple[int, int | None]


def block_id(topic: str, partition: int, first: Place, last: Place, events: int) -> str:
    """The id of a block: the same whenever the same events are made into a block again."""
    said = json.dumps([topic, partition, list(first), list(last), events], ensure_ascii=False, separators=(",", ":"))
    return blake2b(said.encode(), digest_size=16).hexdigest()
