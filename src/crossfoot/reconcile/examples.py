"""A few cells of a cause with the events behind them: what we count and they do not, and the reverse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crossfoot.definition.durations import say_duration
from crossfoot.engines.batch.sql import name
from crossfoot.query.times import show_time
from crossfoot.reconcile.compare import DIFFERENCES, say
from crossfoot.reconcile.scene import Scene
from crossfoot.reconcile.ways import Way

_CELLS = 5
_EVENTS = 5
_SHOWN = "a.source, a.partition, a.position, a.id, a.event_us, a.t_us"


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


def examples(
    scene: Scene | None, cells: str, way: Way | str | None, *, connection: Any = None, form: Any = None
) -> tuple[Example, ...]:
    """The cells of a query that differ the most. Without a scene there are no events.

    The `way` that explains the cells tells their events; or else a query does: cell, place, why.
    """
    if scene is not None:
        connection, form = scene.connection, scene.form
    columns = [key.quoted for key in form.keys]
    columns += [name(f"{side} {column.name}") for side in ("ours", "theirs") for column in form.measures]
    query = (
        f"SELECT cell, state, {', '.join(columns)} FROM {DIFFERENCES} WHERE cell IN ({cells}) ORDER BY"
        f" abs(lost) DESC, cell LIMIT {_CELLS}"
    )
    found = []
    rows = connection.execute(query).fetchall()
    events = {} if scene is None else _events(scene, [row[0] for row in rows], way)
    for cell, state, *values in rows:
        keys, many = len(form.keys), len(form.measures)
        key = {each.name: say(each, value) for each, value in zip(form.keys, values[:keys], strict=True)}
        ours, theirs = values[keys : keys + many], values[keys + many :]
        found.append(Example(key, state, _said(form, ours), _said(form, theirs), tuple(events.get(cell, ()))))
    return tuple(found)


def _said(form: Any, values: list[Any]) -> dict[str, str]:
    return {
        column.name: "" if value is None else say(column, value)
        for column, value in zip(form.measures, values, strict=True)
    }


def _events(scene: Scene, cells: list[int], way: Way | str | None) -> dict[int, list[ExampleEvent]]:
    """Events that only one side counts in a cell; where the way tells none, the latest events of the cell."""
    chosen = ", ".join(map(str, cells))
    shown = f"SELECT cell, {_SHOWN}, 'of this cell' AS why FROM {scene.members} a WHERE cell IN ({chosen})"
    latest = _few(scene, shown, "t_us DESC NULLS LAST, position DESC")
    if way is None or not cells:
        return latest
    return latest | (_named(scene, chosen, way) if isinstance(way, str) else _changed(scene, chosen, way))


def _named(scene: Scene, chosen: str, events: str) -> dict[int, list[ExampleEvent]]:
    """Events that a query names."""
    same = " AND ".join(f"a.{place} IS NOT DISTINCT FROM b.{place}" for place in ("cell", *scene.places))
    query = (
        f"SELECT b.cell, {_SHOWN}, b.why FROM {scene.members} a JOIN ({events}) b ON {same} WHERE b.cell IN ({chosen})"
    )
    return _few(scene, query, "partition, position")


def _few(scene: Scene, query: str, order: str) -> dict[int, list[ExampleEvent]]:
    """Some events of each cell."""
    ranked = f"SELECT *, row_number() OVER (PARTITION BY cell ORDER BY {order}) AS nth FROM ({query})"
    found: dict[int, list[ExampleEvent]] = {}
    for cell, *row in scene.rows(f"SELECT * EXCLUDE (nth) FROM ({ranked}) WHERE nth <= {_EVENTS} ORDER BY cell, nth"):
        found.setdefault(cell, []).append(_event(row))
    return found


def _changed(scene: Scene, chosen: str, way: Way) -> dict[int, list[ExampleEvent]]:
    here = (
        f"SELECT d.cell, e.* FROM ({{}}) e JOIN {DIFFERENCES} d ON {scene.form.same_key('e', 'd')} WHERE"
        f" d.cell IN ({chosen})"
    )
    sides = [here.format(scene.events(each)) for each in (scene.plain, way)]
    same = " AND ".join(f"a.{place} IS NOT DISTINCT FROM b.{place}" for place in ("cell", *scene.places))
    found: dict[int, list[ExampleEvent]] = {}
    for (one, other), why in zip(
        (sides, sides[::-1]), ("we count it, they do not", "they count it, we do not"), strict=True
    ):
        query = f"SELECT a.cell, {_SHOWN}, '{why}' FROM ({one}) a ANTI JOIN ({other}) b ON {same}"
        for cell, events in _few(scene, query, "partition, position").items():
            found.setdefault(cell, []).extend(events)
    return found


def _event(row: list[Any]) -> ExampleEvent:
    source, partition, position, identity, event_us, t_us, why = row
    if t_us is not None and event_us is not None and t_us > event_us:
        why += f"; it came {say_duration((t_us - event_us) // 1_000_000 * 1_000_000)} after it happened"
    return ExampleEvent(source, partition, position, str(identity), show_time(event_us), show_time(t_us), why)
