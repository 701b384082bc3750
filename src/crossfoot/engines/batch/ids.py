"""The id as raw fields: two columns for each, whether it is a text and what it says; equal ids have equal columns."""

from __future__ import annotations

from crossfoot.definition.explode import has_own_id
from crossfoot.definition.model import EventSpec, RawPath
from crossfoot.definition.sql_parts import case

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def columns(event: EventSpec, numbers: dict[RawPath, int], explode: RawPath | None) -> dict[str, str]:
    """Column -> SQL."""
    found = {}
    if event.id.kind == "position":
        found = {"id_partition": "partition", "id_position": "position"}
    for place, path in enumerate(event.id.paths):
        kind, said = f"k{numbers[path]}", f"s{numbers[path]}"
        found[f"id_text_{place}"] = f"coalesce({kind} = 'VARCHAR', FALSE)"
        numbered = (f"{kind} = 'DOUBLE'", f"cf_number({said})")
        nothing = (f"{said} = '-0' AND {kind} <> 'VARCHAR'", "'0'")
        found[f"id_{place}"] = case(numbered, nothing, otherwise=said)
    if explode is not None and not has_own_id(event.id, explode):
        found["id_place"] = "place"
    return found


def error(event: EventSpec, numbers: dict[RawPath, int]) -> str | None:
    """The first reason why a record has no id."""
    reasons: list[tuple[str, str]] = []
    for path in event.id.paths:
        kind, said = f"k{numbers[path]}", f"s{numbers[path]}"
        if event.id.kind != "fingerprint":
            reasons.append((f"{kind} IS NULL OR {kind} = 'NULL'", "'missing'"))
        if event.id.kind == "fields":
            reasons.append((f"{kind} = 'DOUBLE' AND NOT cf_integral({said})", "'type'"))
        if event.id.kind == "uuid":
            reasons.append((f"{kind} <> 'VARCHAR' OR NOT regexp_full_match({said}, '{_UUID}')", "'type'"))
        reasons.append((f"{kind} IN ('ARRAY', 'OBJECT')", "'type'"))
    return case(*reasons) if reasons else None


def shown(event: EventSpec, explode: RawPath | None) -> str:
    """The id as one text: its only field as it is, else a list as JSON writes it."""
    if event.id.kind == "position":
        parts = ["partition", "CAST(position AS VARCHAR)"]
    else:
        parts = [f"id_{place}" for place in range(len(event.id.paths))]
    if explode is not None and not has_own_id(event.id, explode):
        parts.append("CAST(id_place AS VARCHAR)")
    if len(parts) == 1:
        return parts[0]
    quoted = [
        f"coalesce(CASE WHEN id_text_{n} THEN CAST(to_json({part}) AS VARCHAR) ELSE {part} END, 'null')"
        if part == f"id_{n}"
        else part
        for n, part in enumerate(parts)
    ]
    return f"'[' || concat_ws(',', {', '.join(quoted)}) || ']'"
