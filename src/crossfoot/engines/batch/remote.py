"""A recount that BigQuery does: its tables stay there, and only cells and totals come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crossfoot.definition.model import Definition, Measure
from crossfoot.engines.batch.answers import answer
from crossfoot.engines.batch.bigquery import column_name
from crossfoot.engines.batch.cells import COUNT
from crossfoot.engines.batch.raw import COLUMNS
from crossfoot.engines.batch.render import metric_of, render
from crossfoot.engines.batch.variation import PLAIN, Variation

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
Ask = Callable[[str], Sequence[Row]]
_TYPES = {"VARCHAR": "STRING", "BIGINT": "INT64", "TIMESTAMPTZ": "TIMESTAMP", "BLOB": "STRING"}


class RemoteRecount:
    """Counts the raw records of a query again; `judged` names the table that they are judged into.

    The query has `partition`, `position` and `record` (a text; null: it was no UTF-8), and what else the archive has.
    `ask` runs a script and gives the rows of its last statement. DefinitionError for what BigQuery cannot count.
    """

    def __init__(self, definition: Definition, judged: str, ask: Ask, variation: Variation = PLAIN) -> None:
        self.rendered = render(definition, variation, "bigquery")
        self._judged, self._ask = judged, ask

    def judge(self, raw: str, columns: Sequence[str]) -> None:
        """Judge every record of the query, which has these columns; the table is replaced whole."""
        query = self.rendered.query("judged").replace(
            "WITH RECURSIVE ", f"WITH RECURSIVE raw AS ({normal(raw, columns)}),\n", 1
        )
        self._ask(self.rendered.script(f"CREATE OR REPLACE TABLE `{self._judged}` AS {query}"))

    def reasons(self) -> dict[tuple[str, str, str], int]:
        """Records by account, reason and part."""
        sql = f"SELECT account, reason, part, COUNT(*) AS n FROM `{self._judged}` GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        return {(row["account"], row["reason"], row["part"]): row["n"] for row in self._ask(sql)}

    def accounts(self) -> dict[str, int]:
        """Records by account."""
        found: dict[str, int] = {}
        for (account, _, _), records in self.reasons().items():
            found[account] = found.get(account, 0) + records
        return found

    def cells(self, metric: str, by: Sequence[str] = (), grain: str = "all") -> pa.Table:
        """As `Store.query(metric, by=…, grain=…).to_arrow()`."""
        definition = self.rendered.definition
        query = self.rendered.cells(metric, by, grain)
        counted = f"SELECT * FROM `{self._judged}` WHERE account = 'counted'"
        rows = self._ask(self.rendered.script(f"WITH counted AS ({counted}) {query}"))
        measures = metric_of(definition, metric).measures
        return answer(_table(rows, definition, tuple(by), measures), definition, tuple(by), measures)


def normal(raw: str, columns: Sequence[str]) -> str:
    """The query in the archive's columns. Without `epoch` its records are in the order of partition and position."""
    order = "DENSE_RANK() OVER (ORDER BY `partition`)"
    absent = {"epoch": order, "step": "position", "kind": "'record'"}
    named = []
    for column, kind in COLUMNS.items():
        value = f"`{column}`" if column in columns else absent.get(column, "NULL")
        named.append(f"CAST({value} AS {_TYPES[kind]}) AS `{column}`")
    return f"SELECT {', '.join(named)} FROM ({raw})"


def _table(rows: Sequence[Row], definition: Definition, by: tuple[str, ...], measures: tuple[Measure, ...]) -> pa.Table:
    """Rows with the types that DuckDB would give them."""
    import pyarrow as pa

    kinds = {field.name: field.type.name for field in definition.event.fields}
    types = {"window": pa.int64()} | {name: _type(kinds[name]) for name in by}
    for measure in measures:
        types[measure.name] = _measured(measure, kinds)
        if measure.kind == "mean":
            types[f"{COUNT} {measure.name}"] = pa.int64()
    columns = {}
    for name, kind in types.items():
        values = [row[column_name(name)] for row in rows]
        columns[name] = pa.array([_whole(value) for value in values] if pa.types.is_decimal(kind) else values, kind)
    return pa.table(columns)


def _type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return {"integer": pa.int64(), "decimal": pa.int64(), "boolean": pa.bool_(), "float": pa.float64()}.get(
        kind, pa.string()
    )


def _measured(measure: Measure, kinds: Mapping[str, str]) -> pa.DataType:
    import pyarrow as pa

    if measure.kind in ("count", "distinct"):
        return pa.int64()
    if measure.kind in ("sum", "mean"):
        return pa.decimal128(38, 0)
    return _type(kinds[measure.field or ""])


def _whole(value: Any) -> Decimal | None:
    return None if value is None else Decimal(int(value))
