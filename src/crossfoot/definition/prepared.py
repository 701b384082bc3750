"""The prepared form between our own services: what its events say of themselves, and how they are read."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from crossfoot.definition.expression import Literal, Path
from crossfoot.definition.model import Definition, EventSpec, Field, IdSpec, RawPath, TimeSpec, TimeUnit
from crossfoot.definition.text import render

HASH_BYTES = 16


def prepared_hash(definition: Definition) -> str:
    """32 hex digits: what preparing makes of a record. Not of received times, acceptance, metrics or addresses."""
    explode = definition.preprocess.explode if definition.preprocess else None
    return _hash(definition.namespace, definition.event, explode)


def marks(definition: Definition) -> dict[str, str]:
    """What each event of this definition says of itself: `source` and `definition`."""
    return {"source": f"crossfoot:{definition.namespace}", "definition": prepared_hash(definition)}


def guard(definition: Definition) -> tuple[tuple[RawPath, str], ...]:
    """Texts that an event must hold to be one of this definition; none where records are prepared here."""
    if definition.format.name != "prepared":
        return ()
    return tuple(((name,), text) for name, text in sorted(marks(definition).items()))


def reading(definition: Definition, unit: TimeUnit = "iso") -> EventSpec:
    """How the definition's sources are read: as its event says, or for prepared events as the form says.

    `unit` is that of the times of prepared events: texts in a single, microseconds in a block.
    """
    return _reading(definition.event, unit) if definition.format.name == "prepared" else definition.event


def made(event: EventSpec, explode: RawPath | None) -> dict[str, Any]:
    """How events are made, without their fields."""
    time = event.time
    return {
        "time": [list(time.path), time.unit, time.pattern, time.zone],
        "id": [event.id.kind, [list(path) for path in event.id.paths]],
        "where": None if event.where is None else render(event.where),
        "explode": None if explode is None else list(explode),
    }


def made_field(field: Field) -> list[Any]:
    """How a field's value is made."""
    default = None if field.default is None else render(Literal(field.default))
    return [field.name, render(field.expression), field.type.name, field.type.scale, default]


@lru_cache(maxsize=64)
def _hash(namespace: str, event: EventSpec, explode: RawPath | None) -> str:
    said = made(event, explode) | {"namespace": namespace, "fields": [made_field(field) for field in event.fields]}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).hexdigest()


@lru_cache(maxsize=64)
def _reading(event: EventSpec, unit: TimeUnit) -> EventSpec:
    return EventSpec(
        time=TimeSpec(("time",), unit),
        id=IdSpec("uuid", (("id",),)),
        received=TimeSpec(("received",), unit),
        where=event.where,
        fields=tuple(Field(field.name, Path(("data", field.name)), field.type) for field in event.fields),
    )
