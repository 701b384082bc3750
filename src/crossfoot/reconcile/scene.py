"""What hypotheses are drawn from and tried on: the differing cells, and our records as the recount judged them."""

from __future__ import annotations

from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

from crossfoot.definition.model import Field
from crossfoot.engines.batch import BatchEngine, windows
from crossfoot.engines.batch.cells import where
from crossfoot.engines.batch.sql import field_column, floor, name
from crossfoot.reconcile.compare import DIFFERENCES
from crossfoot.reconcile.form import WINDOW, Form, equal
from crossfoot.reconcile.ways import Way, Ways, labelled

if TYPE_CHECKING:
    import duckdb

_PLACE = ("source", "partition", "position")
_numbers = count(1)


class Scene:
    """Our raw records, counted in the way `base`, beside the cells that differ from theirs then."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        engine: BatchEngine,
        form: Form,
        ways: Ways | None = None,
        base: Way | None = None,
    ) -> None:
        self.connection, self.engine, self.form = connection, engine, form
        self.definition, self.base = form.definition, base or self.plain
        self.ways = Ways(connection, engine, form) if ways is None else ways
        self._made: list[str] = []

    @property
    def plain(self) -> Way:
        """What the definition says."""
        return Way()

    def given(self, base: Way) -> Scene:
        """The same records counted in another way: what would still differ."""
        return Scene(self.connection, self.engine, self.form, self.ways, base)

    def close(self) -> None:
        """Drop the tables."""
        while self._made:
            self.connection.execute(f"DROP TABLE {self._made.pop()}")

    def _table(self, what: str, query: str) -> str:
        table = f"{what}_{next(_numbers)}"
        self.connection.execute(f"CREATE TEMP TABLE {table} AS {query}")
        self._made.append(table)
        return table

    @cached_property
    def differences(self) -> str:
        """The table of the differing cells: cell, state, the key, lost."""
        if self.base == self.plain:
            return DIFFERENCES
        form = self.form
        columns = ", ".join(column.quoted for column in form.columns)
        keys = ", ".join(key.quoted for key in form.keys)
        theirs = ", ".join(f"{name(f'theirs {column.name}')} AS {column.quoted}" for column in form.measures)
        equals = f"SELECT {columns} FROM {self.ways.cells(self.plain)} p ANTI JOIN {DIFFERENCES} d ON"
        sides = (
            f"(SELECT *, TRUE AS here FROM {self.ways.cells(self.base)}) h FULL JOIN (SELECT *, TRUE AS here FROM ("
            f"{equals} {form.same_key('p', 'd')}"
            f" UNION ALL SELECT {keys}, {theirs} FROM {DIFFERENCES} WHERE state <> 'missing there')) t"
        )
        both = ", ".join(f"coalesce(h.{key.quoted}, t.{key.quoted}) AS {key.quoted}" for key in form.keys)
        state = "CASE WHEN h.here IS NULL THEN 'missing here' WHEN t.here IS NULL THEN 'missing there' ELSE 'differs'"
        many = "0" if form.count is None else " - ".join(f"coalesce({of}.{form.count.quoted}, 0)" for of in "ht")
        same = " AND ".join(equal(column, f"h.{column.quoted}", f"t.{column.quoted}") for column in form.measures)
        return self._table(
            "differences",
            f"SELECT row_number() OVER () AS cell, {state} END AS state, {both}, {many} AS lost FROM {sides} ON"
            f" {form.same_key('h', 't')} WHERE NOT coalesce(h.here AND t.here AND {same}, FALSE)",
        )

    def events(self, way: Way) -> str:
        """A query: place, event_us, t_us, id, the key and the declared fields of every event that is in a cell."""
        recount = self.ways.recount(way)
        definition = recount.rendered.definition
        metric = next(each for each in definition.metrics if each.name == self.form.metric.name)
        fields = [field_column(field.name) for field in definition.event.fields]
        source, keys = self._keyed(f"(SELECT * FROM {recount.judged} WHERE account = 'counted')", way)
        columns = ", ".join([*_PLACE, *self._explode, "event_us", "t_us", "id", keys, *fields])
        query = f"SELECT {columns} FROM {source}{where(definition, metric)}"
        return f"SELECT * FROM ({query}) WHERE {self.ways.within}"

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
        """The table of all events in the cells of the base; `cell` and `lost` where theirs differs."""
        return self._table(
            "members",
            f"SELECT e.*, d.cell, d.lost FROM ({self.events(self.base)}) e"
            f" LEFT JOIN {self.differences} d ON {self.form.same_key('e', 'd')}",
        )

    @cached_property
    def outsiders(self) -> str:
        """The table of events that a filter leaves out, with the differing cells that they would be in."""
        fields = ", ".join(field_column(field.name) for field in self.definition.event.fields)
        judged = self.ways.recount(self.base).judged
        mine = ", ".join(self.places)
        counted = f"(SELECT * FROM {judged} WHERE account IN ('filtered', 'counted') AND event_us IS NOT NULL)"
        source, keys = self._keyed(counted, self.base)
        query = f"SELECT {mine}, account, {keys}, {fields} FROM {source}"
        return self._table(
            "outsiders",
            f"SELECT e.*, d.cell, d.lost FROM (SELECT * FROM ({query}) WHERE {self.ways.within}) e"
            f" LEFT JOIN {self.differences} d ON {self.form.same_key('e', 'd')}"
            f" ANTI JOIN (SELECT {mine} FROM {self.members}) m ON "
            + " AND ".join(f"e.{each} IS NOT DISTINCT FROM m.{each}" for each in self.places),
        )

    def fields(self, *types: str) -> tuple[Field, ...]:
        """The declared fields of some types."""
        return tuple(field for field in self.definition.event.fields if field.type.name in types)

    @cached_property
    def has_times(self) -> bool:
        """Whether records have a t."""
        return self.definition.event.received is not None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query).fetchall()
