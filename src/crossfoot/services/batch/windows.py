"""Which windows a batch writes: hours, and the longer windows that hold them, each with a print of its events.

A table whose windows divide an hour is written by the hour. A longer window is counted from its events too, never added
up from hours: distinct values cannot be added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from crossfoot.calendar import window_of
from crossfoot.definition.durations import instant_us, render_instant
from crossfoot.definition.model import HOUR_US, Definition, Grain
from crossfoot.services.batch.notes import Print

_HOUR = "hour="


@dataclass(frozen=True, slots=True)
class Table:
    """A metric by dimensions in a grain."""

    metric: str
    by: tuple[str, ...]
    grain: Grain


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) of event time, None without bound; `name` is unique, `folder` the last folder of its files."""

    name: str
    folder: str
    start_us: int | None
    end_us: int | None
    tables: tuple[Table, ...]
    print: Print


def hour_of(at_us: int) -> int:
    """The start of the hour that holds an instant."""
    return at_us // HOUR_US * HOUR_US


def known_hours(names: Iterable[str]) -> Iterator[int]:
    """The hours among the names of windows."""
    for name in names:
        if name.startswith(_HOUR):
            yield instant_us(name.removeprefix(_HOUR) + ":00:00Z")


def windows(definition: Definition, hours: Mapping[int, Print], chosen: Iterable[int]) -> list[Window]:
    """The chosen hours, then the longer windows that hold any of them, whole."""
    tables = [Table(m.name, by, grain) for m in definition.metrics for by in m.sets for grain in m.grains]
    short = tuple(table for table in tables if _divides(table.grain))
    wanted = sorted(chosen)
    found = []
    for start in wanted:
        name = _HOUR + render_instant(start)[:13]
        found.append(Window(name, name, start, start + HOUR_US, short, hours[start]))
    for text in dict.fromkeys(table.grain.text for table in tables if not _divides(table.grain)):
        found += _longer(tuple(table for table in tables if table.grain.text == text), hours, wanted)
    return found


def _divides(grain: Grain) -> bool:
    return (grain.unit == "m" and 60 % grain.n == 0) or (grain.unit == "h" and grain.n == 1)


def _longer(tables: tuple[Table, ...], hours: Mapping[int, Print], chosen: list[int]) -> Iterator[Window]:
    """An hour in which a window of a zone ends belongs to both, so its changes are those of both."""
    grain = tables[0].grain
    prints: dict[tuple[int | None, int | None], Print] = {}
    for start, found in sorted(hours.items()):
        for window in {window_of(grain, start), window_of(grain, start + HOUR_US - 1)}:
            prints[window] = prints.get(window, Print()) + found
    wanted = {window for start in chosen for at in (start, start + HOUR_US - 1) for window in [window_of(grain, at)]}
    for begin, end in sorted(wanted, key=lambda window: window[0] or 0):
        folder = "begin=" + ("all" if begin is None else render_instant(begin).replace(":", ""))
        yield Window(f"{grain.text} {folder}", folder, begin, end, tables, prints[begin, end])
