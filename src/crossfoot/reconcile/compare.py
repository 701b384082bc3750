"""The full outer comparison: digests of groups of cells first, cell by cell only in groups that differ.

A group is a window and one of some slots of its keys, so that a few differing cells of a large window need few others.
A digest is the number of cells and the sum of 64-bit hashes of whole rows: equal digests of different cells would need
hashes that agree by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossfoot.engines.batch.sql import name
from crossfoot.errors import DataError
from crossfoot.query.times import show_time
from crossfoot.reconcile.form import WINDOW, Column, Form, equal
from crossfoot.reconcile.remote import slots_of
from crossfoot.reconcile.sides import Side
from crossfoot.reconcile.working import readable

if TYPE_CHECKING:
    import duckdb

DIFFERENCES = "differences"
"""The table of cells that differ: cell (a number), state, the key, `ours M` and `theirs M`, lost, volume."""
STATES = ("differs", "missing here", "missing there")


@dataclass(frozen=True, slots=True)
class MeasureDifference:
    """How one measure differs, over cells that both sides have: cells, and the sum of ours and of theirs over all."""

    name: str
    cells: int
    ours: int | float | None
    theirs: int | float | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Cells by state; volumes are events of the larger side (cells, where no count is compared)."""

    cells: int
    equal: int
    differs: int
    missing_here: int
    missing_there: int
    volume: int
    volume_equal: int
    measures: tuple[MeasureDifference, ...]
    groups: int
    groups_differing: int

    @property
    def exact_keys(self) -> float:
        """Percentage of keys whose cells are equal."""
        return 100.0 * self.equal / self.cells if self.cells else 100.0

    @property
    def exact_volume(self) -> float:
        """The same by the events in them."""
        return 100.0 * self.volume_equal / self.volume if self.volume else 100.0


def compare(connection: duckdb.DuckDBPyConnection, form: Form, ours: Side, theirs: Side) -> Compared:
    """Compare two relations of the form; the differing cells are in the table `differences`."""
    slots = slots_of(connection, ours.relation)
    for side in (ours, theirs):
        with readable(side.shown):
            _digest(connection, form, side, slots)
    groups = _differing_groups(connection)
    _unique(connection, form, theirs, slots)
    _descend(connection, form, ours, theirs, slots)
    return _counted(connection, form, groups)


def within(connection: duckdb.DuckDBPyConnection) -> str:
    """The condition that a cell lies in the windows that were compared."""
    both = 'SELECT "window" FROM digests_ours UNION ALL SELECT "window" FROM digests_theirs'
    row = connection.execute(f'SELECT min("window"), max("window") FROM ({both})').fetchone()
    return "TRUE" if row is None or row[0] is None else f"{name(WINDOW)} BETWEEN {row[0]} AND {row[1]}"


def _slot(form: Form, slots: int) -> str:
    keys = ", ".join(key.quoted for key in form.keys)
    return f"hash({keys}) % {slots}" if slots > 1 else "0"


def _volume(form: Form) -> str:
    return "1" if form.count is None else form.count.quoted


def _digest(connection: duckdb.DuckDBPyConnection, form: Form, side: Side, slots: int) -> None:
    row = ", ".join(column.quoted for column in form.columns)
    connection.execute(
        f'CREATE OR REPLACE TEMP TABLE digests_{side.relation} AS SELECT "window", {_slot(form, slots)} AS slot,'
        f" count(*) AS cells, sum(hash({row})) AS digest, sum({_volume(form)}) AS volume FROM {side.relation}"
        " GROUP BY 1, 2"
    )


def _differing_groups(connection: duckdb.DuckDBPyConnection) -> int:
    connection.execute(
        'CREATE OR REPLACE TEMP TABLE groups AS SELECT coalesce(o."window", t."window") AS "window",'
        " coalesce(o.slot, t.slot) AS slot FROM digests_ours o FULL JOIN digests_theirs t"
        ' ON o."window" IS NOT DISTINCT FROM t."window" AND o.slot = t.slot'
        " WHERE o.digest IS DISTINCT FROM t.digest OR o.cells IS DISTINCT FROM t.cells"
    )
    row = connection.execute("SELECT count(*) FROM digests_ours").fetchone()
    return int(row[0]) if row else 0


def _chosen(form: Form, relation: str, slots: int) -> str:
    """The cells of a side in groups that differ."""
    slot = _slot(form, slots)
    on = f's."window" IS NOT DISTINCT FROM g."window" AND {slot if slots == 1 else "s.slot"} = g.slot'
    return f"(SELECT s.* EXCLUDE (slot) FROM (SELECT *, {slot} AS slot FROM {relation}) s SEMI JOIN groups g ON {on})"


def _unique(connection: duckdb.DuckDBPyConnection, form: Form, side: Side, slots: int) -> None:
    """DataError where a key stands more than once. In groups that are equal to ours it does not."""
    keys = ", ".join(key.quoted for key in form.keys)
    query = f"SELECT {keys}, count(*) AS many FROM {_chosen(form, side.relation, slots)} GROUP BY ALL HAVING many > 1"
    row = connection.execute(f"SELECT *, count(*) OVER () FROM ({query}) ORDER BY many DESC LIMIT 1").fetchone()
    if row is None:
        return
    said = ", ".join(f"{key.name} {say(key, value)}" for key, value in zip(form.keys, row, strict=False))
    what = f"{row[-1]:,} keys stand more than once in {side.shown}: {row[-2]} rows of {said}"
    raise DataError(
        what, f"aggregate it by {', '.join(key.name for key in form.keys)} in a query, or compare by more dimensions"
    )


def say(column: Column, value: object) -> str:
    """A value for people."""
    if value is None:
        return "null"
    if column.name == WINDOW:
        return show_time(int(str(value))) or ""
    if column.type.name == "decimal" and column.sql_type == "HUGEINT":
        whole = int(str(value))
        sign, digits = "-" if whole < 0 else "", str(abs(whole)).rjust(column.type.scale + 1, "0")
        return sign + (
            f"{digits[: -column.type.scale]}.{digits[-column.type.scale :]}" if column.type.scale else digits
        )
    return str(value)


def _descend(connection: duckdb.DuckDBPyConnection, form: Form, ours: Side, theirs: Side, slots: int) -> None:
    keys = [f"coalesce(o.{key.quoted}, t.{key.quoted}) AS {key.quoted}" for key in form.keys]
    values = [
        f"{alias}.{column.quoted} AS {name(f'{side} {column.name}')}"
        for column in form.measures
        for alias, side in (("o", "ours"), ("t", "theirs"))
    ]
    same = " AND ".join(equal(column, f"o.{column.quoted}", f"t.{column.quoted}") for column in form.measures)
    state = "CASE WHEN o.here IS NULL THEN 'missing here' WHEN t.here IS NULL THEN 'missing there' ELSE 'differs' END"
    counts = (
        ("1", "1")
        if form.count is None
        else (f"coalesce(o.{form.count.quoted}, 0)", f"coalesce(t.{form.count.quoted}, 0)")
    )
    sides = [f"(SELECT *, TRUE AS here FROM {_chosen(form, side.relation, slots)})" for side in (ours, theirs)]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {DIFFERENCES} AS SELECT row_number() OVER () AS cell, {state} AS"
        f" state, {', '.join(keys + values)},"
        f" {counts[0]} - {counts[1]} AS lost, greatest({counts[0]}, {counts[1]}) AS volume"
        f" FROM {sides[0]} o FULL JOIN {sides[1]} t ON {form.same_key('o', 't')}"
        f" WHERE NOT ({same} AND coalesce(o.here, FALSE) AND coalesce(t.here, FALSE))"
    )


def _counted(connection: duckdb.DuckDBPyConnection, form: Form, groups: int) -> Compared:
    found = dict(connection.execute(f"SELECT state, count(*) FROM {DIFFERENCES} GROUP BY state").fetchall())
    (cells, volume), *_ = connection.execute(
        "SELECT coalesce(sum(cells), 0), coalesce(sum(volume), 0) FROM digests_ours"
    ).fetchall()
    ours = "1" if form.count is None else f"coalesce({name(f'ours {form.count.name}')}, 0)"
    query = (
        f"SELECT coalesce(sum(volume), 0), coalesce(sum({ours}) FILTER (state <> 'missing here'), 0) FROM {DIFFERENCES}"
    )
    (differing, of_ours), *_ = connection.execute(query).fetchall()
    differs, here, there = (int(found.get(state, 0)) for state in STATES)
    same_volume = int(volume) - int(of_ours)
    (differing_groups,), *_ = connection.execute("SELECT count(*) FROM groups").fetchall()
    return Compared(
        cells=int(cells) + here,
        equal=int(cells) - differs - there,
        differs=differs,
        missing_here=here,
        missing_there=there,
        volume=same_volume + int(differing),
        volume_equal=same_volume,
        measures=tuple(_measure(connection, column) for column in form.measures),
        groups=groups,
        groups_differing=int(differing_groups),
    )


def _measure(connection: duckdb.DuckDBPyConnection, column: Column) -> MeasureDifference:
    """Sums over differing cells only where a sum means something."""
    ours, theirs = name(f"ours {column.name}"), name(f"theirs {column.name}")
    adds = column.kind in ("count", "sum")
    sums = f"sum({ours}), sum({theirs})" if adds else "NULL, NULL"
    query = f"SELECT count(*) FILTER (NOT {equal(column, ours, theirs)}), {sums} FROM {DIFFERENCES}"
    cells, mine, other = connection.execute(query).fetchone() or (0, None, None)
    return MeasureDifference(column.name, int(cells), mine, other)
