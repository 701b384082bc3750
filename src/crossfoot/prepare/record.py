"""One record -> its event or events, or the account it ends in before clocks and memory are asked.

The order: malformed; filtered; invalid by time, received, id, then the declared fields in their order. The fields that
`where` names are checked first, since it needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from crossfoot import identity
from crossfoot.definition.compile import namespace_key, stamps_of
from crossfoot.definition.evaluate import EvalError, evaluate
from crossfoot.definition.explode import NoListError, elements, has_own_id
from crossfoot.definition.expression import Expression, FieldRef, Reference, references
from crossfoot.definition.model import Definition, EventSpec, IdSpec, TimeSpec
from crossfoot.definition.prepared import guard, reading
from crossfoot.event import Account, Event, Prepared, Record, Refusal, Value
from crossfoot.prepare.blocks import events_of, is_block
from crossfoot.prepare.decode import Malformed, Raw, decode
from crossfoot.prepare.fields import field_value, look_up
from crossfoot.prepare.invalid import Invalid
from crossfoot.prepare.times import read_time


class _Refused(Exception):  # noqa: N818 - an account; it never leaves this module
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


def prepare(record: Record, definition: Definition, now_us: int) -> Refusal | tuple[Prepared, ...]:
    """The pure step: the record, the definition and the reading clock decide, nothing else.

    The whole record is refused; or it is one event or refusal; where the definition explodes, one for each element.
    """
    if definition.format.name == "prepared" and is_block(record.data):
        return _of_block(record, definition, now_us)
    try:
        parts = elements(decode(record.data, definition.format, definition.limits), definition.explode)
    except Malformed as malformed:
        return Refusal(Account.MALFORMED, malformed.reason)
    except NoListError:
        return Refusal(Account.INVALID, "type", "explode")
    if not parts:
        return Refusal(Account.FILTERED, "empty")
    spec = reading(definition)
    return tuple([_prepared(raw, spec, record, definition, (now_us, place)) for place, raw in enumerate(parts)])


def _of_block(record: Record, definition: Definition, now_us: int) -> Refusal | tuple[Prepared, ...]:
    """A record that holds many events: each is one by itself."""
    try:
        events = events_of(record.data, definition)
    except Malformed as malformed:
        return Refusal(Account.MALFORMED, malformed.reason)
    except Invalid as invalid:
        return Refusal(Account.INVALID, invalid.reason, "definition")
    if not events:
        return Refusal(Account.FILTERED, "empty")
    spec = reading(definition, "us")
    return tuple([_prepared(raw, spec, record, definition, (now_us, place)) for place, raw in enumerate(events)])


def _prepared(raw: Raw, spec: EventSpec, record: Record, definition: Definition, at: tuple[int, int]) -> Prepared:
    try:
        return _event(raw, spec, record, definition, at)
    except _Refused as refused:
        return refused.refusal


def _event(raw: Raw, spec: EventSpec, record: Record, definition: Definition, at: tuple[int, int]) -> Event:
    """`at` is the reading clock and the place in a list."""
    now_us, place = at
    accept, untyped = definition.accept, definition.format.untyped
    with _part("definition"):
        if any(look_up(raw, path) != text for path, text in guard(definition)):
            raise Invalid("definition")
    values: dict[str, Value] = {}
    for field in spec.fields:
        if field.name in _named_by_where(spec):
            with _part(field.name):
                values[field.name] = field_value(field, raw, untyped)
    _filter(spec, values)
    with _part("time"):
        event_us = read_time(look_up(raw, spec.time.path), spec.time, untyped)
        _in_range(event_us, accept.not_before_us, accept.not_after_us)
    with _part("received"):
        stamp_us, received_us = _stamps(raw, spec, record, definition)
        if max(stamp_us or 0, received_us or 0) > now_us + accept.future_us:
            raise Invalid("stamp")
    key = namespace_key(definition.namespace)
    with _part("id"):
        uuid = _uuid(key, spec.id, raw, record)
    if definition.explode is not None and not has_own_id(spec.id, definition.explode):
        uuid = identity.element_uuid(key, uuid, place)
    for field in spec.fields:
        if field.name not in values:
            with _part(field.name):
                values[field.name] = field_value(field, raw, untyped)
    declared = {field.name: values[field.name] for field in spec.fields}
    digest = identity.content_digest(key, tuple(declared.values()))
    return Event(uuid, event_us, stamp_us, declared, digest, received_us)


def _stamps(raw: Raw, spec: EventSpec, record: Record, definition: Definition) -> tuple[int | None, int | None]:
    """The stamp that moves t, and the received time where it was carried: each beside the record, or in a field."""
    place, stamps = spec.received, stamps_of(definition.event.received)
    if stamps == "none":
        return None, None
    if stamps != "field" and record.stamp_us is None:
        raise Invalid("missing")
    if isinstance(place, TimeSpec):
        read_us = read_time(look_up(raw, place.path), place, definition.format.untyped)
        return (read_us, None) if stamps == "field" else (record.stamp_us, read_us)
    if stamps == "carried" and record.received_us is None:
        raise Invalid("missing")
    return record.stamp_us, record.received_us if stamps == "carried" else None


@contextmanager
def _part(name: str) -> Iterator[None]:
    """What is read inside is this part of the event: without it, the record is invalid."""
    try:
        yield
    except (Invalid, identity.IdError) as error:
        raise _Refused(Refusal(Account.INVALID, error.reason, name)) from error


def _named_by_where(spec: EventSpec) -> frozenset[str]:
    named = references(spec.where) if spec.where is not None else ()
    return frozenset(node.name for node in named if isinstance(node, FieldRef))


def _filter(spec: EventSpec, values: Mapping[str, Value]) -> None:
    """Refuse what the definition's `where` is not true for: false and null are `filtered`, an error is invalid."""
    if spec.where is None:
        return
    verdict = truth(spec.where, values)
    if isinstance(verdict, EvalError):
        raise _Refused(Refusal(Account.INVALID, verdict.reason, "where"))
    if verdict is not True:
        raise _Refused(Refusal(Account.FILTERED))


def truth(condition: Expression, values: Mapping[str, Value]) -> bool | None | EvalError:
    """A condition over declared fields: true, false, null, or an error (also where it is no condition at all)."""

    def get(reference: Reference) -> Value:
        assert isinstance(reference, FieldRef)
        return values[reference.name]

    value = evaluate(condition, get)
    return value if value is None or isinstance(value, bool | EvalError) else EvalError("type")


def _in_range(event_us: int, not_before_us: int | None, not_after_us: int | None) -> None:
    too_early = not_before_us is not None and event_us < not_before_us
    if too_early or (not_after_us is not None and event_us > not_after_us):
        raise Invalid("range")


def _uuid(key: bytes, spec: IdSpec, raw: Raw, record: Record) -> int:
    if spec.kind == "position":
        return identity.position_uuid(key, record.partition, record.ordinal)
    return identity.event_uuid(key, spec, [look_up(raw, path) for path in spec.paths])
