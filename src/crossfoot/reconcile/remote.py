"""A table of BigQuery is compared by digests that BigQuery works out: only groups of cells that differ come here.

A group is a window and one of some slots of its keys. Its digest, which both sides make of the same texts, is the
number of its cells and two sums of 32 bits of each row's MD5: equal digests of different cells would need hashes that
agree by accident. What has no text that both write alike, floats and dimensions of any type, is compared here as a
whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossfoot.bigquery import Reader
from crossfoot.definition.model import Grain, WindowColumn
from crossfoot.definition.text import quote_text
from crossfoot.engines.batch.sql import name
from crossfoot.errors import DataError
from crossfoot.reconcile.columns import UNITS
from crossfoot.reconcile.form import WINDOW, Column, Form

if TYPE_CHECKING:
    import duckdb

SAME = "crossfoot_same"
"""A view of our cells in groups that are equal: they are theirs as well."""
_DIFFERING_MAX = 2_000
"""More groups than that are not named in a question: all rows are asked for."""
_GROUPS = 16_384
_NUMBERS = ("INTEGER", "INT64", "NUMERIC", "BIGNUMERIC")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question whose rows are compared: how people call it, its columns with their types, and which are compared."""

    sql: str
    shown: str
    types: Mapping[str, str]
    columns: Mapping[Column, str]


def slots_of(connection: duckdb.DuckDBPyConnection, ours: str) -> int:
    """Into how many slots the cells of a window are divided."""
    row = connection.execute(f'SELECT approx_count_distinct("window"), count(*) FROM {ours}').fetchone()
    windows, cells = row or (0, 0)
    return int(max(1, min(_GROUPS // max(windows, 1), cells // 256)))


def rows_that_differ(
    connection: duckdb.DuckDBPyConnection,
    reader: Reader,
    asked: Asked,
    what: tuple[Form, WindowColumn],
    ours: tuple[str, str],
) -> str | None:
    """The condition, in BigQuery's SQL, of rows in groups that differ from ours; None: all rows are to be looked at.

    With a condition the view `SAME` is there. `ours`: our relation, and the condition of windows that are compared.
    """
    form, window = what
    texts = _their_texts(asked, form, window)
    if texts is None:
        return None
    relation, within = ours
    slots = slots_of(connection, relation)
    group = _their_group(texts, slots)
    where = within.replace(name(WINDOW), f"CAST({texts[form.keys[0]]} AS INT64)")
    hashed = f"SELECT {group} AS grp, {_their_hash(texts.values())} AS h FROM ({asked.sql}) WHERE {where}"
    sums = ", ".join(f"SUM({_their_number('h', first)}) AS {alias}" for alias, first in (("a", 1), ("b", 9)))
    try:
        digests = list(reader.rows(f"SELECT grp, COUNT(*) AS cells, {sums} FROM ({hashed}) GROUP BY grp", asked.shown))
    except DataError:
        return None  # a value that is not what it should be is named when it is here
    connection.execute("CREATE OR REPLACE TEMP TABLE digests_there (grp VARCHAR, cells BIGINT, a HUGEINT, b HUGEINT)")
    for table in digests:
        connection.register("crossfoot_digests", table)
        connection.execute("INSERT INTO digests_there SELECT * FROM crossfoot_digests")
        connection.unregister("crossfoot_digests")
    differing = _differing(connection, form, relation, slots)
    if differing is None:
        return None
    return f"{group} IN ({', '.join(map(quote_text, differing))})" if differing else "FALSE"


def _differing(connection: duckdb.DuckDBPyConnection, form: Form, ours: str, slots: int) -> list[str] | None:
    """The groups that differ; None for too many, or where they have no row, about which something is to be said."""
    texts = [f"CAST({column.quoted} AS VARCHAR)" for column in form.columns]
    keys = _our_hash(texts[: len(form.keys)])
    slot = f"CAST({_our_number(keys, 1)} % {slots} AS VARCHAR)" if slots > 1 else "'0'"
    group = f"coalesce({texts[0]}, '') || '/' || {slot}"
    sums = ", ".join(f"sum({_our_number('h', first)}) AS {alias}" for alias, first in (("a", 1), ("b", 9)))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE digests_here AS SELECT grp, count(*) AS cells, {sums}"
        f" FROM (SELECT {group} AS grp, {_our_hash(texts)} AS h FROM {ours}) GROUP BY grp"
    )
    found = connection.execute(
        "SELECT coalesce(o.grp, t.grp), t.grp IS NOT NULL"
        " FROM digests_here o FULL JOIN digests_there t ON o.grp = t.grp"
        " WHERE (o.cells, o.a, o.b) IS DISTINCT FROM (t.cells, t.a, t.b)"
    ).fetchall()
    (many,) = connection.execute("SELECT count(*) FROM digests_there").fetchone() or (0,)
    if not many or len(found) > _DIFFERING_MAX:
        return None
    equal = "SELECT o.grp FROM digests_here o JOIN digests_there t USING (grp, cells, a, b)"
    same = f"SELECT * EXCLUDE (grp) FROM (SELECT *, {group} AS grp FROM {ours}) SEMI JOIN ({equal}) USING (grp)"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {SAME} AS {same if found else f'SELECT * FROM {ours}'}")
    return [group for group, is_there in found if is_there]


def _our_hash(texts: Iterable[str]) -> str:
    marked = (f"coalesce('v' || strlen({text}) || ':' || {text}, 'n')" for text in texts)
    return f"md5({' || '.join(marked)})"


def _our_number(digits: str, first: int) -> str:
    return f"CAST('0x' || substr({digits}, {first}, 8) AS BIGINT)"


def _their_hash(texts: Iterable[str]) -> str:
    marked = (f"COALESCE(CONCAT('v', CAST(BYTE_LENGTH({text}) AS STRING), ':', {text}), 'n')" for text in texts)
    return f"TO_HEX(MD5(CONCAT({', '.join(marked)})))"


def _their_number(digits: str, first: int) -> str:
    return f"CAST(CONCAT('0x', SUBSTR({digits}, {first}, 8)) AS INT64)"


def _their_group(texts: Mapping[Column, str], slots: int) -> str:
    keys = [text for column, text in texts.items() if column.kind == "key"]
    slot = f"CAST(MOD({_their_number(_their_hash(keys), 1)}, {slots}) AS STRING)" if slots > 1 else "'0'"
    return f"CONCAT(IFNULL({keys[0]}, ''), '/', {slot})"


def _their_texts(asked: Asked, form: Form, window: WindowColumn) -> dict[Column, str] | None:
    """Each column's value as the text that ours has; None where one has no such text."""
    texts = {}
    for column in form.columns:
        text: str | None = "CAST(NULL AS STRING)"
        if (theirs := asked.columns.get(column)) is not None:
            sql, kind = f"`{theirs}`", asked.types[theirs]
            text = _window(sql, kind, window, form.grain) if column.name == WINDOW else _value(sql, kind, column)
        if text is None:
            return None
        texts[column] = text
    return texts


def _window(sql: str, kind: str, window: WindowColumn, grain: Grain) -> str | None:
    zone = quote_text(window.zone or (grain.zone if kind == "DATE" else None) or "UTC")
    if kind == "TIMESTAMP":
        return f"CAST(UNIX_MICROS({sql}) AS STRING)"
    if kind in ("DATE", "DATETIME"):
        return f"CAST(UNIX_MICROS(TIMESTAMP({sql}, {zone})) AS STRING)"
    many, parts = UNITS[window.unit or "us"]
    number = f"DIV({sql}, {parts})" if parts > 1 else f"{sql} * {many}"
    return f"CAST({number} AS STRING)" if kind in ("INTEGER", "INT64") else None


def _value(sql: str, kind: str, column: Column) -> str | None:
    """A number that is not whole, or too large, has another text than any of ours: it is looked at here."""
    if column.sql_type == "VARCHAR":
        return sql if kind == "STRING" and column.type.name != "any" else None
    if column.sql_type == "BOOLEAN":
        return f"CAST({sql} AS STRING)" if kind in ("BOOLEAN", "BOOL") else None
    if column.sql_type == "DOUBLE" or kind not in _NUMBERS:
        return None
    if kind in ("INTEGER", "INT64") and column.sql_type == "BIGINT" and column.type.name != "decimal":
        return f"CAST({sql} AS STRING)"
    scale = column.type.scale if column.type.name == "decimal" and column.kind not in ("count", "distinct") else 0
    number = f"({sql} * {10**scale})" if scale else sql
    whole = f"SAFE_CAST({number} AS INT64)"
    return f"IF({whole} = {number}, CAST({whole} AS STRING), CONCAT('x', CAST({number} AS STRING)))"
