"""The `tests:` blocks of a definition: counted by the engine, compared row by row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crossfoot.definition.durations import instant_us, render_instant
from crossfoot.definition.model import Definition, DefinitionTest, Metric
from crossfoot.engines.embedded import EmbeddedEngine
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
    """Run every `tests:` block in a store of its own."""
    return [TestResult(test.name, tuple(_problems(definition, test))) for test in definition.tests]


def _problems(definition: Definition, test: DefinitionTest) -> list[str]:
    with TemporaryDirectory(prefix="crossfoot-") as folder:
        engine = EmbeddedEngine(Path(folder) / "store", definition)
        engine.register(["test"])
        engine.feed("test", b"".join(_line(definition, event) for event in test.events), _NOW_US)
        engine.finish("test")
        engine.commit()
        tables = engine.cells()
        accounts = {name: records for name, records in engine.progress()["accounts"].items() if records}
        engine.close()
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
    return all(
        _same_time(value, found["window"]) if name == "window" else _same(value, found[name])
        for name, value in expected.items()
        if name != "grain"
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
