"""The prepared form: one event as a CloudEvent in structured JSON, the same bytes on every engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from crossfoot.definition.model import Field
from crossfoot.event import Event, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where an event comes from; `element` is its place in a record that was exploded."""

    topic: str
    partition: int
    offset: int
    element: int | None = None
    attempt: int = 1


def single(event: Event, received_us: int, fields: Sequence[Field], context: tuple[str, str, Lineage]) -> bytes:
    """The message of one event; `context` is the namespace, the definition's hash and the lineage."""
    namespace, definition, lineage = context
    parts = {
        "specversion": _text("1.0"),
        "id": _text(str(UUID(int=event.uuid))),
        "source": _text(f"crossfoot:{namespace}"),
        "type": _text("crossfoot.prepared"),
        "time": _text(time_text(event.event_us)),
        "received": _text(time_text(received_us)),
        "definition": _text(definition),
        "topic": _text(lineage.topic),
        "partition": str(lineage.partition),
        "offset": _text(str(lineage.offset)),
        **({} if lineage.element is None else {"element": str(lineage.element)}),
        "attempt": str(lineage.attempt),
        "datacontenttype": _text("application/json"),
        "data": _object({field.name: literal(event.values[field.name]) for field in fields}),
    }
    return _object(parts).encode()


def time_text(at_us: int) -> str:
    """RFC 3339, UTC, six digits of the second."""
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)


def literal(value: Value) -> str:
    """A declared field's value as JSON that reads back as the same value of the same type."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return _shortest(value)
    return json.dumps(value, ensure_ascii=False)


def _shortest(value: float) -> str:
    """The shortest digits that read back equal; an exponent from 1e16 on and below 1e-5."""
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return mantissa
    return f"{Decimal(mantissa).scaleb(-5):f}" if int(exponent) == -5 else f"{mantissa}e{int(exponent):+d}"


def key_text(uuid: int | None, value: Value) -> bytes | None:
    """The key of a message: the uuid, or a declared field as text; none for null and for an empty text."""
    if uuid is not None:
        return str(UUID(int=uuid)).encode()
    if value is None:
        return None
    return (value if isinstance(value, str) else literal(value)).encode() or None


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _object(parts: dict[str, str]) -> str:
    return "{" + ",".join(f"{_text(name)}:{part}" for name, part in parts.items()) + "}"
