"""A few cells of a cause with the events behind them: what we count and they do not, and the reverse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crossfoot.definition.durations import say_duration
from crossfoot.engines.batch.sql import name
from crossfoot.query.times import show_time
from crossfoot.reconcile.compare import DIFFERENCES, say
from crossfoot.reconcile.scene import Scene, Way

_CELLS = 5
_EVENTS = 5


@dataclass(frozen=True, slots=True)
class ExampleEvent:
    """A record, its times as texts, and why it is shown."""

    source: str | None
    partition: str
    position: int
    id: str
    event_time: str | None
    arrived: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Example:
    """A cell: its key, our values and theirs, and events of it."""

    key: dict[str, str]
    state: str
    ours: dict[str, str]
    theirs: dict[str, str]
    events: tuple[ExampleEvent, ...]


def examples(scene: Scene | None, cells: str, way: Way | None, *, connection: Any = None, form: Any = None) -> tuple[Example, ...]:
    """The cells of a query that differ the most. Without a scene there are no events."""
    if scene is not None:
        connection, form = scene.connection, scene.form
    columns = [key.quoted for key in form.keys]
    columns += [name(f"{side} {column.name}") for side in ("ours", "theirs") for column in form.measures]
    query = f"SELECT cell, state, {', '.join(columns)} FROM {DIFFERENCES} WHERE cell IN ({cells}) ORDER BY abs(lost) DESC, cell LIMIT {_CELLS}"
    found = []
    for cell, state, *values in connection.execute(query).fetchall():
        keys, many = len(form.keys), len(form.measures)
        key = {each.name: say(each, value) for each, value in zip(form.keys, values[:keys], strict=True)}
        ours, theirs = values[keys : keys + many], values[keys + many :]
        events = () if scene is None else _events(scene, cell, way)
        found.append(Example(key, state, _said(form, ours), _said(form, theirs), events))
    return tuple(found)


def _said(form: Any, values: list[Any]) -> dict[str, str]:
    return {column.name: "" if value is None else say(column, value) for column, value in zip(form.measures, values, strict=True)}


def _events(scene: Scene, cell: int, way: Way | None) -> tuple[ExampleEvent, ...]:
    """Events that only one side counts in the cell; where the way tells none, the latest events of the cell."""
    changed = [] if way is None else _changed(scene, cell, way)
    if changed:
        return tuple(changed)
    shown = f"SELECT source, partition, position, id, event_us, t_us, 'of this cell' FROM {scene.members} WHERE cell = {cell}"
    rows = scene.rows(f"{shown} ORDER BY t_us DESC NULLS LAST, position DESC LIMIT {_EVENTS}")
    return tuple(_event(row) for row in rows)


def _changed(scene: Scene, cell: int, way: Way) -> list[ExampleEvent]:
    found: list[ExampleEvent] = []
    cellkey = scene.form.same_key("e", "d")
    here = f"SELECT e.* FROM ({{}}) e JOIN {DIFFERENCES} d ON {cellkey} WHERE d.cell = {cell}"
    sides = (scene.events(scene.plain), scene.events(way))
    same = " AND ".join(f"a.{place} IS NOT DISTINCT FROM b.{place}" for place in scene.places)
    for (one, other), why in zip((sides, sides[::-1]), ("we count it, they do not", "they count it, we do not"), strict=True):
        columns = "a.source, a.partition, a.position, a.id, a.event_us, a.t_us"
        query = f"SELECT {columns}, '{why}' FROM ({here.format(one)}) a ANTI JOIN ({here.format(other)}) b ON {same}"
        found += [_event(row) for row in scene.rows(f"{query} ORDER BY a.partition, a.position LIMIT {_EVENTS}")]
    return found


def _event(row: tuple[Any, ...]) -> ExampleEvent:
    source, partition, position, identity, event_us, t_us, why = row
    if t_us is not None and event_us is not None and t_us > event_us:
        why += f"; it came {say_duration((t_us - event_us) // 1_000_000 * 1_000_000)} after it happened"
    return ExampleEvent(source, partition, position, str(identity), show_time(event_us), show_time(t_us), why)
