"""The batch engine: raw records counted by DuckDB, from SQL that the definition is rendered as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

from crossfoot.definition.engines import refuse
from crossfoot.definition.model import Definition
from crossfoot.engines.batch import raw
from crossfoot.engines.batch.answers import answer
from crossfoot.engines.batch.lacks import lacks
from crossfoot.engines.batch.render import Rendered, Step, metric_of, render
from crossfoot.engines.batch.variation import PLAIN, Variation
from crossfoot.errors import CallError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_numbers = count(1)
_KEPT = "timed"


class Recount:
    """One variation's result. Its table lies in the engine's connection until `close`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, rendered: Rendered, judged: str, definition: Definition
    ) -> None:
        self._connection, self._rendered, self._plain = connection, rendered, definition
        self.judged = judged
        """The relation of all records: source, partition, position, t, event_time, account, reason, part, id."""

    def cells(self, metric: str, by: Sequence[str] = (), grain: str = "all") -> pa.Table:
        """As `Store.query(metric, by=…, grain=…).to_arrow()`."""
        found = metric_of(self._rendered.definition, metric)
        table = self._connection.sql(self.cells_sql(metric, by, grain)).to_arrow_table()
        return answer(table, self._rendered.definition, tuple(by), found.measures)

    def cells_sql(self, metric: str, by: Sequence[str] = (), grain: str = "all") -> str:
        """The statement behind `cells`: decimals are scaled integers, windows microseconds."""
        counted = self._rendered.steps[-1].sql.replace("FROM judged", f"FROM {self.judged}")
        return f"WITH counted AS ({counted}) {self._rendered.cells(metric, by, grain)}"

    @property
    def definition(self) -> Definition:
        """The definition as the variation has it."""
        return self._rendered.definition

    def with_cells_of(self, variation: Variation) -> Recount:
        """The same judged records, in cells as another variation makes them: its zone, its filter of a metric."""
        return Recount(self._connection, render(self._plain, variation), self.judged, self._plain)

    def accounts(self) -> dict[str, int]:
        """Records by account."""
        found: dict[str, int] = {}
        for (account, _, _), records in self.reasons().items():
            found[account] = found.get(account, 0) + records
        return found

    def reasons(self) -> dict[tuple[str, str, str], int]:
        """Records by account, reason and part."""
        rows = self._connection.execute(
            f"SELECT account, reason, part, count(*) FROM {self.judged} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        return {(account, reason, part): records for account, reason, part, records in rows}

    def close(self) -> None:
        """Drop the table."""
        raw.drop(self._connection, [self.judged])


class BatchEngine:
    """Counts raw records again, by another program than the one that counted them.

    DefinitionError for a definition that it cannot count. A connection of the caller's is left open.
    """

    def __init__(self, definition: Definition, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        refuse("the batch engine", lacks(definition))
        self.definition = definition
        self.connection = _connect() if connection is None else connection
        self.connection.execute("SET TimeZone = 'UTC'")
        self._relations: list[str] = []
        self._kept: tuple[tuple[object, ...], str] | None = None

    def add_raw(self, relation: Any) -> None:
        """Raw records: SQL, the name of a table or view, a DuckDB relation, an Arrow table; in the order given."""
        number = next(_numbers)
        shown = raw.as_relation(self.connection, relation, number)
        self._relations.append(raw.normal(self.connection, shown, len(self._relations)))
        self.__dict__.pop("_raw", None)

    def add_files(self, paths: Sequence[str]) -> None:
        """Lines of files: each file is a partition."""
        for path in paths:
            self.add_raw(raw.of_files([path]))

    def run(self, variation: Variation = PLAIN) -> Recount:
        """Count everything again, as the variation says."""
        rendered = render(self.definition, variation)
        for statement in rendered.prelude:
            self.connection.execute(statement)
        judged = f"crossfoot_judged_{next(_numbers)}"
        self.connection.execute(f"CREATE TEMP TABLE {judged} AS {self._query(rendered, 'judged')}")
        return Recount(self.connection, rendered, judged, self.definition)

    def keep(self) -> None:
        """Keep the records as decoded and timed in a table: variations that only judge them otherwise start there."""
        rendered = render(self.definition)
        for statement in rendered.prelude:
            self.connection.execute(statement)
        table = f"crossfoot_timed_{next(_numbers)}"
        self.connection.execute(f"CREATE TEMP TABLE {table} AS {self._query(rendered, _KEPT)}")
        self._kept = (_shared(rendered), table)

    def _query(self, rendered: Rendered, step: str) -> str:
        query = rendered.query(step)
        if self._kept is not None and self._kept[0] == _shared(rendered):
            steps = rendered.steps[_place(rendered) + 1 :]
            start = Step(_KEPT, f"SELECT * FROM {self._kept[1]}")
            return replace(rendered, steps=(start, *steps)).query(step)
        return query.replace("WITH RECURSIVE ", f"WITH RECURSIVE raw AS ({self._raw}),\n", 1)

    @cached_property
    def _raw(self) -> str:
        if not self._relations:
            raise CallError("there are no raw records", "call add_raw or add_files first")
        return " UNION ALL ".join(self._relations)


def _place(rendered: Rendered) -> int:
    return [each.name for each in rendered.steps].index(_KEPT)


def _shared(rendered: Rendered) -> tuple[object, ...]:
    """What must be equal for two variations to start from the same kept records."""
    return (rendered.prelude, *rendered.steps[: _place(rendered) + 1])


def _connect() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect()
