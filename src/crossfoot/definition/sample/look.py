"""Whether a definition fits a sample: what its paths find there, of which types, and what looks wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crossfoot.definition.explode import NoListError, elements
from crossfoot.definition.expression import Path
from crossfoot.definition.findings import nearest
from crossfoot.definition.model import Definition, RawPath, TimeSpec
from crossfoot.definition.names import render_path, render_type
from crossfoot.definition.paths import used_paths
from crossfoot.definition.sample.columns import Column, Record, columns_of
from crossfoot.definition.sample.formats import read_sample
from crossfoot.definition.sample.times import as_time, unit_of

_UNREAD_MAX = 20
# Declared type -> the raw kinds that it takes from a direct path; a decimal also takes a text of digits.
_TAKES = {
    "text": {"text"},
    "integer": {"integer"},
    "decimal": {"integer", "decimal", "float", "text"},
    "float": {"integer", "decimal", "float"},
    "boolean": {"boolean"},
    "any": {"text", "integer", "boolean"},
}


@dataclass(frozen=True, slots=True)
class Found:
    """What one path of the definition finds: `used_by` names where it stands, `kinds` counts the types seen."""

    path: str
    used_by: str
    found: int
    nulls: int
    missing: int
    kinds: dict[str, int]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """The whole answer. `unread` are paths of the sample that the definition does not name."""

    records: int
    unreadable: int
    paths: tuple[Found, ...]
    unread: tuple[str, ...]
    notes: tuple[str, ...]


def look_at(definition: Definition, data: bytes) -> Look:
    """Compare a definition with the beginning of a file (unpacked; a Parquet file as its source's JSON lines)."""
    sample = read_sample(data, definition.format)
    found_records = [element for record in sample.records for element in _elements(record, definition.explode)]
    columns = columns_of(found_records, untyped=definition.format.untyped)
    records = len(found_records)
    uses = _uses(definition)
    found = {path: _column(path, columns, records) for path in uses}
    paths = tuple([_found(found[path], used_by, records) for path, used_by in uses.items()])
    unread = [render_path(path) for path in columns if path not in uses][:_UNREAD_MAX]
    return Look(records, sample.unread, paths, tuple(unread), tuple(_notes(definition, columns, records)))


def _elements(record: Record, path: RawPath | None) -> list[Record]:
    try:
        return elements(record, path)
    except NoListError:
        return []


def _uses(definition: Definition) -> dict[RawPath, str]:
    """Each path with the places that name it."""
    uses: dict[RawPath, list[str]] = {}
    for at, path in used_paths(definition.event):
        uses.setdefault(path, []).append(str(at[-1]))
    return {path: ", ".join(dict.fromkeys(places)) for path, places in uses.items()}


def _column(path: RawPath, columns: dict[RawPath, Column], records: int) -> Column:
    """The column of a path; a path to an object finds that object."""
    if path in columns:
        return columns[path]
    inside = [column for other, column in columns.items() if other[: len(path)] == path]
    column = Column(path)
    if inside:
        column.kinds["nested"] = min(records, max(other.found + other.nulls for other in inside))
    return column


def _found(column: Column, used_by: str, records: int) -> Found:
    missing = records - column.found - column.nulls
    kinds = {str(kind): many for kind, many in column.kinds.most_common()}
    return Found(
        render_path(column.path), used_by, column.found, column.nulls, missing, kinds, tuple(column.examples())
    )


def _notes(definition: Definition, columns: dict[RawPath, Column], records: int) -> Iterator[str]:
    known = [render_path(path) for path in columns]
    for path, used_by in _uses(definition).items():
        if records and not any(other[: len(path)] == path for other in columns):
            near = nearest(render_path(path), known)
            yield f"{used_by}: no record has {render_path(path)}" + (f"; did you mean {near}?" if near else "")
    for name, time in (("time", definition.event.time), ("received", definition.event.received)):
        if isinstance(time, TimeSpec) and time.path in columns:
            yield from [f"{name}: {note}" for note in _time_notes(time, columns[time.path])]
    for field in definition.event.fields:
        if isinstance(field.expression, Path) and field.expression.parts in columns:
            column = columns[field.expression.parts]
            odd = {kind: many for kind, many in column.kinds.items() if kind not in _TAKES[field.type.name]}
            if odd:
                said = " and ".join([f"{many:,} {kind}" for kind, many in odd.items()])
                yield f"{field.name}: declared {render_type(field.type)}, and the sample has {said} of {column.found:,}"


def _time_notes(time: TimeSpec, column: Column) -> Iterator[str]:
    """Another unit in which all numbers would be plausible times, or texts where numbers are declared."""
    numeric = time.unit not in ("iso", "pattern")
    if column.kind in ("integer", "decimal", "float"):
        likely = unit_of(column.low, column.high)
        if not numeric:
            yield f"declared a text, and the sample has numbers{f' that look like {likely}' if likely else ''}"
        elif likely is not None and likely != time.unit:
            yield f"declared in {time.unit}, and the numbers look like {likely}: {column.low:.0f} to {column.high:.0f}"
        elif likely is None:
            yield f"not all numbers are times between 1990 and 2100: {column.low:.0f} to {column.high:.0f}"
    elif numeric and column.kind == "text":
        likely_text = as_time(column)
        yield f"declared in {time.unit}, and the sample has texts{' that look like iso' if likely_text else ''}"
    elif time.unit == "iso" and time.zone is None and column.kind == "text":
        likely_text = as_time(column)
        if likely_text is not None and likely_text.local:
            yield "some times have no offset: name their zone, as in zone: Europe/Paris"
