"""The definition as SQL text, in named steps: raw -> decoded -> prepared -> timed -> judged -> counted -> cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crossfoot.definition.model import Definition, Metric
from crossfoot.definition.parse import parse_fields
from crossfoot.engines.batch import accept, cells, dedup, macros, prepare
from crossfoot.engines.batch.sql import field_column
from crossfoot.engines.batch.variation import PLAIN, Variation
from crossfoot.errors import CallError


@dataclass(frozen=True, slots=True)
class Step:
    """A named query; it reads the relation `raw` and the steps before it."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """`prelude` once per connection; `steps` end with `judged` and `counted`."""

    definition: Definition
    variation: Variation
    dialect: str
    prelude: tuple[str, ...]
    steps: tuple[Step, ...]
    lean: str | None = None
    """What `counted` is without `judged`: where equal ids with other contents may give another winner."""

    def query(self, step: str) -> str:
        """One statement that gives a step, over the relation `raw`."""
        return f"{self._with()} SELECT * FROM {step}"

    def counted(self) -> str:
        """One statement that gives what counts, in the shortest way."""
        return self.query("counted") if self.lean is None else f"{self._with()} {self.lean}"

    def cells(self, metric: str, by: Sequence[str] = (), grain: str = "all") -> str:
        """The statement of a table of cells, over `counted`."""
        found = metric_of(self.definition, metric)
        wanted = next((each for each in found.grains if each.text == grain), None)
        if wanted is None or tuple(by) not in found.sets:
            hint = "ask for a dimension set and a grain of the definition, in its order"
            raise CallError(f"{metric} is not counted by [{', '.join(by)}] in {grain}", hint)
        return cells.table(self.definition, found, tuple(by), wanted, self.variation)

    def _with(self) -> str:
        reads = " ".join([step.sql for step in self.steps])
        named = []
        for step in self.steps:
            once = len(re.findall(rf"(?:FROM|JOIN) {step.name}\b", reads)) < 2
            named.append(f"{step.name} AS {'NOT MATERIALIZED ' if once else ''}({step.sql.removeprefix('RECURSIVE ')})")
        return "WITH RECURSIVE " + ",\n".join(named)


def metric_of(definition: Definition, name: str) -> Metric:
    """The metric of that name."""
    for metric in definition.metrics:
        if metric.name == name:
            return metric
    names = ", ".join(metric.name for metric in definition.metrics)
    raise CallError(f"there is no metric {name}", f"there is {names}")


def render(definition: Definition, variation: Variation = PLAIN, dialect: str = "duckdb") -> Rendered:
    """The SQL of a recount; `duckdb` is the one dialect so far."""
    if dialect != "duckdb":
        raise CallError(f"a recount is not rendered for {dialect}", "render it for duckdb")
    varied = _varied(definition, variation)
    named = [
        *prepare.steps(varied),
        *accept.steps(varied, variation),
        *dedup.steps(varied, variation),
        ("judged", _judged(varied)),
        ("counted", _counted(varied)),
    ]
    steps = tuple(Step(name, sql) for name, sql in named)
    written = " ".join([step.sql for step in steps]) + _filters(varied)
    return Rendered(
        varied, variation, dialect, macros.prelude(written, variation.rounding), steps, dedup.lean(varied, variation)
    )


def _filters(definition: Definition) -> str:
    return " ".join([str(cells.where(definition, metric)) for metric in definition.metrics])


def _judged(definition: Definition) -> str:
    columns = [field_column(field.name) for field in definition.event.fields]
    place = ["place"] if definition.explode is not None else []
    parts = [
        f"coalesce(nullif(split_part(verdict, ' ', {n}), ''), '') AS {name}"
        for n, name in ((1, "account"), (2, "reason"))
    ]
    part = "substr(verdict, length(split_part(verdict, ' ', 1)) + length(split_part(verdict, ' ', 2)) + 3) AS part"
    instants = (("t_us", "t"), ("a_us", "received"), ("event_us", "event_time"))
    times = [f"make_timestamptz({us}) AS {name}" for us, name in instants]
    given = ["source", "partition", "position", *place, *times, *parts, part, "id", "event_us", "t_us", *columns]
    return f"SELECT {', '.join(given)} FROM verdicts"


def _counted(definition: Definition) -> str:
    columns = [field_column(field.name) for field in definition.event.fields]
    return f"SELECT {', '.join(['event_us', *columns])} FROM judged WHERE account = 'counted'"


def _varied(definition: Definition, variation: Variation) -> Definition:
    """The definition with another filter."""
    if variation.where is None:
        return definition
    where = parse_fields(variation.where).tree
    if variation.metric is None:
        return replace(definition, event=replace(definition.event, where=where))
    metric_of(definition, variation.metric)
    metrics = tuple(
        replace(metric, where=where) if metric.name == variation.metric else metric for metric in definition.metrics
    )
    return replace(definition, metrics=metrics)
