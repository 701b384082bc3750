"""Blocks of prepared events -> the raw values of each, as those of a single would be; times in microseconds.

A block is one record: an Arrow stream, whose schema says by its metadata whose events they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crossfoot.definition.model import Definition, Field, FieldType
from crossfoot.definition.number import JSON_NUMBER, NumberLiteral
from crossfoot.definition.prepared import marks
from crossfoot.prepare.decode import Malformed, Raw, RawValue
from crossfoot.prepare.invalid import Invalid

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_EVENTS_MAX = 1 << 16
BLOCK_RAW_FACTOR = 16
"""The values of a block take at most this many times ``limits.record_bytes_max``."""

_BEGINS = b"\xff"
_ENDS = b"\xff\xff\xff\xff\0\0\0\0"
_FORM = (b"crossfoot.form", b"prepared")
_SCALE = b"scale"
_NO_VALUE: RawValue = {}
"""Stands where a literal is none: of no declared type."""
_NOT_FINITE = NumberLiteral("1e999")


def is_block(data: bytes) -> bool:
    """A single begins with a brace."""
    return data[:1] == _BEGINS


def events_of(data: bytes, definition: Definition) -> list[Raw]:
    """The events; Malformed where the block is damaged, Invalid where its events are another definition's."""
    if len(data) > definition.limits.record_bytes_max:
        raise Malformed("size")
    table = _table(data, definition)
    if table.num_rows > BLOCK_EVENTS_MAX or table.nbytes > BLOCK_RAW_FACTOR * definition.limits.record_bytes_max:
        raise Malformed("size")
    return list(_events(table, definition))


def _table(data: bytes, definition: Definition) -> pa.Table:
    import pyarrow as pa

    try:
        stream = pa.BufferReader(data)
        reader = pa.ipc.open_stream(stream)
        _check_schema(reader.schema, definition)
        table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Malformed("syntax") from error
    if stream.tell() != len(data) or not data.endswith(_ENDS):
        raise Malformed("syntax")
    return table


def _check_schema(schema: pa.Schema, definition: Definition) -> None:
    said: Mapping[bytes, bytes] = schema.metadata or {}
    if said.get(_FORM[0]) != _FORM[1]:
        raise Malformed("syntax")
    if any(said.get(name.encode()) != text.encode() for name, text in marks(definition).items()):
        raise Invalid("definition")
    found = [(field.name, field.type, (field.metadata or {}).get(_SCALE)) for field in schema]
    if found != list(_columns(definition)):
        raise Malformed("syntax")


def _columns(definition: Definition) -> Iterator[tuple[str, pa.DataType, bytes | None]]:
    """Name, type and what is said of the scale."""
    import pyarrow as pa

    instant = pa.timestamp("us", "UTC")
    yield from [("id", pa.binary(16), None), ("time", instant, None), ("received", instant, None)]
    yield from [("offset", pa.int64(), None), ("element", pa.int32(), None), ("attempt", pa.int32(), None)]
    whole = pa.int64()
    types = {"integer": whole, "decimal": whole, "boolean": pa.bool_(), "float": pa.float64()}
    for field in definition.event.fields:
        scale = str(field.type.scale).encode() if field.type.name == "decimal" else None
        yield f"data.{field.name}", types.get(field.type.name, pa.string()), scale


def _events(table: pa.Table, definition: Definition) -> Iterator[Raw]:
    import pyarrow as pa

    same = marks(definition)
    times = [_numbers(table[name].cast(pa.int64()).to_pylist()) for name in ("time", "received")]
    data = [_values(table[f"data.{field.name}"].to_pylist(), field) for field in definition.event.fields]
    names = [field.name for field in definition.event.fields]
    ids = table["id"].to_pylist()
    for row, (made, time, received) in enumerate(zip(ids, *times, strict=True)):
        uuid = None if made is None else str(UUID(bytes=made))
        values = {name: column[row] for name, column in zip(names, data, strict=True)}
        yield {**same, "id": uuid, "time": time, "received": received, "data": values}


def _numbers(values: list[int | None]) -> list[RawValue]:
    return [None if value is None else NumberLiteral(str(value)) for value in values]


def _values(values: list[Any], field: Field) -> list[RawValue]:
    reads: dict[str, Callable[[Any], RawValue]] = {
        "integer": lambda value: NumberLiteral(str(value)),
        "decimal": lambda value: _decimal(value, field.type),
        "float": lambda value: NumberLiteral(repr(value)) if math.isfinite(value) else _NOT_FINITE,
        "any": _literal,
    }
    read = reads.get(field.type.name, lambda value: value)
    return [None if value is None else read(value) for value in values]


def _decimal(value: int, kind: FieldType) -> RawValue:
    return NumberLiteral(f"{Decimal(value).scaleb(-kind.scale):f}")


def _literal(text: str) -> RawValue:
    """What a JSON literal means; lists and objects are no values."""
    words = {"null": None, "true": True, "false": False}
    if text in words:
        return words[text]
    if JSON_NUMBER.fullmatch(text):
        return NumberLiteral(text)
    try:
        value = json.loads(text) if text[:1] == text[-1:] == '"' else _NO_VALUE
        return value if isinstance(value, str) and value.encode() is not None else _NO_VALUE
    except ValueError:
        return _NO_VALUE
