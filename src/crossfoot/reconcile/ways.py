"""Ways to count our raw records: each is a recount of its own, whose tables are kept until they are dropped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from crossfoot.definition.text import quote_text
from crossfoot.engines.batch import BatchEngine, Recount, Variation
from crossfoot.engines.batch.cells import COUNT
from crossfoot.engines.batch.sql import name
from crossfoot.engines.batch.variation import PLAIN
from crossfoot.reconcile.compare import within
from crossfoot.reconcile.form import WINDOW, Column, Form

if TYPE_CHECKING:
    import duckdb

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


class Ways:
    """The recounts that were made. Tables live in the connection's memory until it is closed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, engine: BatchEngine, form: Form) -> None:
        self._connection, self._engine, self._form = connection, engine, form
        engine.keep()
        self._judged: dict[Variation, Recount] = {}
        self._cells: dict[Way, str] = {}
        self.within = within(connection)

    def recount(self, way: Way) -> Recount:
        """The records as a variation judges them; zones and a metric's filter do not change that."""
        variation = way.variation
        key = _judging(variation)
        if key not in self._judged:
            self._judged[key] = self._engine.run(key)
        found = self._judged[key]
        return found if key == variation else found.with_cells_of(variation)

    def cells(self, way: Way) -> str:
        """The table of the cells of a way, in the form: those in the windows that were compared."""
        if way not in self._cells:
            table, form = f"cells_{next(_numbers)}", self._form
            of = self.recount(way).cells_sql(form.metric.name, form.by, form.grain.text)
            columns = [f"{_value(form, column, way)} AS {column.quoted}" for column in form.columns]
            self._connection.execute(
                f"CREATE TEMP TABLE {table} AS SELECT * FROM (SELECT {', '.join(columns)} FROM ({of}))"
                f" WHERE {self.within}"
            )
            self._cells[way] = table
        return self._cells[way]

    def forget(self, way: Way) -> None:
        """Drop the tables of a way that is not needed any more; asked for again, they are made again."""
        if (cells := self._cells.pop(way, None)) is not None:
            self._connection.execute(f"DROP TABLE {cells}")
        if _judging(way.variation) == way.variation != PLAIN and way.variation in self._judged:
            self._judged.pop(way.variation).close()


def _judging(variation: Variation) -> Variation:
    """What of a variation decides about records, and not only about their cells."""
    return replace(variation, zone=None, where=None if variation.metric else variation.where, metric=None)


def labelled(start: str, label: str | None) -> str:
    """A window's start, called by the wall time of a zone."""
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
