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
from crossfoot.engines.batch.lines import table_of
from crossfoot.engines.batch.render import Rendered, Step, metric_of, render
from crossfoot.engines.batch.variation import PLAIN, Variation
from crossfoot.errors import CallError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_numbers = count(1)
_KEPT = "timed"


class Recount:
    """One variation's result. What is asked for is counted then, into tables of the connection, until `close`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, rendered: Rendered, raw_sql: str, definition: Definition
    ) -> None:
        self.rendered, self._definition = rendered, definition
        self._connection, self._raw = connection, raw_sql
        self._tables: dict[str, str] = {}

    @property
    def judged(self) -> str:
        """All records, a relation: source, partition, position, t, received, event_time, account, reason, part, id."""
        return self.step("judged")

    @property
    def counted(self) -> str:
        """The relation of what counts: `event_us`, and the declared fields (`field NAME`)."""
        if "judged" in self._tables:
            return f"(SELECT * FROM {self.judged} WHERE account = 'counted')"
        if self.rendered.lean is None:
            return f"(SELECT * FROM {self.judged} WHERE account = 'counted')"
        return self._table("counted", self.rendered.counted())

    def step(self, name: str) -> str:
        """The relation of a step."""
        return self._table(name, self.rendered.query(name))

    def with_cells_of(self, variation: Variation) -> Recount:
        """The same judged records in cells as another variation makes them: its zone, its filter of a metric."""
        found = Recount(self._connection, render(self._definition, variation), self._raw, self._definition)
        found._tables = {"judged": self.judged}
        return found

    def _table(self, step: str, query: str) -> str:
        if step not in self._tables:
            table = f"crossfoot_{step}_{next(_numbers)}"
            query = query.replace("WITH RECURSIVE ", f"WITH RECURSIVE raw AS ({self._raw}),\n", 1)
            for statement in self.rendered.prelude:
                self._connection.execute(statement)
            self._connection.execute(f"CREATE TEMP TABLE {table} AS {query}")
            self._tables[step] = table
        return self._tables[step]

    def cells(self, metric: str, by: Sequence[str] = (), grain: str = "all") -> pa.Table:
        """As `Store.query(metric, by=…, grain=…).to_arrow()`."""
        found = metric_of(self.rendered.definition, metric)
        table = self._connection.sql(self.cells_sql(metric, by, grain)).to_arrow_table()
        return answer(table, self.rendered.definition, tuple(by), found.measures)

    def cells_sql(self, metric: str, by: Sequence[str] = (), grain: str = "all") -> str:
        """The statement behind `cells`: decimals are scaled integers, windows microseconds."""
        return f"WITH counted AS (SELECT * FROM {self.counted}) {self.rendered.cells(metric, by, grain)}"

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
        """Drop the tables."""
        raw.drop(self._connection, self._tables.values())
        self._tables = {}


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
        self._kept = None

    def add_files(self, paths: Sequence[str]) -> None:
        """Lines of files (gzip and zstd by their names), read now: each file is a partition."""
        for path in paths:
            self.add_raw(table_of(self.connection, path, self.definition.limits.record_bytes_max))

    def run(self, variation: Variation = PLAIN) -> Recount:
        """Count everything again, as the variation says."""
        rendered = render(self.definition, variation)
        if self._kept is not None and self._kept[0] == _shared(rendered):
            start = Step(_KEPT, f"SELECT * FROM {self._kept[1]}")
            rendered = replace(rendered, steps=(start, *rendered.steps[_place(rendered) + 1 :]))
        return Recount(self.connection, rendered, self._raw, self.definition)

    def keep(self) -> None:
        """Keep the records as decoded and timed in a table, once: variations that only judge otherwise start there."""
        if self._kept is not None:
            return
        recount = Recount(self.connection, render(self.definition), self._raw, self.definition)
        self._kept = (_shared(recount.rendered), recount.step(_KEPT))

    @cached_property
    def _raw(self) -> str:
        if not self._relations:
            raise CallError("there are no raw records", "call add_raw or add_files first")
        return " UNION ALL ".join(self._relations)


def _place(rendered: Rendered) -> int:
    return [each.name for each in rendered.steps].index(_KEPT)


def _shared(rendered: Rendered) -> tuple[object, ...]:
    """What must be equal for two variations to start from the same kept records."""
    return (rendered.variation.rounding, *rendered.steps[: _place(rendered) + 1])


def _connect() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect()
