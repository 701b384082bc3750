"""Which definition prepared an event: the hash that travels with it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from crossfoot.definition.expression import Expression, FieldRef, Reference, to_json
from crossfoot.definition.model import Definition


def prepared_hash(definition: Definition) -> str:
    """32 hex digits over what preparing does: namespace, time, id, fields, where, explode."""
    event, preprocess = definition.event, definition.preprocess
    parts = {
        "namespace": definition.namespace,
        "time": [list(event.time.path), event.time.unit, event.time.pattern, event.time.zone],
        "id": [event.id.kind, [list(path) for path in event.id.paths]],
        "fields": [
            [field.name, _tree(field.expression), field.type.name, field.type.scale, repr(field.default)]
            for field in event.fields
        ],
        "where": None if event.where is None else _tree(event.where),
        "explode": list(preprocess.explode) if preprocess and preprocess.explode is not None else None,
    }
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _tree(expression: Expression) -> Any:
    def named(node: Reference) -> Any:
        return node.name if isinstance(node, FieldRef) else list(node.parts)

    return to_json(expression, named)
