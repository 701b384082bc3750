"""Filters that the other side may have: values that it leaves out or lets pass, and thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from crossfoot.definition.model import Field, FieldType
from crossfoot.definition.text import quote_name, quote_text, render
from crossfoot.engines.batch import Variation
from crossfoot.engines.batch.sql import field_column
from crossfoot.reconcile.evidence import cut, values
from crossfoot.reconcile.scene import Scene
from crossfoot.reconcile.ways import Way

_VALUES = 2
"""So many single values of a field are tried, those that fit the most events first."""
_LIST = 8
"""A list of more values is none that a filter would name."""
_TRIED = 6
"""So many filters of a kind are tried, over all fields."""
_NAME = "another filter"


@dataclass(frozen=True, slots=True)
class Guess:
    """A cause by name, in words, and the way of counting that it stands for.

    `hides`: it is not drawn from what single cells lost, and may hide what another cause took from them.
    """

    cause: str
    text: str
    way: Way
    hides: bool = False


@dataclass(frozen=True, slots=True)
class _Filter:
    """What is left out or let pass, and how many events agree."""

    is_so: str
    is_not: str
    fitting: int


def left_out(scene: Scene) -> Iterator[Guess]:
    """Their filter leaves out events with a value, some values, or values on one side of a threshold."""
    found = [each for field in scene.fields("integer", "decimal") for each in _thresholds(scene, field)]
    for field in scene.fields("text", "integer", "boolean"):
        found += _of_values(scene, scene.members, field, 1)
    for each in _best(found):
        yield from _changed(scene, f"their filter leaves out {each.is_so}", each.is_not, " and ")


def let_pass(scene: Scene) -> Iterator[Guess]:
    """Their filter lets events with a value pass, or they have none."""
    metric, event = scene.form.metric.where, scene.definition.event.where
    if metric is not None:
        yield Guess(_NAME, f"they do not filter by {render(metric)}", _way("true", scene.form.metric.name), True)
    if event is not None:
        yield Guess(_NAME, f"they do not filter by {render(event)}", _way("true", None), True)
    if metric is None and event is None:
        return
    found: list[_Filter] = []
    for field in scene.fields("text", "integer", "boolean"):
        found += _of_values(scene, scene.outsiders, field, -1)
    for each in _best(found):
        yield from _changed(scene, f"their filter also lets {each.is_so} pass", each.is_so, " or ")


def _best(found: list[_Filter]) -> list[_Filter]:
    return sorted(found, key=lambda each: -each.fitting)[:_TRIED]


def _of_values(scene: Scene, table: str, field: Field, sign: int) -> Iterator[_Filter]:
    """The best single values; and all that no cell speaks against, if they are a few."""
    known = values(scene, table, field_column(field.name), sign)
    for each in known[:_VALUES]:
        yield _Filter(*_conditions(field, [each.value]), each.fitting)
    clean = [each for each in known if not each.against]
    if 1 < len(clean) <= _LIST:
        yield _Filter(*_conditions(field, [each.value for each in clean]), sum(each.fitting for each in clean))


def _thresholds(scene: Scene, field: Field) -> Iterator[_Filter]:
    """Values at or above a bound, or below one, that are left out."""
    column, shown = field_column(field.name), quote_name(field.name)
    *least, choices = scene.rows(
        f"SELECT min({column}), min(-{column}), count(DISTINCT {column}) FROM {scene.members}"
    )[0]
    for sign, sql, lowest, left, kept in (
        (1, column, least[0], ">=", "<"),
        (-1, f"(-{column})", least[1], "<", ">="),
    ):
        found = None if lowest is None else cut(scene, sql, int(lowest))
        if found is None:
            continue
        bounds = found if sign == 1 else (1 - found[1], 1 - found[0])
        at = _roundest(*bounds)
        said = _number(at, field.type)
        for each in values(scene, scene.members, f"coalesce({column} {left} {at}, FALSE)", choices=choices):
            if each.value:
                yield _Filter(f"{shown} {left} {said}", f"({shown} {kept} {said} or {shown} is null)", each.fitting)


def _roundest(low: int, high: int) -> int:
    """The number in [low, high] that ends in the most zeros."""
    unit = int("1" + "0" * len(str(max(abs(low), abs(high)))))
    while -(-low // unit) * unit > high:
        unit //= 10
    return -(-low // unit) * unit


def _number(value: int, of: FieldType) -> str:
    if of.name != "decimal":
        return str(value)
    text = format(Decimal(value).scaleb(-of.scale), "f")
    return text if "." in text else f"{text}.0"


def _conditions(field: Field, given: Sequence[Any]) -> tuple[str, str]:
    """`is one of the values` and `is none of them`, where null is a value."""
    column, known = quote_name(field.name), sorted(each for each in given if each is not None)
    shown = [quote_text(each) if isinstance(each, str) else str(each).lower() for each in known]
    if not shown:
        return f"{column} is null", f"{column} is not null"
    if len(shown) == 1:
        is_so, is_not = f"{column} = {shown[0]}", f"{column} <> {shown[0]}"
    else:
        is_so, is_not = f"{column} in ({', '.join(shown)})", f"not ({column} in ({', '.join(shown)}))"
    if len(known) < len(given):
        return f"({is_so} or {column} is null)", f"({is_not} and {column} is not null)"
    return is_so, f"({is_not} or {column} is null)"


def _changed(scene: Scene, text: str, condition: str, joint: str) -> Iterator[Guess]:
    """The metric's filter, or else the definition's, changed by a condition. Without any it can only be narrowed."""
    metric, event = scene.form.metric.where, scene.definition.event.where
    if metric is not None or joint == " and ":
        where = condition if metric is None else f"({render(metric)}){joint}{condition}"
        yield Guess(_NAME, text, _way(where, scene.form.metric.name), True)
    if event is not None and joint == " or ":
        yield Guess(_NAME, text, _way(f"({render(event)}){joint}{condition}", None))


def _way(where: str, metric: str | None) -> Way:
    return Way(Variation(where=where, metric=metric))
