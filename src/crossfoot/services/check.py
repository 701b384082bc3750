"""The `tests:` blocks of a definition: counted by the reference engine, compared row by row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from crossfoot.definition.durations import instant_us, render_instant
from crossfoot.definition.model import (
    OTHER,
    Definition,
    DefinitionTest,
    FileSource,
    Format,
    Metric,
    Preprocess,
    TimeSpec,
)
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.event import CellTable

# The reading clock of tests, so that no stamp is beyond it: 2100-01-01.
_NOW_US = 4_102_444_800_000_000
_PLACE = ("window", "grain")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TestResult:
    """What a test found; nothing if it held."""

    __test__ = False

    name: str
    problems: tuple[str, ...]


def run_tests(definition: Definition) -> list[TestResult]:
    """Run every `tests:` block by itself."""
    return [TestResult(test.name, tuple(_problems(definition, test))) for test in definition.tests]


def offline(definition: Definition) -> Definition:
    """The definition as plain records can try it: nothing is live, and what has no stamp of its own is never late."""
    form = Format() if definition.format.name == "prepared" else definition.format
    tried = replace(definition, sources=(), preprocess=None, relay=None, sinks=(), archive=None, tests=())
    if definition.event.received is not None and not isinstance(definition.event.received, TimeSpec):
        event = replace(definition.event, received=None)
        accept = replace(definition.accept, lateness_us=None, transport_us=0, horizon_us=None)
        tried = replace(tried, event=event, accept=accept, metrics=tuple(map(_for_ever, definition.metrics)))
    explode = Preprocess(explode=definition.explode) if definition.explode else None
    return replace(tried, sources=(FileSource(("-",), form),), preprocess=explode)


def _for_ever(metric: Metric) -> Metric:
    return replace(metric, grains=tuple([replace(grain, retain_us=None) for grain in metric.grains]))


def _problems(definition: Definition, test: DefinitionTest) -> list[str]:
    engine = ReferenceEngine(offline(definition))
    engine.register(["test"])
    for event in test.events:
        engine.feed("test", _line(definition, event), _NOW_US)
    engine.commit()
    tables = engine.cells()
    accounts: Counter[str] = Counter()
    for row in engine.ledger():
        accounts[row.account] += row.records
    metrics = {metric.name: metric for metric in definition.metrics}
    problems = [problem for name, rows in test.expect.items() for problem in _compare(metrics[name], rows, tables)]
    if problems:
        problems.append("the records went to " + ", ".join(f"{name} {records}" for name, records in accounts.items()))
    return problems


def _line(definition: Definition, event: Row) -> bytes:
    form = definition.format
    if form.name == "regex":
        return str(event["line"]).encode() + b"\n"
    value = {name: _cell(cell) for name, cell in event.items() if cell is not None} if form.untyped else event
    return _json(value).encode() + b"\n"


def _cell(value: Any) -> str:
    """A value as CSV has it."""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """JSON with the digits of decimals as they are."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(str(name))}:{_json(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_json, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def _compare(metric: Metric, expected: Iterable[Row], tables: list[CellTable]) -> Iterable[str]:
    """For each table that the rows speak of: every expected row once, and no other."""
    groups: dict[tuple[frozenset[str], str], list[Row]] = {}
    for row in expected:
        groups.setdefault((_dimensions(metric, row), _grain(metric, row)), []).append(row)
    for (names, grain), rows in groups.items():
        found = [
            table for table in tables if (table.metric, table.grain) == (metric.name, grain) and set(table.by) == names
        ]
        left = [dict(row) for table in found for row in table.rows]
        for row in rows:
            match = next((candidate for candidate in left if _fits(row, candidate)), None)
            if match is None:
                yield f"{metric.name}: expected {_say(row)}"
            else:
                left.remove(match)
        yield from (f"{metric.name}: found {_say(row)}" for row in left)


def _dimensions(metric: Metric, row: Row) -> frozenset[str]:
    known = {name for names in metric.sets for name in names}
    return frozenset(name for name in row if name in known)


def _grain(metric: Metric, row: Row) -> str:
    """The row's grain: named, the only one, or the coarsest."""
    if "grain" in row:
        return str(row["grain"])
    units = ("m", "h", "d", "w", "mo", "all")
    return max(metric.grains, key=lambda grain: (units.index(grain.unit), grain.n)).text


def _fits(expected: Row, found: Row) -> bool:
    return expected.get(OTHER, False) == found.get(OTHER, False) and all(
        _same_time(value, found["window"]) if name == "window" else _same(value, found[name])
        for name, value in expected.items()
        if name not in ("grain", OTHER)
    )


def _same_time(expected: Any, found: int | None) -> bool:
    return found is None if expected is None else found == instant_us(str(expected))


def _same(expected: Any, found: Any) -> bool:
    """Equal as values: a decimal may be written as a number or as a text."""
    read: Callable[[str], Any] | None = {Decimal: Decimal, float: float}.get(type(found))
    if read is None or expected is None or isinstance(expected, bool):
        return type(expected) is type(found) and bool(expected == found)
    try:
        return bool(read(str(expected)) == found)
    except (ArithmeticError, ValueError):
        return False


def _say(row: Row) -> str:
    shown = {name: _shown(name, value) for name, value in row.items()}
    return "{" + ", ".join(f"{name}: {value}" for name, value in shown.items()) + "}"


def _shown(name: str, value: Any) -> str:
    if name == "window" and isinstance(value, int):
        return render_instant(value)
    return "null" if value is None else str(value)
