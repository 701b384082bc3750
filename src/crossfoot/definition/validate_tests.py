"""The `tests:` blocks: rows that the metric could give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crossfoot.definition.durations import instant_us
from crossfoot.definition.findings import At, BadValueError, Finding, nearest
from crossfoot.definition.model import OTHER, Definition, DefinitionTest, Metric
from crossfoot.definition.validate_metrics import WINDOW

GRAIN = "grain"


def test_findings(at: At, test: DefinitionTest, definition: Definition) -> Iterator[Finding]:
    """Everything that is wrong with one test."""
    metrics = {metric.name: metric for metric in definition.metrics}
    for name, rows in test.expect.items():
        if name not in metrics:
            allowed = {"allowed": ", ".join(metrics)}
            yield Finding("CF1501", (*at, "expect", name), name, allowed, nearest(name, metrics), on_key=True)
            continue
        for place, row in enumerate(rows):
            yield from _row_findings((*at, "expect", name, place), row, metrics[name])
    if definition.format.name == "regex":
        for place, event in enumerate(test.events):
            if not (set(event) == {"line"} and isinstance(event["line"], str)):
                yield Finding("CF1505", (*at, "events", place), ", ".join(event))


def _row_findings(at: At, row: Mapping[str, Any], metric: Metric) -> Iterator[Finding]:
    measures = [measure.name for measure in metric.measures]
    dimensions = list(dict.fromkeys([name for names in metric.sets for name in names]))
    columns = [*dimensions, *measures, WINDOW, GRAIN, *([OTHER] if metric.values_max else [])]
    unknown = [name for name in row if name not in columns]
    for name in unknown:
        values = {"metric": metric.name, "allowed": ", ".join(columns)}
        yield Finding("CF1502", (*at, name), name, values, nearest(name, columns), on_key=True)
    named = frozenset(name for name in row if name in dimensions)
    if not unknown and named not in map(frozenset, metric.sets):
        allowed = ", ".join(["[" + ", ".join(names) + "]" for names in metric.sets])
        yield Finding("CF1503", at, ", ".join(sorted(named)) or "[]", {"metric": metric.name, "allowed": allowed})
    yield from _grain_findings(at, row, metric)


def _grain_findings(at: At, row: Mapping[str, Any], metric: Metric) -> Iterator[Finding]:
    grains = [grain.text for grain in metric.grains]
    if GRAIN in row and row[GRAIN] not in grains:
        yield Finding("CF1504", (*at, GRAIN), str(row[GRAIN]), {"allowed": ", ".join(grains)})
    elif WINDOW in row and row[WINDOW] is not None:
        if GRAIN not in row and len(grains) > 1:
            yield Finding("CF1504", (*at, WINDOW), str(row[WINDOW]), {"allowed": ", ".join(grains)})
        try:
            instant_us(str(row[WINDOW]))
        except BadValueError as error:
            yield error.at((*at, WINDOW))
