"""The section reconcile: comparisons of what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crossfoot.definition.durations import render_duration
from crossfoot.definition.findings import At, Finding, nearest
from crossfoot.definition.model import MINUTE_US, Against, Comparison, Definition
from crossfoot.definition.names import NAME
from crossfoot.definition.validate_metrics import repeated

_ASKED = {"duckdb": (1,), "bigquery": (0, 1)}
"""How many of table and query are named; of everything else none, it is compared as it is."""


def reconcile_findings(definition: Definition) -> Iterator[Finding]:
    """Everything that is wrong with the comparisons."""
    for name in repeated([comparison.name for comparison in definition.reconcile]):
        yield Finding("CF1302", ("reconcile",), name)
    for comparison in definition.reconcile:
        yield from _findings(("reconcile", comparison.name), comparison, definition)


def _findings(at: At, comparison: Comparison, definition: Definition) -> Iterator[Finding]:
    if not NAME.fullmatch(comparison.name):
        yield Finding("CF1113", at, comparison.name, {"what": "a comparison"})
    yield from _against_findings((*at, "against"), comparison.against)
    if comparison.every_us is not None and comparison.every_us < MINUTE_US:
        yield Finding("CF1603", (*at, "schedule"), render_duration(comparison.every_us))
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


def _against_findings(at: At, against: Against) -> Iterator[Finding]:
    for part, text in (("table", against.table), ("query", against.query)):
        if text == "":
            yield Finding("CF1306", (*at, part), "", {"instead": f"name a {part}, or leave it out"})
    if not against.place and not (against.kind == "bigquery" and against.query):
        yield Finding("CF1306", (*at, against.kind), "", {"instead": "name what is compared"})
    if (found := unclear(against)) is not None:
        asked = "name one of the two" if against.kind in _ASKED else "leave it out, or compare with duckdb or bigquery"
        yield Finding("CF1604", at, found, {"kind": against.kind, "instead": asked})


def unclear(against: Against) -> str | None:
    """What is named of table and query, where it does not say what is compared."""
    given = {"table": against.table, "query": against.query}
    named = [part for part, text in given.items() if text is not None]
    if len(named) in _ASKED.get(against.kind, (0,)):
        return None
    return " and ".join(named) or "neither table nor query"


def _unknown(at: At, what: str, text: str, allowed: Iterable[str]) -> Finding:
    known = list(allowed)
    return Finding("CF1601", at, text, {"what": what, "allowed": ", ".join(known)}, nearest(text, known))
