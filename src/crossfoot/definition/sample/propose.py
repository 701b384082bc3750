"""A definition for a sample, with its reasons: `crossfoot init`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from crossfoot.definition.dump import yaml_flow
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Format, RawPath
from crossfoot.definition.names import render_path
from crossfoot.definition.sample.choose import Kept, choose_fields, name_of, type_of
from crossfoot.definition.sample.columns import Column, columns_of
from crossfoot.definition.sample.formats import Sample, read_sample
from crossfoot.definition.sample.identity import Identity, propose_id
from crossfoot.definition.sample.times import TimeColumn, best_times
from crossfoot.errors import DataError

_TIMES_MAX = 3
_DAYS_OF_MINUTES = 3
_COMMENT_AT = 60


def propose(data: bytes, path: str, form: Format | None = None) -> str:
    """The YAML of a definition that counts the sample; DataError where no format fits or nothing is a time.

    `data` is the beginning of the (unpacked) file at `path`. Comments say why.
    """
    sample = read_sample(data, form)
    if not sample.records:
        raise DataError("the sample has no records", "give a file with at least one record")
    columns = columns_of(sample.records, untyped=sample.format.untyped)
    times = best_times(list(columns.values()), len(sample.records))
    if not times:
        hint = "times are numbers of s, ms, us or ns since 1970, or texts like 2015-09-12T00:00:00Z"
        raise DataError(f"no field of the sample is a time: {_say_paths(columns)}", hint)
    text = _written(sample, path, list(columns.values()), times)
    load_text(text, path)
    return text


def _say_paths(paths: Iterable[RawPath]) -> str:
    return ", ".join([".".join(path) for path in list(paths)[:20]])


def _written(sample: Sample, path: str, columns: list[Column], times: list[TimeColumn]) -> str:
    time, others = times[0], times[1:]
    timelike = {found.column.path for found in times}
    log = sample.format.regex is not None
    identity = propose_id(columns, sample.records, time.column.path, log=log)
    usable = [column for column in columns if column.path not in timelike and column.path not in _alone(identity)]
    kept = choose_fields(usable, len(sample.records))
    lines = [
        f"# Proposed from {len(sample.records):,} records of {PurePath(path).name}. Change what is not so.",
        "crossfoot: 1",
        f"namespace: {_namespace(path)}",
        "source:",
        f"  files: {yaml_flow(path)}",
        _reasoned(f"  format: {_format(sample.format)}", _unread(sample)),
        "event:",
        _reasoned(f"  time: {_time(time)}", _time_reason(time, others)),
        _reasoned("  received: none", _received_reason(others)),
        _reasoned(f"  id: {_identity(identity)}", identity.reason),
        *_fields(kept),
        "metrics:",
        "  events:",
        *_metric(kept, time),
    ]
    return "\n".join(lines) + "\n"


def _alone(identity: Identity) -> tuple[RawPath, ...]:
    """A field that is an id by itself is no dimension and no measure."""
    return identity.spec.paths if identity.spec.kind == "fields" and len(identity.spec.paths) == 1 else ()


def _reasoned(line: str, reason: str) -> str:
    """The line with a comment. Names and values of the data may hold anything; a comment holds one printable line."""
    said = "".join([character if character.isprintable() else "?" for character in " ".join(reason.split())])
    return f"{line.ljust(_COMMENT_AT)}  # {said}" if said else line


def _namespace(path: str) -> str:
    stem = PurePath(path).name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9_]+", "_", stem).strip("_") or "events"


def _format(form: Format) -> str:
    return form.name if form.regex is None else f"{{regex: {yaml_flow(form.regex)}}}"


def _unread(sample: Sample) -> str:
    lines = len(sample.records) + sample.unread
    return f"{sample.reason}; {sample.unread:,} of {lines:,} are not" if sample.unread else sample.reason


def _time(time: TimeColumn) -> str:
    spec = time.spec
    parts = [f"field: {yaml_flow(render_path(spec.path))}"]
    parts.append(f"unit: {spec.unit}" if spec.pattern is None else f"pattern: {yaml_flow(spec.pattern)}")
    parts += ["zone: UTC"] if time.local else []
    return "{" + ", ".join(parts) + "}"


def _time_reason(time: TimeColumn, others: Sequence[TimeColumn]) -> str:
    reason = time.reason + ("; written without a zone: name the one it is of" if time.local else "")
    also = ", ".join([render_path(other.column.path) for other in others[:_TIMES_MAX]])
    return f"{reason}; also times: {also}" if also else reason


def _received_reason(others: Sequence[TimeColumn]) -> str:
    always = [other for other in others if other.column.nulls == 0 and len(other.column.path) == 1]
    if not always:
        return "no field says when a record was received"
    spec = always[0].spec
    return f"or {{field: {render_path(spec.path)}, unit: {spec.unit}}}, if that is when a record was received"


def _identity(identity: Identity) -> str:
    if identity.spec.kind == "position":
        return "position"
    paths = [yaml_flow(render_path(path)) for path in identity.spec.paths]
    if identity.spec.kind == "fingerprint":
        return f"{{fingerprint: [{', '.join(paths)}]}}"
    return paths[0] if len(paths) == 1 else f"[{', '.join(paths)}]"


def _fields(kept: Sequence[Kept]) -> list[str]:
    if not kept:
        return []
    return ["  fields:", *[_reasoned(f"    {yaml_flow(field.name)}: {field.declared}", field.reason) for field in kept]]


def _metric(kept: Sequence[Kept], time: TimeColumn) -> list[str]:
    dimensions = [field.name for field in kept if field.use == "dimension"]
    sets = ["[]", *[f"[{yaml_flow(name)}]" for name in dimensions]]
    measures = ["events: count"]
    names = {"events", *dimensions}
    for field in kept:
        if field.use != "dimension":
            measure = _measure(field)
            name = name_of((f"{field.name}_{measure.partition('(')[0]}",), names)
            names.add(name)
            measures.append(f"{name}: {measure}")
    return [
        f"    by: [{', '.join(sets)}]",
        f"    measures: {{{', '.join(measures)}}}",
        f"    grains: [{', '.join(_grains(time))}]",
    ]


def _measure(field: Kept) -> str:
    if field.use == "people":
        return f"distinct({field.name})"
    return f"{'max' if type_of(field.column) == 'float' else 'sum'}({field.name})"


def _grains(time: TimeColumn) -> list[str]:
    """Minutes only where the sample is short enough to look at them."""
    if time.spec.unit not in ("iso", "pattern"):
        per_day = {"s": 86_400, "ms": 86_400_000, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}[time.spec.unit]
        days = (time.column.high - time.column.low) / per_day
    else:
        days = len({value[:10] for value in time.column.values})
    return ["1m", "1h", "1d", "all"] if days <= _DAYS_OF_MINUTES else ["1h", "1d", "1mo", "all"]
