"""The types of fields and conditions."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from decimal import Decimal

from crossfoot.definition.expression import Expression, FieldRef, Path, Reference, references
from crossfoot.definition.findings import At, Finding, nearest, say_at
from crossfoot.definition.model import Field, FieldType
from crossfoot.definition.names import render_path, render_type
from crossfoot.definition.number import SCALE_MAX, fits, scaled_by
from crossfoot.definition.text import render
from crossfoot.definition.types import (
    ACCEPTED,
    ANYTHING,
    BOOLEAN,
    DECLARED,
    TEXT,
    Kinds,
    KindsOf,
    TypeMismatchError,
    infer,
    say,
)


def field_findings(fields: Iterable[Field], *, untyped: bool) -> Iterator[Finding]:
    """Fields whose type, expression or default do not go together."""
    for field in fields:
        at: At = ("event", "fields", field.name)
        if field.type.name not in DECLARED or not 0 <= field.type.scale <= SCALE_MAX:
            yield Finding("CF1108", (*at, "type"), render_type(field.type))
            continue
        yield from _expression_findings(at, field, TEXT if untyped else ANYTHING)
        if field.default is not None and not _is_of(field.default, field.type):
            values = {"name": field.name, "type": render_type(field.type)}
            yield Finding("CF1116", (*at, "default"), str(field.default), values)


def _expression_findings(at: At, field: Field, raw: Kinds) -> Iterator[Finding]:
    named = [node.name for node in references(field.expression) if isinstance(node, FieldRef)]
    if named:
        yield Finding("CF1216", at, named[0])
        return
    found = yield from _inferred(at, field.expression, lambda _: raw)
    direct = isinstance(field.expression, Path)
    if found and not direct and not found & ACCEPTED[field.type.name]:
        values = {"name": field.name, "type": render_type(field.type), "found": say(found)}
        yield Finding("CF1212", at, render(field.expression), values)


def _inferred(at: At, node: Expression, kinds_of: KindsOf) -> Generator[Finding, None, Kinds | None]:
    try:
        return infer(node, kinds_of)
    except TypeMismatchError as error:
        yield Finding("CF1208", at, render(error.node), {"problem": error.message})
        return None


def where_findings(at: At, where: Expression | None, declared: Mapping[str, Field]) -> Iterator[Finding]:
    """A condition that names unknown fields, mixes types, or is none."""
    if where is None:
        return
    unknown = list(_unknown(at, where, declared))
    yield from unknown
    if unknown:
        return

    def kinds_of(reference: Reference) -> Kinds:
        assert isinstance(reference, FieldRef)
        return DECLARED.get(declared[reference.name].type.name, ANYTHING)

    found = yield from _inferred(at, where, kinds_of)
    if found and not found & BOOLEAN:
        yield Finding("CF1211", at, render(where), {"found": say(found)})


def _unknown(at: At, where: Expression, declared: Mapping[str, Field]) -> Iterator[Finding]:
    for reference in dict.fromkeys(references(where)):
        if isinstance(reference, Path):
            text = render_path(reference.parts)
            yield Finding("CF1210", at, text, {"name": reference.parts[-1]})
        elif reference.name not in declared:
            yield unknown_field(at, reference.name, declared)


def unknown_field(at: At, name: str, declared: Mapping[str, Field]) -> Finding:
    """A name that is no declared field."""
    return Finding("CF1301", at, name, {"place": say_at(at)}, nearest(name, declared))


def _is_of(value: object, declared: FieldType) -> bool:
    """Whether a default is a value of the type."""
    if declared.name == "any":
        return isinstance(value, str | bool) or (isinstance(value, int) and fits(value))
    if declared.name == "decimal":
        is_decimal = isinstance(value, Decimal) and value.is_finite() and value.as_tuple().exponent == -declared.scale
        return is_decimal and isinstance(value, Decimal) and fits(scaled_by(value, declared.scale))
    if declared.name == "integer":
        return isinstance(value, int) and not isinstance(value, bool) and fits(value)
    if declared.name == "float":
        return isinstance(value, float) and value - value == 0
    return isinstance(value, str if declared.name == "text" else bool)
