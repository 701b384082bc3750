"""Cells in SQL: one metric, dimension set and grain over what counted."""

from __future__ import annotations

from collections.abc import Callable

from crossfoot.definition.model import Definition, Field, Grain, Measure, Metric
from crossfoot.engines.batch import windows
from crossfoot.engines.batch.prepare import condition
from crossfoot.engines.batch.sql import field_column, floor, name
from crossfoot.engines.batch.variation import Variation

COUNT = "mean_count"
"""Beside the sum of a mean stands its count; the quotient is made from both."""


def table(
    definition: Definition,
    metric: Metric,
    by: tuple[str, ...],
    grain: Grain,
    variation: Variation,
    quantile: Callable[[str, float], str],
) -> str:
    """`window` (microseconds), dimensions, measures; ordered by dimensions, then window."""
    fields = {field.name: field for field in definition.event.fields}
    source, start = "counted", windows.start(grain, variation.zone)
    if windows.is_slow(grain, variation.zone):
        quarters, start = windows.starts(grain, variation.zone, source)
        source += f" JOIN ({quarters}) ON quarter = {floor('event_us', windows.QUARTER_US)}"
    keys = [f"{start} AS {name('window')}", *[f"{field_column(d)} AS {name(d)}" for d in by]]
    folded = [column for measure in metric.measures for column in fold(measure, quantile)]
    groups = ", ".join(str(place + 1) for place in range(len(keys)))
    order = ", ".join([*[key for d in by for key in _order(fields[d])], f"{name('window')} NULLS FIRST"])
    rows = f"SELECT {', '.join([*keys, *folded])} FROM {source}{where(definition, metric)} GROUP BY {groups}"
    return f"SELECT * FROM ({rows}) ORDER BY {order}"


def where(definition: Definition, metric: Metric) -> str:
    """A condition with an error is not true."""
    if metric.where is None:
        return ""
    made = condition(metric.where, definition.event.fields)
    if made.type != "boolean":
        return " WHERE FALSE"
    return f" WHERE {made.value}" + (f" AND ({made.error}) IS NULL" if made.error else "")


def _order(field: Field) -> list[str]:
    column = name(field.name)
    if field.type.name != "any":
        return [f"{column} NULLS FIRST"]
    kind = f"CASE left({column}, 1) WHEN '\"' THEN 3 WHEN 't' THEN 1 WHEN 'f' THEN 1 ELSE 2 END"
    text = f"CASE WHEN left({column}, 1) = '\"' THEN json_extract_string({column}, '$') ELSE {column} END"
    return [f"{column} IS NOT NULL", kind, f"TRY_CAST({column} AS BIGINT) NULLS FIRST", text]


def fold(measure: Measure, quantile: Callable[[str, float], str]) -> list[str]:
    """The aggregates of a measure; a null is skipped, as SQL does."""
    shown = name(measure.name)
    if measure.field is None:
        return [f"count(*) AS {shown}"]
    column = field_column(measure.field)
    if measure.kind == "mean":
        return [f"sum({column}) AS {shown}", f"count({column}) AS {name(f'{COUNT} {measure.name}')}"]
    if measure.kind == "distinct":
        return [f"count(DISTINCT {column}) AS {shown}"]
    if measure.kind == "quantile":
        return [f"{quantile(column, measure.rank)} AS {shown}"]
    return [f"{measure.kind}({column}) AS {shown}"]
