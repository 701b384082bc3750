"""The section reconcile: comparisons of what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crossfoot.definition.findings import At, Finding, nearest
from crossfoot.definition.model import Comparison, Definition
from crossfoot.definition.names import NAME
from crossfoot.definition.validate_metrics import repeated


def reconcile_findings(definition: Definition) -> Iterator[Finding]:
    """Everything that is wrong with the comparisons."""
    for name in repeated([comparison.name for comparison in definition.reconcile]):
        yield Finding("CF1302", ("reconcile",), name)
    for comparison in definition.reconcile:
        yield from _findings(("reconcile", comparison.name), comparison, definition)


def _findings(at: At, comparison: Comparison, definition: Definition) -> Iterator[Finding]:
    if not NAME.fullmatch(comparison.name):
        yield Finding("CF1113", at, comparison.name, {"what": "a comparison"})
    against = comparison.against
    if against.kind == "duckdb" and (against.table is None) == (against.query is None):
        yield Finding("CF1306", (*at, "against"), "", {"instead": "name a table or a query of the DuckDB file"})
    metrics = {metric.name: metric for metric in definition.metrics}
    if comparison.metric not in metrics:
        yield _unknown((*at, "metric"), "metric", comparison.metric, metrics)
        return
    metric = metrics[comparison.metric]
    if comparison.grain not in [grain.text for grain in metric.grains]:
        yield _unknown((*at, "grain"), "grain", comparison.grain, [grain.text for grain in metric.grains])
    if sorted(comparison.by) not in [sorted(by) for by in metric.sets]:
        sets = [f"[{', '.join(by)}]" for by in metric.sets]
        yield _unknown((*at, "by"), "dimension set", f"[{', '.join(comparison.by)}]", sets)
    measures = [measure.name for measure in metric.measures]
    for name in comparison.measures:
        if name not in measures:
            yield _unknown((*at, "measures"), "measure", name, measures)
    for name, _ in comparison.columns:
        if name not in (*measures, *comparison.by):
            yield _unknown((*at, "columns", name), "column", name, ["window", *comparison.by, *measures])


def _unknown(at: At, what: str, text: str, allowed: Iterable[str]) -> Finding:
    known = list(allowed)
    return Finding("CF1601", at, text, {"what": what, "allowed": ", ".join(known)}, nearest(text, known))
