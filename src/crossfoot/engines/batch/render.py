"""The definition as SQL text, in named steps: raw -> decoded -> prepared -> timed -> judged -> counted -> cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from crossfoot.definition.engines import refuse
from crossfoot.definition.model import Definition, Metric
from crossfoot.definition.parse import parse_fields
from crossfoot.engines.batch import accept, cells, dedup, macros, prepare
from crossfoot.engines.batch.dialect import DIALECTS
from crossfoot.engines.batch.lacks import lacks
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

    def script(self, query: str) -> str:
        """A query with the functions that it calls, as BigQuery runs it."""
        from crossfoot.engines.batch.bigquery_functions import prelude

        return ";\n".join([*prelude(query, self.variation.rounding), query])

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
        spoken = DIALECTS[self.dialect]
        sql = cells.table(self.definition, found, tuple(by), wanted, self.variation, spoken.quantile)
        if self.dialect == "duckdb":
            return sql
        from crossfoot.engines.batch.bigquery import translated

        return translated(sql)

    def _with(self) -> str:
        reads = " ".join([step.sql for step in self.steps])
        named = []
        for step in self.steps:
            once = len(re.findall(rf"(?:FROM|JOIN) {step.name}\b", reads)) < 2
            kept = "NOT MATERIALIZED " if once and self.dialect == "duckdb" else ""
            named.append(f"{step.name} AS {kept}({step.sql.removeprefix('RECURSIVE ')})")
        return "WITH RECURSIVE " + ",\n".join(named)


def metric_of(definition: Definition, name: str) -> Metric:
    """The metric of that name."""
    for metric in definition.metrics:
        if metric.name == name:
            return metric
    names = ", ".join(metric.name for metric in definition.metrics)
    raise CallError(f"there is no metric {name}", f"there is {names}")


def render(definition: Definition, variation: Variation = PLAIN, dialect: str = "duckdb") -> Rendered:
    """The SQL of a recount, for `duckdb` or `bigquery`."""
    if dialect not in DIALECTS:
        raise CallError(f"a recount is not rendered for {dialect}", f"render it for {' or '.join(DIALECTS)}")
    spoken, varied = DIALECTS[dialect], _varied(definition, variation)
    named = [
        *prepare.steps(varied, spoken),
        *accept.steps(varied, variation),
        *dedup.steps(varied, variation, spoken),
        ("judged", _judged(varied)),
        ("counted", _counted(varied)),
    ]
    if dialect == "bigquery":
        from crossfoot.engines.batch import bigquery

        return bigquery_rendered(varied, variation, named, bigquery.translated)
    steps = tuple(Step(name, sql) for name, sql in named)
    written = " ".join([step.sql for step in steps]) + _filters(varied)
    found = macros.prelude(written, variation.rounding)
    return Rendered(varied, variation, dialect, found, steps, dedup.lean(varied, variation, spoken))


def bigquery_rendered(
    definition: Definition, variation: Variation, named: list[tuple[str, str]], translated: Callable[[str], str]
) -> Rendered:
    """The same steps in BigQuery's words. Its functions are made by each script that calls them."""
    refuse("BigQuery", lacks(definition, "bigquery"))
    steps = tuple(Step(name, translated(sql)) for name, sql in named)
    return Rendered(definition, variation, "bigquery", (), steps)


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
