"""Which fields of a sample tell an event from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from crossfoot.definition.model import IdSpec, RawPath
from crossfoot.definition.names import render_path
from crossfoot.definition.number import NumberLiteral, canonical
from crossfoot.definition.sample.columns import Column, Record, has_paths
from crossfoot.definition.sample.times import words_of

# Names of an event's own id; other names with "id" in them are mostly of users and things.
_OWN = frozenset({"event", "message", "msg", "record", "row", "log", "id", "uuid", "guid", "key", "insert"})
_OWN_UNIQUE = 0.9
_COMBINED = 8
_COMBINED_MAX = 3
_COMPARED = 20_000
_FINGERPRINT_MAX = 40
_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Identity:
    """A proposal and why."""

    spec: IdSpec
    reason: str


def propose_id(columns: Sequence[Column], records: Sequence[Record], time: RawPath, *, log: bool) -> Identity:
    """The event's own id, else all fields as a fingerprint, which counts equal records once; else the position.

    A log's lines are known by position, and records that may differ in what no fingerprint holds: lists above all.
    """
    if log:
        return Identity(IdSpec("position"), "lines have no id, and equal lines may be two requests")
    wholes = _different_records(records)
    able = [column for column in columns if column.found == len(records) and set(column.kinds) <= {"text", "integer"}]
    single = _single([column for column in able if column.path != time], len(wholes))
    if single is not None:
        return single
    together = _together(able, wholes[:_COMPARED])
    paths = tuple([column.path for column in columns if "nested" not in column.kinds])
    if len(paths) > _FINGERPRINT_MAX and together:
        return Identity(IdSpec("fields", together), "different together in every record of the sample")
    also = f"; or [{', '.join(map(render_path, together))}], if these always differ" if together else ""
    outside = [column.path for column in columns if "nested" in column.kinds and _tells_apart(column.path, wholes)]
    if outside:
        return Identity(IdSpec("position"), f"{_outside(outside)}{also}")
    return Identity(IdSpec("fingerprint", paths), f"no field is an id: equal records are one event{also}")


def _tells_apart(path: RawPath, records: Sequence[Record]) -> bool:
    """Whether records differ in what stands at the path itself; what is inside of an object has paths of its own."""
    values = [value_at(record, path) for record in records]
    return len({repr(None if has_paths(value, path) else value) for value in values}) > 1


def _outside(paths: Sequence[RawPath]) -> str:
    named = ", ".join(map(render_path, paths[:_NAMED_MAX])) + (", …" if len(paths) > _NAMED_MAX else "")
    return (
        f"no field is an id, and no fingerprint holds lists and objects: records may differ in {named} alone."
        " All count, copies too; name an id, or {fingerprint: [PATH, …]} if a few paths tell events apart"
    )


def _different_records(records: Sequence[Record]) -> list[Record]:
    """Equal records are copies, and say nothing about ids."""
    return list({repr(record): record for record in records}.values())


def _single(columns: Sequence[Column], records: int) -> Identity | None:
    """A field that is named as an id and nearly always differs, or a text or `id` that always does."""
    found: list[tuple[bool, int, int, Column]] = []
    for column in columns:
        words = set(words_of(column))
        own = bool(words) and words <= _OWN and len(column.path) == 1
        always = column.distinct == records and (column.kind == "text" or "id" in words)
        if always or (own and column.distinct >= _OWN_UNIQUE * records):
            found.append((own, column.distinct, -len(column.path), column))
    if not found:
        return None
    column = max(found, key=lambda entry: entry[:3])[3]
    reason = f"{column.distinct:,} different values in {records:,} different records"
    return Identity(IdSpec("fields", (column.path,)), reason)


def _together(columns: Sequence[Column], records: Sequence[Record]) -> tuple[RawPath, ...] | None:
    """The fewest of the fields with most values that are different together in every record."""
    likely = sorted(columns, key=lambda column: column.distinct, reverse=True)[:_COMBINED]
    for size in range(2, _COMBINED_MAX + 1):
        for chosen in combinations(likely, size):
            paths = [column.path for column in chosen]
            different = {tuple([_plain(value_at(record, path)) for path in paths]) for record in records}
            if len(different) == len(records) > 1:
                return tuple(paths)
    return None


def value_at(record: Record, path: RawPath) -> Any:
    """The raw value at a path; None where there is none."""
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _plain(value: Any) -> Any:
    return canonical(value.text).text if isinstance(value, NumberLiteral) else value
