"""A definition as the native core reads it: one JSON text with every name resolved to an index.

The keys are those of `crates/core/src/plan.rs`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from crossfoot.definition.explode import has_own_id
from crossfoot.definition.expression import Expression, FieldRef, Literal, Path, Reference, references, to_json
from crossfoot.definition.model import (
    Definition,
    Field,
    Grain,
    IdSpec,
    Measure,
    Metric,
    RawPath,
    Received,
    Stamps,
    TimeSpec,
)
from crossfoot.definition.paths import wanted_paths
from crossfoot.definition.patterns import core_pattern
from crossfoot.definition.prepared import guard, made, made_field, reading
from crossfoot.definition.zones import tzdata_version, zone_rules

PLAN_FORMAT = 1


def compile_plan(definition: Definition) -> str:
    """The plan of a definition, as JSON. Zones travel with it as TZif files of the installed `tzdata`."""
    wanted = dict.fromkeys([*wanted_paths(reading(definition)), *[path for path, _ in guard(definition)]])
    paths = {path: number for number, path in enumerate(wanted)}
    plan = _prepared(definition, paths, _plan(definition, paths))
    identity = {key: value for key, value in plan.items() if key not in ("limits", "zones", "tzdata")}
    plan["hash"] = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=16).hexdigest()
    return json.dumps(plan)


def namespace_key(namespace: str) -> bytes:
    """The 16 bytes that key every hash of a namespace."""
    return hashlib.blake2b(namespace.encode(), digest_size=16, person=b"crossfoot.key").digest()


def _plan(definition: Definition, paths: dict[RawPath, int]) -> dict[str, Any]:
    event, form = reading(definition), definition.format
    numbers = {field.name: number for number, field in enumerate(event.fields)}

    def over_fields(node: Expression) -> list[Any]:
        return to_json(node, lambda reference: numbers[_field_name(reference)])

    used = {_field_name(reference) for reference in references(event.where)} if event.where else set()
    return {
        "format": PLAN_FORMAT,
        "key": namespace_key(definition.namespace).hex(),
        "input": {
            "kind": form.name if form.name in ("regex", "prepared") else "json",
            "untyped": form.untyped,
            "regex": core_pattern(form.regex) if form.regex else None,
        },
        "paths": [list(path) for path in paths],
        "time": _time(event.time, paths),
        "received": _received(event.received, paths),
        "stamps": stamps_of(definition.event.received),
        "explode": _explode(definition),
        "id": _id(event.id, paths),
        "fields": [_field(field, paths) for field in event.fields],
        "where": over_fields(event.where) if event.where else None,
        "where_fields": [number for name, number in numbers.items() if name in used],
        "accept": {name: getattr(definition.accept, name) for name in definition.accept.__slots__},
        "metrics": [_metric(metric, numbers, over_fields) for metric in definition.metrics],
        "limits": _limits(definition),
        "zones": {name: base64.b64encode(zone_rules(name)).decode() for name in _zones(definition)},
        "tzdata": tzdata_version(),
    }


def _prepared(definition: Definition, paths: dict[RawPath, int], plan: dict[str, Any]) -> dict[str, Any]:
    """Of prepared events: what tells them from others, and how they were made, which the store holds on to."""
    held = [[paths[path], text] for path, text in guard(definition)]
    if not held:
        return plan
    explode = definition.preprocess.explode if definition.preprocess else None
    pairs = zip(plan["fields"], definition.event.fields, strict=True)
    fields = [read | {"made": made_field(declared)} for read, declared in pairs]
    return plan | {"guard": held, "made": made(definition.event, explode), "fields": fields}


def _limits(definition: Definition) -> dict[str, int]:
    return {name: getattr(definition.limits, name) for name in definition.limits.__slots__}


def _field_name(reference: Reference) -> str:
    return reference.name if isinstance(reference, FieldRef) else ".".join(reference.parts)


def _time(spec: TimeSpec, paths: dict[RawPath, int]) -> dict[str, Any]:
    return {"path": paths[spec.path], "unit": spec.unit, "pattern": spec.pattern, "zone": spec.zone}


def _received(spec: Received, paths: dict[RawPath, int]) -> Any:
    """Null, a time in the record, or "given": beside the record."""
    return _time(spec, paths) if isinstance(spec, TimeSpec) else "given" if spec else None


def stamps_of(received: Received) -> Stamps:
    """Which rule of section 4 holds: without stamps; read in the record; a = t; or a carried, beside t."""
    if received is None or isinstance(received, TimeSpec):
        return "none" if received is None else "field"
    return "carried" if received == "carried" else "ordered"


def _explode(definition: Definition) -> Any:
    """The list's path, and whether an element has an id of its own (else: the record's, and its place in the list)."""
    path = definition.explode
    return None if path is None else {"path": list(path), "own_id": has_own_id(definition.event.id, path)}


def _id(spec: IdSpec, paths: dict[RawPath, int]) -> Any:
    return "position" if spec.kind == "position" else {spec.kind: [paths[path] for path in spec.paths]}


def _field(field: Field, paths: dict[RawPath, int]) -> dict[str, Any]:
    def number(reference: Reference) -> int:
        return paths[reference.parts] if isinstance(reference, Path) else -1

    return {
        "name": field.name,
        "type": field.type.name,
        "scale": field.type.scale,
        "expression": to_json(field.expression, number),
        "default": None if field.default is None else to_json(Literal(field.default), number),
    }


def _metric(metric: Metric, numbers: dict[str, int], over_fields: Any) -> dict[str, Any]:
    bound = {} if metric.values_max is None else {"values_max": metric.values_max}
    return bound | {
        "name": metric.name,
        "where": over_fields(metric.where) if metric.where else None,
        "sets": [[numbers[name] for name in dims] for dims in metric.sets],
        "measures": [_measure(measure, numbers) for measure in metric.measures],
        "grains": [_grain(grain) for grain in metric.grains],
    }


def _measure(measure: Measure, numbers: dict[str, int]) -> dict[str, Any]:
    field = None if measure.field is None else numbers[measure.field]
    return {"name": measure.name, "kind": measure.kind, "field": field, "rank": measure.rank, "exact": measure.exact}


def _grain(grain: Grain) -> dict[str, Any]:
    return {"name": grain.text, "unit": grain.unit, "n": grain.n, "zone": grain.zone, "retain_us": grain.retain_us}


def _zones(definition: Definition) -> list[str]:
    event = reading(definition)
    named = [time.zone for time in (event.time, event.received) if isinstance(time, TimeSpec)]
    named += [grain.zone for metric in definition.metrics for grain in metric.grains]
    return sorted({zone for zone in named if zone})
