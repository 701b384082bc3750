"""What hypotheses are drawn from and tried on: the differing cells, and our records as the recount judged them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

from crossfoot.definition.model import Field
from crossfoot.engines.batch import BatchEngine, Recount, Variation, windows
from crossfoot.engines.batch.cells import COUNT, where
from crossfoot.engines.batch.sql import field_column, floor, name
from crossfoot.engines.batch.variation import PLAIN
from crossfoot.reconcile.compare import DIFFERENCES
from crossfoot.reconcile.form import WINDOW, Column, Form

if TYPE_CHECKING:
    import duckdb

_PLACE = ("source", "partition", "position")
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Way:
    """How the other side may have come to its numbers: a variation, and whether windows are named by local times."""

    variation: Variation = PLAIN
    label: str | None = None
    """A zone: their windows are called by its wall time, read as UTC."""

    def and_(self, other: Way) -> Way | None:
        """Both at once; None where they change the same thing."""
        plain, mine, theirs = PLAIN, self.variation, other.variation
        changes = {}
        for each in Variation.__dataclass_fields__:
            here, there, usual = (getattr(of, each) for of in (mine, theirs, plain))
            if here != usual and there != usual:
                return None
            if there != usual:
                changes[each] = there
        if self.label and other.label:
            return None
        return Way(replace(mine, **changes), self.label or other.label)


class Scene:
    """Our raw records beside the differing cells. Tables live in the connection's memory until it is closed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, engine: BatchEngine, form: Form) -> None:
        self.connection, self.engine, self.form = connection, engine, form
        self.definition = form.definition
        engine.keep()
        self._judged: dict[Variation, Recount] = {}
        self._cells: dict[Way, str] = {}

    def recount(self, way: Way) -> Recount:
        """The records as a variation judges them; zones and a metric's filter do not change that."""
        variation = way.variation
        key = replace(variation, zone=None, where=None if variation.metric else variation.where, metric=None)
        if key not in self._judged:
            self._judged[key] = self.engine.run(key)
        found = self._judged[key]
        return found if key == variation else found.with_cells_of(variation)

    def cells(self, way: Way) -> str:
        """The table of the cells of a way, in the form."""
        if way not in self._cells:
            table = f"cells_{next(_numbers)}"
            of = self.recount(way).cells_sql(self.form.metric.name, self.form.by, self.form.grain.text)
            columns = [f"{_value(self.form, column, way)} AS {column.quoted}" for column in self.form.columns]
            self.connection.execute(f"CREATE TEMP TABLE {table} AS SELECT {', '.join(columns)} FROM ({of})")
            self._cells[way] = table
        return self._cells[way]

    def forget(self, way: Way) -> None:
        """Drop the tables of a way that explains nothing."""
        if (cells := self._cells.pop(way, None)) is not None:
            self.connection.execute(f"DROP TABLE {cells}")
        if way.variation in self._judged and way != self.plain:
            self._judged.pop(way.variation).close()

    @property
    def plain(self) -> Way:
        """What the definition says."""
        return Way()

    def events(self, way: Way) -> str:
        """A query: place, event_us, t_us, id, the key and the declared fields of every event that is in a cell."""
        recount = self.recount(way)
        definition = recount.rendered.definition
        metric = next(each for each in definition.metrics if each.name == self.form.metric.name)
        fields = [field_column(field.name) for field in definition.event.fields]
        source, keys = self._keyed(f"(SELECT * FROM {recount.judged} WHERE account = 'counted')", way)
        columns = ", ".join([*_PLACE, *self._explode, "event_us", "t_us", "id", keys, *fields])
        return f"SELECT {columns} FROM {source}{where(definition, metric)}"

    def _keyed(self, source: str, way: Way) -> tuple[str, str]:
        """A relation of records with what its keys need, and the keys."""
        grain, zone = self.form.grain, way.variation.zone
        start = windows.start(grain, zone)
        if windows.is_slow(grain, zone):
            quarters, start = windows.starts(grain, zone, source)
            source = f"{source} JOIN ({quarters}) ON quarter = {floor('event_us', windows.QUARTER_US)}"
        shown = [
            f"{labelled(start, way.label)} AS {name(WINDOW)}",
            *[f"{field_column(each)} AS {name(each)}" for each in self.form.by],
        ]
        return source, ", ".join(shown)

    @property
    def _explode(self) -> list[str]:
        return ["place"] if self.definition.explode is not None else []

    @property
    def places(self) -> tuple[str, ...]:
        """The columns that tell one event from another."""
        return (*_PLACE, *self._explode)

    @cached_property
    def members(self) -> str:
        """The table of all events in our cells; `cell`, `lost` and `of` (events of the cell) where theirs differs."""
        self.connection.execute(
            f"CREATE TEMP TABLE members AS SELECT e.*, d.cell, d.lost FROM ({self.events(self.plain)}) e"
            f" LEFT JOIN {DIFFERENCES} d ON {self.form.same_key('e', 'd')}"
        )
        return "members"

    @cached_property
    def outsiders(self) -> str:
        """The table of events that a filter leaves out, with the differing cells that they would be in."""
        fields = ", ".join(field_column(field.name) for field in self.definition.event.fields)
        judged = self.recount(self.plain).judged
        mine = ", ".join(self.places)
        counted = f"(SELECT * FROM {judged} WHERE account IN ('filtered', 'counted') AND event_us IS NOT NULL)"
        source, keys = self._keyed(counted, self.plain)
        query = f"SELECT {mine}, account, {keys}, {fields} FROM {source}"
        self.connection.execute(
            f"CREATE TEMP TABLE outsiders AS SELECT e.*, d.cell, d.lost FROM ({query}) e JOIN {DIFFERENCES} d"
            f" ON {self.form.same_key('e', 'd')} ANTI JOIN (SELECT {mine} FROM {self.members}) m ON "
            + " AND ".join(f"e.{each} IS NOT DISTINCT FROM m.{each}" for each in self.places)
        )
        return "outsiders"

    @property
    def simple_fields(self) -> tuple[Field, ...]:
        """Fields whose values a filter may name."""
        return tuple(
            field for field in self.definition.event.fields if field.type.name in ("text", "integer", "boolean")
        )

    @cached_property
    def has_times(self) -> bool:
        """Whether records have a t."""
        return self.definition.event.received is not None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query).fetchall()


def labelled(start: str, label: str | None) -> str:
    """A window's start, called by the wall time of a zone."""
    from crossfoot.definition.text import quote_text

    return start if label is None else f"({start} + cf_offset({start}, {quote_text(label)}))"


def _value(form: Form, column: Column, way: Way) -> str:
    if column.name == WINDOW:
        return labelled(column.quoted, way.label)
    if column.kind == "mean":
        measure = next(each for each in form.metric.measures if each.name == column.name)
        of = next(field.type for field in form.definition.event.fields if field.name == measure.field)
        scale = of.scale if of.name == "decimal" else 0
        return f"CAST({column.quoted} AS DOUBLE) / ({name(f'{COUNT} {column.name}')} * {10**scale}.0)"
    return f"CAST({column.quoted} AS {column.sql_type})"
