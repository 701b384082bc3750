"""One record -> an event, or the account it ends in before clocks and memory are asked (semantics section 5).

The order: malformed; filtered; invalid by time, received, id, then the declared fields in their order. The fields that
`where` names are checked first, since it needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from crossfoot import identity
from crossfoot.definition.compile import namespace_key
from crossfoot.definition.evaluate import EvalError, evaluate
from crossfoot.definition.expression import Expression, FieldRef, Reference, references
from crossfoot.definition.model import Definition, EventSpec, Format
from crossfoot.event import Account, Event, Prepared, Record, Refusal, Value
from crossfoot.prepare.decode import Malformed, Raw, decode
from crossfoot.prepare.fields import field_value, look_up
from crossfoot.prepare.invalid import Invalid
from crossfoot.prepare.times import read_time


class _Refused(Exception):  # noqa: N818 - an account; it never leaves this module
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


def prepare(record: Record, definition: Definition, now_us: int) -> Prepared:
    """The pure step: the record, the definition and the reading clock decide, nothing else."""
    form = definition.source.format if definition.source else Format()
    try:
        raw = decode(record.data, form, definition.limits)
        return _event(raw, record, definition, now_us)
    except Malformed as malformed:
        return Refusal(Account.MALFORMED, malformed.reason)
    except _Refused as refused:
        return refused.refusal


def _event(raw: Raw, record: Record, definition: Definition, now_us: int) -> Event:
    spec, accept = definition.event, definition.accept
    untyped = definition.source is not None and definition.source.format.untyped
    values: dict[str, Value] = {}
    for field in spec.fields:
        if field.name in _named_by_where(spec):
            with _part(field.name):
                values[field.name] = field_value(field, raw, untyped)
    _filter(spec, values)
    with _part("time"):
        event_us = read_time(look_up(raw, spec.time.path), spec.time, untyped)
        _in_range(event_us, accept.not_before_us, accept.not_after_us)
    stamp_us = None
    if spec.received is not None:
        with _part("received"):
            stamp_us = read_time(look_up(raw, spec.received.path), spec.received, untyped)
            if stamp_us > now_us + accept.future_us:
                raise Invalid("stamp")
    key = namespace_key(definition.namespace)
    with _part("id"):
        uuid = _uuid(key, spec, raw, record)
    for field in spec.fields:
        if field.name not in values:
            with _part(field.name):
                values[field.name] = field_value(field, raw, untyped)
    declared = {field.name: values[field.name] for field in spec.fields}
    return Event(uuid, event_us, stamp_us, declared, identity.content_digest(key, tuple(declared.values())))


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


def _uuid(key: bytes, spec: EventSpec, raw: Raw, record: Record) -> int:
    if spec.id.kind == "position":
        return identity.position_uuid(key, record.partition, record.ordinal)
    return identity.event_uuid(key, spec.id, [look_up(raw, path) for path in spec.id.paths])
