"""The one form that both sides are brought to: key columns, then measures, exact numbers as whole ones.

Windows are microseconds, decimals are scaled integers, a dimension of several kinds is JSON text: as the batch engine
has them before it makes an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from crossfoot.definition.findings import nearest
from crossfoot.definition.model import Comparison, Definition, Field, FieldType, Grain, Measure, Metric
from crossfoot.engines.batch.sql import name
from crossfoot.errors import CallError

N = TypeVar("N", Metric, Measure)

WINDOW = "window"
MEAN_ERROR = 1e-9
"""A quotient may be off by what floats lose."""
DISTINCT_ERROR = 3 * 0.016
"""Three standard errors of the sketch."""
QUANTILE_ERROR = 0.05
"""What a rank error of 1.65 % may do to a value depends on the values; more than this is a difference."""

_KEY_TYPES = {
    "text": "VARCHAR",
    "any": "VARCHAR",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "decimal": "HUGEINT",
    "float": "DOUBLE",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the form: its SQL type, the decimals' scale, and the relative error that is no difference."""

    name: str
    sql_type: str
    type: FieldType
    error: float = 0.0
    kind: str = "key"

    @property
    def quoted(self) -> str:
        return name(self.name)


@dataclass(frozen=True, slots=True)
class Form:
    """What is compared: cells of a metric by a set in a grain."""

    definition: Definition
    metric: Metric
    by: tuple[str, ...]
    grain: Grain
    keys: tuple[Column, ...]
    measures: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        return (*self.keys, *self.measures)

    @property
    def count(self) -> Column | None:
        """The measure that says how many events a cell has: the volume."""
        return next((column for column in self.measures if column.kind == "count"), None)

    def exact_but(self, estimates: frozenset[str]) -> Form:
        """The same form, where only these distinct counts are estimates."""
        measures = [
            replace(column, error=0.0) if column.kind == "distinct" and column.name not in estimates else column
            for column in self.measures
        ]
        return replace(self, measures=tuple(measures))

    def same_key(self, left: str, right: str) -> str:
        """The condition that two rows have one key; nulls are a value."""
        return " AND ".join(f"{left}.{key.quoted} IS NOT DISTINCT FROM {right}.{key.quoted}" for key in self.keys)


def form_of(definition: Definition, comparison: Comparison) -> Form:
    """The form of a comparison; CallError for what the definition does not count."""
    metric = _one(definition.metrics, comparison.metric, "metric")
    grain = next((grain for grain in metric.grains if grain.text == comparison.grain), None)
    if grain is None:
        hint = f"ask for one of {', '.join(grain.text for grain in metric.grains)}"
        raise CallError(f"{metric.name} is not kept in the grain {comparison.grain}", hint)
    by = next((each for each in metric.sets if sorted(each) == sorted(comparison.by)), None)
    if by is None:
        hint = "ask for one of " + ", ".join(f"[{', '.join(each)}]" for each in metric.sets)
        raise CallError(f"{metric.name} is not kept by [{', '.join(comparison.by)}]", hint)
    fields = {field.name: field for field in definition.event.fields}
    wanted = comparison.measures or tuple(measure.name for measure in metric.measures)
    measures = tuple(_measure(_one(metric.measures, each, "measure"), fields) for each in wanted)
    window = Column(WINDOW, "BIGINT", FieldType("integer"))
    keys = [Column(each, _KEY_TYPES[fields[each].type.name], fields[each].type) for each in by]
    return Form(definition, metric, by, grain, (window, *keys), measures)


def _one(known: Sequence[N], wanted: str, what: str) -> N:
    for each in known:
        if each.name == wanted:
            return each
    names = [each.name for each in known]
    near = nearest(wanted, names)
    hint = f"did you mean {near}?" if near else f"there is {', '.join(names)}"
    raise CallError(f"there is no {what} {wanted}", hint)


def _measure(measure: Measure, fields: dict[str, Field]) -> Column:
    if measure.field is None or measure.kind == "distinct":
        error = DISTINCT_ERROR if measure.kind == "distinct" else 0.0
        return Column(measure.name, "BIGINT", FieldType("integer"), error, measure.kind)
    of = fields[measure.field].type
    if measure.kind == "mean":
        return Column(measure.name, "DOUBLE", FieldType("float"), MEAN_ERROR, measure.kind)
    error = QUANTILE_ERROR if measure.kind == "quantile" else 0.0
    if of.name == "float":
        return Column(measure.name, "DOUBLE", of, error or MEAN_ERROR, measure.kind)
    return Column(measure.name, "HUGEINT", of, error, measure.kind)


def equal(column: Column, left: str, right: str) -> str:
    """The condition that two values of a measure are no difference."""
    same = f"{left} IS NOT DISTINCT FROM {right}"
    if not column.error:
        return same
    near = f"abs(CAST({left} AS DOUBLE) - CAST({right} AS DOUBLE)) <= {column.error!r} * abs(CAST({left} AS DOUBLE))"
    return f"({same} OR coalesce({near}, FALSE))"
