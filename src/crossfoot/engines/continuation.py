"""Whether a store may go on under another definition: acceptance may be raised and fields added, nothing changed.

What would change cells that were counted already needs a new store.
"""

from __future__ import annotations

from dataclasses import replace

from crossfoot.definition.model import Definition
from crossfoot.errors import StoreError

_RAISABLE = ("lateness_us", "transport_us", "horizon_us")


def continued(old: Definition, new: Definition) -> Definition:
    """`new` with the bucket width of the store, which belongs to its data; StoreError where it may not go on."""
    accept = replace(new.accept, bucket_us=old.accept.bucket_us)
    for name in _RAISABLE:
        before, after = getattr(old.accept, name), getattr(accept, name)
        if after is not None and (before is None or after < before):
            raise StoreError(
                f"accept.{name.removesuffix('_us')} is lower than the store was counted with", "raise it again"
            )
    kept = {field.name: field for field in old.event.fields}
    found = {field.name: field for field in new.event.fields if field.name in kept}
    if kept != found or _fixed(old) != _fixed(new):
        raise StoreError("the store was made with another definition", "use the one that made it, or a new store")
    return replace(new, accept=accept)


def _fixed(definition: Definition) -> tuple[object, ...]:
    """What may not differ."""
    event = replace(definition.event, fields=())
    accept = replace(definition.accept, bucket_us=0, lateness_us=None, transport_us=0, horizon_us=None)
    return definition.namespace, definition.format, definition.explode, event, accept, definition.metrics
