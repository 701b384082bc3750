"""The `metrics` section."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from crossfoot.definition.durations import limit_us
from crossfoot.definition.findings import Finding
from crossfoot.definition.grains import parse_grain
from crossfoot.definition.limits import VALUES_MAX
from crossfoot.definition.load_event import condition
from crossfoot.definition.measures import parse_measure
from crossfoot.definition.model import Grain, Measure, Metric
from crossfoot.definition.reading import Reading, items_of, parsed, text_of, whole, wrong_kind
from crossfoot.definition.yamltree import Node

_KEYS = ("where", "by", "measures", "grains", "retain", "values_max", "settled")


def read_metrics(reading: Reading, node: Node) -> tuple[Metric, ...]:
    """All metrics, in the order of the file."""
    return reading.each_named(node, partial(_metric, reading))


def _metric(reading: Reading, name: str, node: Node) -> Metric | None:
    section = reading.section(node, _KEYS)
    where = section.maybe("where", condition, None)
    sets = section.maybe("by", lambda found: _sets(reading, found), ((),))
    measures = section.must("measures", lambda found: _measures(reading, found))
    grains = section.must("grains", lambda found: _grains(reading, found))
    retained: dict[str, int] = section.maybe("retain", lambda found: _retain(reading, found, grains or ()), {})
    values_max = section.maybe("values_max", partial(whole, least=1, most=VALUES_MAX), None)
    settled = section.maybe("settled", partial(_settled, reading), None)
    if measures is None or grains is None:
        return None
    kept = tuple([replace(grain, retain_us=retained.get(grain.text)) for grain in grains])
    return Metric(name, sets, measures, kept, where, values_max, settled)


def _settled(reading: Reading, node: Node) -> str | None:
    return reading.section(node, ("batch",)).must("batch", lambda found: text_of(found, "a folder"))


def _sets(reading: Reading, node: Node) -> tuple[tuple[str, ...], ...]:
    wanted = "a list of lists of fields, as in [[country], [country, kind], []]"
    if node.kind != "list" or not all(item.kind == "list" for item in node.items):
        raise wrong_kind(node, wanted)
    return tuple([reading.each(item.items, lambda name: text_of(name, "a field")) for item in node.items])


def _measures(reading: Reading, node: Node) -> tuple[Measure, ...]:
    return reading.each_named(node, lambda name, value: parsed(value, partial(parse_measure, name), "a measure"))


def _grains(reading: Reading, node: Node) -> tuple[Grain, ...]:
    return reading.each(items_of(node, "a list of grains"), lambda item: parsed(item, parse_grain, "a grain"))


def _retain(reading: Reading, node: Node, grains: tuple[Grain, ...]) -> dict[str, int]:
    """Grain -> how long its windows are kept; `unbounded` is the same as nothing."""
    texts = [grain.text for grain in grains]
    retained: dict[str, int] = {}
    for name, value in reading.mapping(node):
        length = reading.attempt(partial(parsed, value, limit_us, "a duration"))
        if grains and name not in texts:
            values = {"allowed": ", ".join(texts)}
            reading.findings.append(Finding("CF1305", (*node.at, name), name, values, on_key=True))
        elif length is not None:
            retained[name] = length
    return retained
