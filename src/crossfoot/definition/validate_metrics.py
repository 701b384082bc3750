"""Metrics: names, dimension sets, measures and the types they need, grains and retention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from crossfoot.definition.durations import render_duration, say_duration
from crossfoot.definition.expression import Path
from crossfoot.definition.findings import At, BadValueError, Finding
from crossfoot.definition.grains import longest_us, parse_grain
from crossfoot.definition.limits import VALUES_MAX
from crossfoot.definition.measures import KINDS, checked_exact
from crossfoot.definition.model import HOUR_US, Acceptance, Field, Grain, Measure, Metric
from crossfoot.definition.names import NAME, render_path, render_type
from crossfoot.definition.text import render
from crossfoot.definition.validate_types import unknown_field, where_findings

H = TypeVar("H", bound=Hashable)
Declared = Mapping[str, Field]

WINDOW = "window"
_EXACT_NUMBERS = frozenset({"integer", "decimal"})
# Measure -> the declared types that it takes; the others take any.
_TAKES: Mapping[str, frozenset[str]] = {
    "sum": _EXACT_NUMBERS,
    "mean": _EXACT_NUMBERS,
    "min": _EXACT_NUMBERS | {"float"},
    "max": _EXACT_NUMBERS | {"float"},
    "quantile": _EXACT_NUMBERS | {"float"},
}
_REFUSED = {"any": "CF1213", "float": "CF1214"}


def repeated(values: Iterable[H]) -> list[H]:
    """The values that stand more than once."""
    return [value for value, many in Counter(values).items() if many > 1]


def metric_findings(metric: Metric, declared: Declared, accept: Acceptance) -> Iterator[Finding]:
    """Everything that is wrong with one metric."""
    at: At = ("metrics", metric.name)
    yield from where_findings((*at, "where"), metric.where, declared)
    yield from _set_findings((*at, "by"), metric, declared)
    yield from _bound_findings((*at, "values_max"), metric)
    yield from _name_findings((*at, "measures"), metric)
    for measure in metric.measures:
        yield from _measure_findings((*at, "measures", measure.name), measure, declared)
    for place, grain in enumerate(metric.grains):
        yield from _grain_findings((*at, "grains", place), grain)
        yield from _retain_findings((*at, "retain", grain.text), grain, accept)
    yield from [Finding("CF1302", (*at, "grains"), text) for text in repeated(grain.text for grain in metric.grains)]
    wanted = {
        "by": (metric.sets, "write [[]] for the whole, or leave it out"),
        "measures": (metric.measures, "add one, as in events: count"),
        "grains": (metric.grains, "add one, as in 1h or all"),
    }
    for name, (found, instead) in wanted.items():
        if not found:
            yield Finding("CF1306", (*at, name), "", {"instead": instead})


def _set_findings(at: At, metric: Metric, declared: Declared) -> Iterator[Finding]:
    for place, names in enumerate(metric.sets):
        yield from [unknown_field((*at, place), name, declared) for name in names if name not in declared]
        yield from [Finding("CF1302", (*at, place), name) for name in repeated(names)]
    for twice in repeated(frozenset(names) for names in metric.sets):
        places = [place for place, names in enumerate(metric.sets) if frozenset(names) == twice]
        names = metric.sets[places[-1]]
        yield Finding("CF1302", (*at, places[-1]), "[" + ", ".join(names) + "]", {"place": ".".join(map(str, at))})


def _bound_findings(at: At, metric: Metric) -> Iterator[Finding]:
    most = metric.values_max
    if most is None:
        return
    if not 1 <= most <= VALUES_MAX:
        yield Finding("CF1112", at, str(most), {"what": "values_max", "least": 1, "most": VALUES_MAX})
    if not any(metric.sets):
        yield Finding("CF1308", at, str(most), on_key=True)


def _name_findings(at: At, metric: Metric) -> Iterator[Finding]:
    dimensions = {name for names in metric.sets for name in names}
    for measure in metric.measures:
        if not NAME.fullmatch(measure.name):
            yield Finding("CF1113", (*at, measure.name), measure.name, {"what": "a measure"}, on_key=True)
        taken = {WINDOW: "the window's own column"}.get(measure.name)
        taken = "a dimension" if measure.name in dimensions else taken
        if taken:
            yield Finding("CF1303", (*at, measure.name), measure.name, {"what": taken}, on_key=True)
    yield from [Finding("CF1302", at, name) for name in repeated(measure.name for measure in metric.measures)]
    if WINDOW in dimensions:
        values = {"what": "a dimension"}
        yield Finding("CF1113", (*at[:-1], "by"), WINDOW, values)


def _measure_findings(at: At, measure: Measure, declared: Declared) -> Iterator[Finding]:
    if measure.kind not in KINDS or (measure.field is None and measure.kind != "count"):
        yield Finding("CF1106", at, str(measure.kind))
        return
    if not 0 <= measure.rank <= 1:
        values = {"what": "the rank of a quantile", "least": 0, "most": 1}
        yield Finding("CF1112", at, str(measure.rank), values)
    try:
        checked_exact(measure.exact)
    except BadValueError as error:
        yield error.at(at)
    if measure.field is None:
        return
    if measure.field not in declared:
        yield unknown_field(at, measure.field, declared)
        return
    field = declared[measure.field]
    if measure.kind in _TAKES and field.type.name not in _TAKES[measure.kind]:
        values = {"function": measure.kind, "name": field.name, "type": render_type(field.type), "form": _form(field)}
        yield Finding(_REFUSED.get(field.type.name, "CF1215"), at, measure.field, values)


def _form(field: Field) -> str:
    """The field with a type, up to the type."""
    node = field.expression
    said = f"path: {render_path(node.parts)}" if isinstance(node, Path) else f'expr: "{render(node)}"'
    return f"{field.name}: {{{said}, type:"


def _grain_findings(at: At, grain: Grain) -> Iterator[Finding]:
    try:
        read = parse_grain(grain.text)
    except BadValueError as error:
        yield error.at(at)
        return
    if (read.unit, read.n, read.zone) != (grain.unit, grain.n, grain.zone):
        yield Finding("CF1104", at, grain.text)


def _retain_findings(at: At, grain: Grain, accept: Acceptance) -> Iterator[Finding]:
    if grain.retain_us is None:
        return
    if grain.unit == "all":
        yield Finding("CF1408", at, grain.text, on_key=True)
    elif accept.lateness_us is None:
        yield Finding("CF1404", at, grain.text, on_key=True)
    else:
        least = accept.lateness_us + accept.transport_us + longest_us(grain)
        if grain.retain_us < least:
            enough = render_duration(-(-least // HOUR_US) * HOUR_US)
            values = {"grain": grain.text, "least": say_duration(least), "enough": enough}
            yield Finding("CF1405", at, render_duration(grain.retain_us), values)
